"""What is wrong with a sync by its last runs. ``status --check`` and notices show the same.

It fails, it is late, it has more bad rows than it may, more and more rows are left over, or its counts are unlike
those before.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from candu_sync.alerts import Problem
from candu_sync.naming import as_arguments, counted, named
from candu_sync.operate.late import late_problems, windows_by_segment
from candu_sync.operate.unusual import unusual, usual_range
from candu_sync.syncs import Catalog, Sync

Row = dict[str, Any]


def find_problems(rows: list[Row], catalog: Catalog, now: dt.datetime, *, whole: bool) -> dict[str, list[Problem]]:
    """What is wrong with the syncs of ``statuses``' rows.

    Each row is given its ``problems``: a list of sentences, empty where all is well; what is wrong with a sync as a
    whole is in the row of the partition that ran last. Its ``left`` and ``recent`` are taken away.

    Args:
        now: aware.
        whole: the rows of a sync are all that there are.

    Returns:
        Sync → problems.
    """
    found: dict[str, list[Problem]] = {}
    for name in dict.fromkeys(row["sync"] for row in rows):
        mine = [row for row in rows if row["sync"] == name]
        sync = catalog.syncs.get(name)
        found[name] = [problem for row in mine for problem in _of_row(row, sync)]
        if sync is not None:
            found[name] += [*late_problems(sync, mine, now, whole=whole), *_unusual_windows(sync, mine)]
        _attach(mine, found[name])
    return found


def problem_lines(rows: list[Row]) -> list[str]:
    """The problems of rows, each with the sync and partition that it is about."""
    return [f"{named(row['sync'], row['partition'])}: {problem}" for row in rows for problem in row["problems"]]


def _attach(rows: list[Row], problems: list[Problem]) -> None:
    last = max(rows, key=lambda row: row["succeeded_at"] or "")
    keys = {row["partition"] for row in rows}
    for row in rows:
        row["problems"] = [problem.sentence for problem in problems
                           if (problem.partition == row["partition"] if problem.partition in keys else row is last)]


def _of_row(row: Row, sync: Sync | None) -> Iterator[Problem]:
    key, left, recent = row["partition"], row.pop("left"), row.pop("recent")
    if row["dead"]:
        yield Problem("died", f"a run died: {row['claimed_by']}. What Candu accepted of it is kept", key)
    why = str(row["error"]).removeprefix(f"{named(row['sync'], key)}: ")
    if row["status"] == "failed":
        yield Problem("failing", f"failing since {row['since']}: {why}", key)
    if row["status"] == "guarded":
        why = why.removeprefix("stopped by a guard, ")
        yield Problem("guarded", f"stopped by a guard since {row['since']}: {why}", key)
    if sync is not None and (sentence := _over_tolerance(row, sync.guard.max_invalid)):
        yield Problem("tolerance", sentence, key)
    if sentence := _growing(left):
        yield Problem("growing", sentence, key)
    if row["status"] == "succeeded" and (sentence := _unusual(recent)):
        yield Problem("unusual", sentence, key)


def _over_tolerance(row: Row, limit: float | None) -> str | None:
    """More rows are invalid or refused than ``max_invalid`` allows."""
    rows, invalid, refused = row["rows"] or 0, row["invalid"] or 0, row["refused"] or 0
    if limit is None or not rows or invalid + refused <= limit * rows:
        return None
    counts = [f"{count:,} {what}" for count, what in ((invalid, "invalid"), (refused, "refused")) if count]
    return (f"over the tolerance: of {counted(rows, 'row')} {' and '.join(counts)} ({(invalid + refused) / rows:.1%}), "
            f"max_invalid is {limit:.1%}. `candu-sync rejected {as_arguments(row['sync'], row['partition'])}` has "
            "the reasons")


def _growing(left: list[int]) -> str | None:
    """More rows were left over by the last run than by one of the few before it."""
    if len(left) < 2 or left[-1] <= min(left):
        return None
    return (f"growing: {left[-1]:,} rows and messages are invalid, refused or waiting after the last run, "
            f"{min(left):,} were {_ago(len(left) - 1 - left.index(min(left)))} before")


def _ago(runs: int) -> str:
    return "one run" if runs == 1 else f"{runs} runs"


def _unusual(recent: list[dict[str, int | None]]) -> str | None:
    """The last run had another number of rows than the runs before it, or sent more messages. That it sent fewer says
    nothing: a second run on the same data sends none."""
    for what, low in ("rows", True), ("messages", False):
        counts = [run[what] for run in recent]
        known = [count for count in counts[:-1] if count is not None]
        if counts and counts[-1] is not None and unusual(counts[-1], known, low=low):
            return f"unusual: the last run had {counts[-1]:,} {what}, {usual_range(known)}. Look at the model's result"
    return None


def _unusual_windows(sync: Sync, rows: list[Row]) -> Iterator[Problem]:
    """Of windows of time, the newest of each segment is compared with those before it."""
    for found in windows_by_segment(sync, rows).values():
        good = [found[key] for key in sorted(found) if found[key]["status"] == "succeeded"]
        counts = [row["rows"] or 0 for row in good]
        if counts and unusual(counts[-1], counts[:-1]):
            yield Problem("unusual", f"unusual: the window {good[-1]['partition']} had {counts[-1]:,} rows, "
                          f"{usual_range(counts[:-1])}. Look at the model's result")
