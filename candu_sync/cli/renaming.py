"""A command for a sync whose file was renamed: rename."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from candu_sync.cli.common import Json, chosen, finish, opened_project, print_lines, say
from candu_sync.errors import UsageError

if TYPE_CHECKING:
    from candu_sync.syncs import Catalog


def rename(old: Annotated[str, typer.Argument(metavar="OLD", help="The name that the sync had.")],
           new: Annotated[str, typer.Argument(metavar="NEW", help="Its name now: that of its file.")],
           as_json: Json = False) -> None:
    """Move what was sent to another name, after a sync's file was renamed. Sends nothing."""
    from candu_sync.naming import counted
    from candu_sync.operate import maintenance

    with opened_project() as (project, catalog):
        project.destinations.check_environment()
        _check_gone(catalog, old, new)
        syncs, errors = chosen(catalog, [new])
        for sync in syncs:
            moved = maintenance.rename(project, old, sync)
            if as_json:
                print_lines([{"sync": new, "renamed_from": old, "partitions": moved}])
            else:
                say(f"{old}: what was sent is now of {new} ({counted(moved, 'partition')})")
    finish([2 for _ in errors])


def _check_gone(catalog: Catalog, old: str, new: str) -> None:
    if old == new:
        raise UsageError(f"{old} has that name already")
    if old in catalog.syncs or old in {error.sync for error in catalog.errors}:
        raise UsageError(f"{old} is still a sync of this project, and would be sent from the beginning. Rename its "
                         f"files first, then run `candu-sync rename {old} {new}`")
