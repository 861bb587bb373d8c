"""A command for a person who is to be forgotten: forget."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from candu_sync.cli.common import Json, complain, finish, opened_project, print_lines, say
from candu_sync.errors import UsageError
from candu_sync.naming import counted, named
from candu_sync.routes import ROUTES

if TYPE_CHECKING:
    from candu_sync.forgetting import Forgotten
    from candu_sync.project import Project
    from candu_sync.syncs import Catalog


def forget(user_id: Annotated[str, typer.Argument(metavar="USER_ID", help="The user's id, letter for letter.")],
           undo: Annotated[bool, typer.Option(
               "--undo", help="Let the id be sent and stored again. What was removed stays removed.")] = False,
           as_json: Json = False) -> None:
    """Remove a person from the state and the history of all syncs; the id is not sent or stored again."""
    with opened_project() as (project, catalog):
        project.destinations.check_environment()
        if undo:
            _undo(project, user_id, as_json=as_json)
            return
        found = _forget(project, catalog, user_id)
        place, simulated = _in_simulator(project, user_id)
    if as_json:
        print_lines([{"removed": [asdict(row) for row in found.removed], "certificate": found.certificate,
                      "simulator": simulated}])
    else:
        _show(found)
        if simulated is not None:
            say(f"the simulator at {place}: {counted(simulated, 'row')} removed")
    for sentence in found.busy:
        complain(f"{sentence}. Forget the id again then: what is there is not removed yet")
    finish([1 for _ in found.busy])


def _forget(project: Project, catalog: Catalog, user_id: str) -> Forgotten:
    from candu_sync import forgetting

    if not user_id.strip():
        raise UsageError("forget whom? Give the id of a user")
    if catalog.errors:
        raise UsageError(f"{catalog.errors[0]}. Correct this first: the files of a sync say how its keys are made")
    return forgetting.forget(project, catalog.syncs, user_id)


def _in_simulator(project: Project, user_id: str) -> tuple[str, int | None]:
    """The address of the simulator, and the rows that were removed from it; None: none answers where messages go."""
    urls = [project.settings.url_of(route) for route in ROUTES.values()]
    local = [url for url in urls if any(host in url for host in ("127.0.0.1", "localhost", "[::1]"))]
    if not local:
        return urls[0], None
    # Its server takes a while to load.
    from candu_sync.simulator import forget_user, on_this_machine

    found = [(url, forget_user(url, user_id)) for url in local if on_this_machine(url)]
    return next((pair for pair in found if pair[1] is not None), (urls[0], None))


def _undo(project: Project, user_id: str, *, as_json: bool) -> None:
    from candu_sync import forgetting

    if not forgetting.remember_again(project, user_id):
        raise UsageError("this id was not forgotten, or that was taken back already")
    if as_json:
        print_lines([{"undone": True}])
    else:
        say("the id is sent and stored again, from the next run on. It is not known any more which events of it "
            "Candu has: those that a model still gives go again. `candu-sync baseline SYNC` before that run takes them "
            "as sent")


def _show(found: Forgotten) -> None:
    from candu_sync.cli.tables import show_rows

    if found.removed:
        show_rows(("sync", "where", "removed"),
                  [(named(row.sync, row.partition), row.where, row.count) for row in found.removed])
    elif not found.busy:
        say("the state holds nothing of this id")
    if found.certificate is not None:
        say(f"{counted(sum(row.count for row in found.removed), 'thing')} removed; the id is not sent or stored again. "
            f"This is written down, without the id, in {found.certificate}")
