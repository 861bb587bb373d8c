"""A command that shows how things are: status."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from candu_sync.cli.common import Json, Names, Partitions, chosen, complain, finish, opened_project, print_lines, say
from candu_sync.naming import counted, named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from candu_sync.project import Project
    from candu_sync.syncs import Catalog

Row = dict[str, Any]

# A sync with more partitions is one line, unless it was named.
_MOST_PARTITIONS = 5

_COUNTS = ("rows", "refreshed", "invalid", "refused", "waiting", "unidentified", "uncertain")

# Counts that most syncs do not have: their column is there when one of the rows has them.
_RARE = ("refreshed", "unidentified", "uncertain")

_BAD = ("failed", "guarded")


def status(names: Names = None, partition: Partitions = None, failed: Annotated[bool, typer.Option(
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
    from candu_sync.operate import orphan_notes, problem_lines, statuses

    with opened_project() as (project, catalog):
        if alert_test:
            finish([1 for _ in range(send_trial(project))])
        errors = _wrong_files(project, catalog, names)
        missed = send_notices(project, catalog, names, as_json=as_json) if alert else 0
        rows = statuses(project, catalog, names or (), partition or ())
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
        _show(rows, whole=bool(names) or failed)
    problems = problem_lines(rows) if check else []
    for line in problems:
        complain(line)
    if check and not problems and not errors and not as_json:
        say(f"ok: {counted(len(rows), 'sync or partition', 'syncs and partitions')}")
    finish([*(1 for _ in problems), *(2 for _ in errors if check), *(1 for _ in range(missed))])


def _wrong_files(project: Project, catalog: Catalog, names: list[str] | None) -> list[Any]:
    """The errors of files, as ``chosen`` reports them. A name may also be of a sync that is gone and has a state."""
    from candu_sync.state import orphans

    gone = orphans(project.state, catalog.syncs)
    known = [name for name in names or () if name not in gone]
    return [] if names and not known else chosen(catalog, known)[1]


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
    show_rows(("sync", "partition", "last run", "status", *counts, "claimed by"), lines)
    for row in rows:
        if row["error"] and row["status"] in _BAD:
            since = "" if row["since"] == row["last_run"] else f" since {row['since']}"
            say(f"{named(row['sync'], row['partition'])}: {row['status']}{since}: {row['error']}")
    of = {row["sync"] for row in rows if row["invalid"] or row["refused"] or row["waiting"]}
    sums = _sums(rows, ("invalid", "refused", "waiting", "unidentified"))
    for step in next_steps(of.pop() if len(of) == 1 else "SYNC", **sums):
        say(step)


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
