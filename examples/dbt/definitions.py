"""The dbt project's models and the syncs that read them, in one code location: `dagster dev -f definitions.py`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dagster import AssetExecutionContext, Definitions
from dagster_dbt import DbtCliResource, DbtProject, dbt_assets

from dagster_defs.build import build_definitions

HERE = Path(__file__).parent
project = DbtProject(project_dir=HERE, profiles_dir=HERE)
# `dagster dev` lets dbt write the manifest anew; elsewhere `dbt parse` has done so before.
project.prepare_if_dev()


@dbt_assets(manifest=project.manifest_path)
def models(context: AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
    """Build, and test, the models that were asked for."""
    yield from dbt.cli(["build"], context=context).stream()


defs = Definitions.merge(
    build_definitions(HERE / "candu"),
    Definitions(assets=[models], resources={"dbt": DbtCliResource(project_dir=project)}),
)
