"""A command that shows how things are: status."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from candu_sync.cli.common import Json, Partitions, complain, finish, opened_project, print_lines, say, with_state
from candu_sync.cli.repeated_errors import same_sentence
from candu_sync.cli.selection import All, Exclude, Names, Selected, Selection, Tags, select
from candu_sync.errors import UsageError
from candu_sync.naming import counted, named
from candu_sync.routes import SEGMENT

if TYPE_CHECKING:
    from collections.abc import Iterator


Row = dict[str, Any]

# A sync with more partitions is one line, unless it was named.
_MOST_PARTITIONS = 5

_COUNTS = ("rows", "refreshed", "invalid", "refused", "waiting", "unidentified", "uncertain")

# Counts that most syncs do not have: their column is there when one of the rows has them.
_RARE = ("refreshed", "unidentified", "uncertain")

_BAD = ("failed", "guarded")


def status(names: Names = None, partition: Partitions = None, everything: All = False, tag: Tags = None,
           exclude: Exclude = None, failed: Annotated[bool, typer.Option(
        "--failed", help="Only what failed, was stopped by a guard, or died.")] = False, check: Annotated[
        bool, typer.Option("--check", help="Print only what is failing, stale or growing, and end with 1 where "
                                           "anything is: for cron and probes.")] = False,
           alert: Annotated[bool, typer.Option(
               "--alert", help="Send a notice of each sync that has become failing, stale or the like since the last "
                               "one, or well again, to CANDU_ALERTS_URL: for cron.")] = False,
           alert_test: Annotated[bool, typer.Option(
               "--alert-test", help="Send a notice on trial to each address of CANDU_ALERTS_URL, and nothing "
                                    "else.")] = False,
           as_json: Json = False) -> None:
    """For each sync and partition: last run, rows, what is invalid, refused or waiting, and why the last run failed."""
    from candu_sync.cli.alerting import send_notices, send_trial
    from candu_sync.forgetting import unfinished
    from candu_sync.operate import orphan_notes, orphaned, problem_lines, statuses

    with opened_project() as (project, catalog):
        if alert_test:
            finish([1 for _ in range(send_trial(project))])
        asked = Selection.of(names, partition, tags=tag, exclude=exclude, everything=everything)
        selected = select(project, catalog, asked, gone=orphaned(project, catalog))
        missed = send_notices(project, catalog, selected.named, as_json=as_json) if alert else 0
        rows = statuses(project, catalog, selected.named or (), _partitions(selected))
        if failed:
            rows = [row for row in rows if row["status"] in _BAD or row["dead"]]
        if unfinished(project.state):
            complain("a person is being forgotten, or that was interrupted: run `candu-sync forget USER_ID` once more")
        if not check:
            for note in orphan_notes(project, catalog, rows):
                complain(note)
    if as_json:
        print_lines(rows)
    elif not check and not alert:
        _show(rows, whole=asked.is_exact(selected.names) or failed)
    problems = problem_lines(rows) if check else []
    for line in problems:
        complain(line)
    if check and not problems and not selected.errors and not as_json:
        say(f"ok: {counted(len(rows), 'sync or partition', 'syncs and partitions')}")
    finish([*(1 for _ in problems), *(2 for _ in selected.errors if check), *(1 for _ in range(missed))])


def _partitions(selected: Selected) -> set[str]:
    """The partitions that were named, over all syncs; a range counts for the syncs that have it.

    Raises:
        UsageError: no sync has the range.
    """
    found, wrong = set(selected.selection.partitions), []
    for sync in selected.syncs if found else ():
        try:
            found.update(selected.keys(sync) or ())
            with_state(selected.project, sync, selected.keys(sync))  # refuses a key that cannot be
        except UsageError as error:
            wrong.append(error)
    if wrong and len(wrong) == len(selected.syncs):
        raise wrong[0]
    return found


def _show(rows: list[Row], *, whole: bool) -> None:
    """A table, the reasons of what failed, and what happens next.

    Args:
        whole: every partition has its line.
    """
    from candu_sync.cli.tables import show_rows
    from candu_sync.operate import next_steps

    counts = tuple(name for name in _COUNTS if name not in _RARE or any(row[name] for row in rows))
    lines = [line for _, found in groupby(rows, lambda row: row["sync"])
             for line in _lines(list(found), counts, whole=whole)]
    routes = {row["sync"]: row["route"] for row in rows}
    heading = ["route"] if SEGMENT.name in routes.values() else []
    lines = [[name, *(routes[name] for _ in heading), *rest] for name, *rest in lines]
    show_rows(("sync", *heading, "partition", "last run", "status", *counts, "claimed by"), lines)
    for line in _reasons(rows):
        say(line)
    of = {row["sync"] for row in rows if row["invalid"] or row["refused"] or row["waiting"]}
    sums = _sums(rows, ("invalid", "refused", "waiting", "unidentified"))
    for step in next_steps(of.pop() if len(of) == 1 else "SYNC", **sums):
        say(step)


def _reasons(rows: list[Row]) -> Iterator[str]:
    """Why runs failed or were stopped; a reason that several partitions of a sync have is given once."""
    bad = [row for row in rows if row["error"] and row["status"] in _BAD]
    by_reason: dict[tuple[str, ...], list[Row]] = {}
    for row in bad:
        reason = same_sentence(row["sync"], row["partition"], row["error"])
        by_reason.setdefault((row["sync"], row["status"], reason), []).append(row)
    for first, *others in by_reason.values():
        since = min(row["since"] for row in (first, *others))
        more = f" and {counted(len(others), 'more partition')}" if others else ""
        yield (f"{named(first['sync'], first['partition'])}{more}: {first['status']}"
               f"{'' if since == first['last_run'] else f' since {since}'}: {first['error']}")


def _lines(rows: list[Row], counts: tuple[str, ...], *, whole: bool) -> Iterator[list[Any]]:
    """The lines of one sync: one for all of its partitions where there are many, and one for each that is not well."""
    many = len(rows) > _MOST_PARTITIONS and not whole
    if many:
        ended: dict[str, int] = {}
        for row in rows:
            ended[row["status"] or "never run"] = ended.get(row["status"] or "never run", 0) + 1
        yield [rows[0]["sync"], counted(len(rows), "partition"), max(row["last_run"] or "" for row in rows),
               ", ".join(f"{count:,} {word}" for word, count in ended.items()), *_sums(rows, counts).values(), None]
    for row in rows:
        if not many or row["status"] in _BAD or row["claimed_by"]:
            yield [row["sync"], row["partition"], row["last_run"], row["status"], *(row[name] for name in counts),
                   row["claimed_by"]]


def _sums(rows: list[Row], names: tuple[str, ...]) -> dict[str, int]:
    return {name: sum(row[name] or 0 for row in rows) for name in names}
