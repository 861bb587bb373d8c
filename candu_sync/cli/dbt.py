"""A command for dbt: exposures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candu_sync.cli.common import chosen, complain, finish, opened_project, remark
from candu_sync.errors import UsageError

if TYPE_CHECKING:
    from candu_sync.project import Project
    from candu_sync.syncs import Catalog


def exposures(output: Annotated[Path | None, typer.Option(
        "--output", metavar="FILE", help="Where to write it, in place of stdout.")] = None) -> None:
    """The syncs as dbt exposures: a YAML file for the dbt project."""
    from candu_sync.dbt import exposures as room

    with opened_project() as (project, catalog):
        syncs, wrong = chosen(catalog, None)
        if not catalog.complete:
            finish([2])
        if project.settings.dbt_manifest is None and any(sync.deps for sync in syncs):
            complain("CANDU_DBT_MANIFEST is not set: the exposures depend on what models read by ref and source, and "
                     "not on `deps`: it is not known which of them are dbt's")
        found, errors = room.exposures(syncs, project.settings.dbt_manifest,
                                       _traits(project, catalog))
    for error in errors:
        complain(str(error))
    text = room.text(found)
    if output is None:
        typer.echo(text, nl=False)
    else:
        _write(output, text)
    finish([2] if errors or wrong else [])


def _traits(project: Project, catalog: Catalog) -> dict[str, list[str]]:
    """The traits of the syncs whose model the warehouse accepts. The file is useful without them, too."""
    from candu_sync.operate import check_models

    if project.settings.warehouse_url is None:
        complain("the exposures say nothing of traits: CANDU_WAREHOUSE_URL is not set")
        return {}
    found = {}
    for checked in check_models(project, catalog, catalog.syncs.values()):
        # Two senders of one trait are wrong, and both have it.
        wrong = [odd.named for odd in checked.findings if odd.severity == "error" and odd.code != "two_senders"]
        if wrong:
            complain(f"warning: the exposure of {checked.sync} says nothing of traits: {wrong[0]}")
        else:
            found[checked.sync] = list(checked.traits)
    return found


def _write(output: Path, text: str) -> None:
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}") from None
    remark(f"{output}: {text.count('- name: candu__')} exposures")
