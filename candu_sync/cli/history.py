"""A command that answers what Candu was sent: history."""

from __future__ import annotations

import csv
import datetime as dt
import io
import itertools
import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from candu_sync.cli.common import Json, Partitions, complain, finish, opened_project, say, with_state
from candu_sync.cli.selection import All, Exclude, Failed, Names, Selection, Tags, select
from candu_sync.errors import UsageError
from candu_sync.routes import CANDU
from candu_sync.terminal import csv_cell, json_line

if TYPE_CHECKING:
    from candu_sync.cli.selection import Selected
    from candu_sync.history import HistoryQuery
    from candu_sync.project import Project
    from candu_sync.state import PartitionState

# Rows of a table on a terminal.
_SHOWN = 200

_COLUMNS = ("at", "run_id", "sync", "partition", "key", "user_id", "group_id", "type", "outcome", "status", "reason",
            "attempts", "message_id", "event", "refresh", "route", "traits")


def history(names: Names = None, partition: Partitions = None, everything: All = False, tag: Tags = None,
            exclude: Exclude = None, failed: Failed = False,
            user: Annotated[str | None, typer.Option(
                "--user", metavar="ID", help="What was sent of this user, over all syncs.")] = None,
            run: Annotated[str | None, typer.Option(
                "--run", metavar="RUN", help="What this run sent; the beginning of its name is enough.")] = None,
            since: Annotated[str | None, typer.Option(
                "--since", metavar="TIME", help="Since a date or time, UTC, like 2026-11-01 or 2026-11-01T06:00.",
            )] = None,
            as_csv: Annotated[bool, typer.Option("--csv", help="As CSV.")] = False, as_json: Json = False) -> None:
    """What Candu was sent, row by row: when, by which run, what became of it, and why. Newest first."""
    from candu_sync.history import HistoryQuery, search_history

    asked = Selection.of(names, partition, tags=tag, exclude=exclude, failed=failed, everything=everything)
    if user is None and run is None and since is None and not (names or everything or tag or failed):
        raise UsageError("history of what? Name a sync, --user ID, --run RUN or --since TIME")
    query = HistoryQuery(user_id=user, run_id=run, since=None if since is None else _time(since))
    with opened_project() as (project, catalog):
        selected = select(project, catalog, asked)
        rows, unfinished = search_history(_states(selected), query), _unfinished(selected, query)
        if as_json:
            for row in rows:
                typer.echo(json_line({key: row[key] for key in _COLUMNS}))
        elif as_csv:
            _print_csv(rows)
        else:
            _print_table(project, rows, query, partly=bool(unfinished))
        for sentence in unfinished:
            complain(sentence)
    finish([2 for _ in selected.errors])


def _states(selected: Selected) -> Iterator[PartitionState]:
    for sync in selected.syncs:
        for target in with_state(selected.project, sync, selected.keys(sync)):
            yield target.state


def _unfinished(selected: Selected, query: HistoryQuery) -> list[str]:
    """A sentence for each run that has sent something which is not in the history yet."""
    from candu_sync.operate import unfinished_runs

    return [sentence for sync in selected.syncs
            for sentence in unfinished_runs(selected.project, sync.name, selected.keys(sync), query.run_id)]


def _time(text: str) -> dt.datetime:
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--since {text} is not a time; write it like 2026-11-01 or 2026-11-01T06:00") from None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def _print_csv(rows: Iterable[dict[str, Any]]) -> None:
    for row in itertools.chain([dict(zip(_COLUMNS, _COLUMNS, strict=True))], rows):
        line = io.StringIO()
        cells = (json.dumps(row[name], ensure_ascii=False) if isinstance(row[name], dict) else row[name]
                 for name in _COLUMNS)
        csv.writer(line).writerow([csv_cell(cell) for cell in cells])
        typer.echo(line.getvalue(), nl=False)


def _print_table(project: Project, rows: Iterable[dict[str, Any]], query: HistoryQuery, *, partly: bool) -> None:
    """``partly``: something was sent that is not in the history yet."""
    from candu_sync.cli.tables import short_reason, show_rows

    shown = list(itertools.islice(rows, _SHOWN + 1))
    if not shown:
        say("nothing is in the history yet" if partly else _nothing(project, query))
        return
    routes = {row["route"] for row in shown} != {CANDU.name}
    show_rows(("at", "run", "sync", "key", "outcome", *(["route"] if routes else []), "what", "why"),
              [(row["at"], row["run_id"], _title(row), row["key"], row["outcome"], *([row["route"]] if routes else []),
                _what(row), short_reason(row["reason"] or "")) for row in shown[:_SHOWN]])
    if len(shown) > _SHOWN:
        complain(f"these are the newest {_SHOWN} rows; --json and --csv give all of them")
    _say_unidentified(project, shown[:_SHOWN])


def _nothing(project: Project, query: HistoryQuery) -> str:
    from candu_sync.forgetting import is_forgotten

    if query.run_id is not None:
        return (f"no run whose name begins with {query.run_id} sent anything; `candu-sync history SYNC` has the names "
                "of runs")
    if query.user_id is None:
        return "nothing was sent"
    if is_forgotten(project.state, query.user_id):
        return f"the user {query.user_id!r} is forgotten (`candu-sync forget`): nothing is kept of what was sent before"
    return f"nothing was sent of the user {query.user_id!r}"


def _say_unidentified(project: Project, rows: list[dict[str, Any]]) -> None:
    """Say how many users of the events and memberships were never identified."""
    from candu_sync.diff import count_unidentified
    from candu_sync.operate import next_steps

    users = {row["user_id"] for row in rows if row["type"] != "identify" and row["user_id"] is not None}
    if not users:
        return
    with project.engine.use() as connection:
        count = count_unidentified(connection, project.state, users)
    for step in next_steps("SYNC", unidentified=count or 0):
        say(step)


def _title(row: dict[str, Any]) -> str:
    from candu_sync.naming import named

    return named(row["sync"], row["partition"])


def _what(row: dict[str, Any]) -> str:
    """The event, and the traits: ``plan, seats``, or with values ``plan: "team" → "pro"``; ``refresh`` before them
    where the row was only refreshed."""
    traits = [name if change is None else f"{name}: {_shown(change[0])} → {_shown(change[1])}"
              for name, change in row["traits"].items()]
    return ": ".join(part for part in ("refresh" if row["refresh"] else "", row["event"], ", ".join(traits)) if part)


def _shown(value: Any) -> str:
    return "∅" if value is None else json.dumps(value, ensure_ascii=False)
