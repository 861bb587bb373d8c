"""A command for a sync whose YAML has another number of shards: reshard."""

from __future__ import annotations

from typing import Annotated

import typer

from candu_sync.cli.common import Json, chosen, finish, opened_project, print_lines, say


def reshard(name: Annotated[str, typer.Argument(metavar="SYNC", help="The sync, by its name.")],
            shards: Annotated[int, typer.Argument(metavar="N", min=1, help="As many as its YAML has now; 1: none.")],
            as_json: Json = False) -> None:
    """Move what was sent to another number of shards, after the YAML was changed. Sends nothing."""
    from candu_sync.naming import counted
    from candu_sync.operate import resharding
    from candu_sync.shard_counts import in_shards

    with opened_project() as (project, catalog):
        project.destinations.check_environment()
        syncs, errors = chosen(catalog, [name])
        for sync in syncs:
            moved = resharding.reshard(project, sync, shards)
            if as_json:
                print_lines([{"sync": name, "shards": shards, "before": moved.before, "after": moved.after,
                              "rows": moved.rows}])
            elif not moved.before:
                say(f"{name}: nothing to move, what was sent has {in_shards(shards)} already")
            else:
                say(f"{name}: {counted(moved.rows, 'row')} of {counted(moved.before, 'partition')} are now in "
                    f"{counted(moved.after, 'partition')}")
    finish([2 for _ in errors])
