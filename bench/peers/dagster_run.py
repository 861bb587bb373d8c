"""One run of Dagster over all syncs, in this process: ``python -P dagster_run.py``.

The settings are in the environment, and an instance in ``DAGSTER_HOME``. It works with both builds that are measured.

Prints JSON: the seconds of processor of the run, without imports and loading; how many syncs; and how many of them went
into the lineage of columns.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from dagster import AssetsDefinition, AssetSelection, DagsterInstance, Definitions, materialize

_REPORTS = "_reports"


def main() -> None:
    lineage = _watch_lineage()
    from dagster_defs.definitions import defs

    assets = [asset for asset in defs.assets or () if isinstance(asset, AssetsDefinition) and _of_a_sync(asset)]
    with DagsterInstance.get() as instance:
        began = time.process_time()
        result = materialize(assets, selection=AssetSelection.assets(*(key for a in assets for key in a.keys)),
                             instance=instance, resources=dict(_resources(defs)), raise_on_error=True)
        cpu = time.process_time() - began
    print(json.dumps({"run_cpu": cpu, "steps": sum(event.is_step_success for event in result.all_events),  # noqa: T201
                      "lineage_cpu": sum(lineage), "lineages": len(lineage)}))


def _of_a_sync(asset: AssetsDefinition) -> bool:
    return all("users" in key.path for key in asset.keys)


def _resources(defs: Definitions) -> dict[str, Any]:
    return dict(defs.resources or {})


def _watch_lineage() -> list[float]:
    """Note the seconds of each call of what makes the metadata of columns, wherever it is imported to."""
    from dagster_defs import dbt

    seconds: list[float] = []
    made = dbt.lineage_metadata

    def timed(*arguments: Any, **options: Any) -> Any:
        began = time.process_time()
        try:
            return made(*arguments, **options)
        finally:
            seconds.append(time.process_time() - began)

    dbt.lineage_metadata = timed
    for module in [module for name, module in sys.modules.items() if name.startswith("dagster_defs")]:
        if getattr(module, "lineage_metadata", None) is made:
            module.lineage_metadata = timed  # type: ignore[attr-defined]
    return seconds


if __name__ == "__main__":
    main()
