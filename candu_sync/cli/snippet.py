"""A command that prints the call of ``Candu.init`` for a user: snippet."""

from __future__ import annotations

from typing import Annotated

import typer

from candu_sync.cli.common import Json, Partitions, chosen, complain, finish, keys_of, opened_project, with_state
from candu_sync.errors import UsageError


def snippet(name: Annotated[str, typer.Argument(metavar="SYNC")],
            user: Annotated[str, typer.Option("--user", metavar="ID", help="The user's id, letter for letter.")],
            partition: Partitions = None,
            signed: Annotated[bool, typer.Option(
                "--signed", help="With a placeholder of the HMAC, for a workspace with Signed Identities.")] = False,
            as_json: Json = False) -> None:
    """The Candu.init call of a user, with the traits that Candu accepted. They are personal data."""
    from candu_sync.operate import snippet_of, unfinished_runs
    from candu_sync.terminal import json_line

    with opened_project() as (project, catalog):
        syncs, errors = chosen(catalog, [name])
        for sync in syncs:
            if sync.kind != "users":
                raise UsageError(f"{sync.name} sends no traits of users: a page passes those to Candu.init")
            for sentence in unfinished_runs(project, sync.name, keys_of(project, sync, partition)):
                complain(sentence)
            found = snippet_of(with_state(project, sync, keys_of(project, sync, partition)), user)
            if as_json:
                typer.echo(json_line({"sync": found.sync, "partition": found.partition, "user_id": found.user_id,
                                      "gone": found.gone, "doubt": found.doubt, "init": found.init(signed=signed)}))
            else:
                typer.echo(found.script(signed=signed))
            if found.gone:
                complain("the user left the model; Candu still has these traits")
            if found.doubt:
                complain("Candu did not answer the last message of this user: it may still have the traits before")
    finish([2 for _ in errors])
