"""What is wrong with a sync by its last runs: it fails, it is late, or more and more rows are left over."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from candu_sync.naming import named
from candu_sync.syncs import Catalog, Sync, late_after

Row = dict[str, Any]


def add_problems(rows: list[Row], catalog: Catalog, now: dt.datetime) -> None:
    """Give each row of ``statuses`` its ``problems``: a list of sentences, empty where all is well. Takes its ``left``
    away.

    Args:
        now: aware.
    """
    for row in rows:
        row["problems"] = [*_failing(row), *_growing(row.pop("left"))]
    for sync in catalog.syncs.values():
        mine = [row for row in rows if row["sync"] == sync.name]
        _note_late(sync, mine, now)


def problem_lines(rows: list[Row]) -> list[str]:
    """The problems of rows, each with the sync and partition that it is about."""
    return [f"{named(row['sync'], row['partition'])}: {problem}" for row in rows for problem in row["problems"]]


def _failing(row: Row) -> Iterator[str]:
    if row["dead"]:
        yield f"a run died: {row['claimed_by']}. What Candu accepted of it is kept"
    if row["status"] == "failed":
        yield f"failing since {row['since']}: {row['error']}"
    if row["status"] == "guarded":
        yield f"stopped by a guard since {row['since']}: {row['error']}"


def _growing(left: list[int]) -> Iterator[str]:
    """More rows were left over by the last run than by one of the few before it."""
    if len(left) > 1 and left[-1] > min(left):
        yield (f"growing: {left[-1]:,} rows and messages are invalid, refused or waiting after the last run, "
               f"{min(left):,} were {_ago(len(left) - 1 - left.index(min(left)))} before")


def _ago(runs: int) -> str:
    return "one run" if runs == 1 else f"{runs} runs"


def _note_late(sync: Sync, rows: list[Row], now: dt.datetime) -> None:
    """Add the sentence about a sync with a cron line whose last good run is too old.

    Of windows and of dynamic keys the newest run counts: older windows, and keys that are gone, are not run again.
    """
    limit = late_after(sync.automation)
    if limit is None or not rows:
        return
    for group in _run_together(sync, rows):
        row = max(group, key=lambda row: row["succeeded_at"] or "")
        good = row["succeeded_at"]
        if good is None or now - dt.datetime.fromisoformat(good) > limit:
            last = "no run ended well yet" if good is None else f"the last run that ended well was at {good}"
            row["problems"].append(f"stale: {last}, and its automation is {sync.automation!r}")


def _run_together(sync: Sync, rows: list[Row]) -> list[list[Row]]:
    """The rows in groups. One good run of a group is enough."""
    if sync.partitions is None:
        return [rows]
    if sync.partitions.every is None and sync.partitions.static is not None:
        return [[row] for row in rows if row["partition"] in sync.partitions.static]
    return [rows]
