"""What was not synced in time, for syncs that have a cron line."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from candu_sync.alerts import Problem
from candu_sync.naming import counted
from candu_sync.syncs import Sync, is_present, join, late_after, split, windows

Row = dict[str, Any]

# Windows of time that are looked at: the newest.
_WINDOWS = 50

# Keys that a sentence names.
_NAMED = 5


def late_problems(sync: Sync, rows: list[Row], now: dt.datetime, *, whole: bool) -> Iterator[Problem]:
    """What is late of a sync: its last good run is too old, or a partition has none.

    Of windows and of dynamic keys one good run is enough for the sync as a whole: older windows, and keys that are
    gone, are not run again.

    Args:
        rows: of the sync, as ``statuses`` has them.
        now: aware.
        whole: the rows are all that there are. Otherwise a partition without a row is no sign of anything.
    """
    limit = late_after(sync.automation)
    if limit is None or not rows:
        return
    fixed = sync.partitions.keys if sync.partitions is not None and sync.partitions.every is None else None
    if fixed is None or not any(row["succeeded_at"] for row in rows):
        old = [_too_old(sync, None, rows, now - limit)]
    else:
        groups = {key: [row for row in rows if row["partition"] == key] for key in fixed}
        old = [_too_old(sync, key, group, now - limit) for key, group in groups.items() if group or whole]
    if any(old):
        yield from (problem for problem in old if problem is not None)
    elif whole and (missed := _missed(sync, rows, now, limit)):
        keys = ", ".join(missed[:_NAMED]) + (", …" if len(missed) > _NAMED else "")
        yield Problem("stale", f"stale: no run of {counted(len(missed), 'window')} ended well: {keys}. "
                      f"`candu-sync run {sync.name}` runs what is missing")


def _too_old(sync: Sync, partition: str | None, rows: list[Row], earliest: dt.datetime) -> Problem | None:
    good = max((row["succeeded_at"] or "" for row in rows), default="")
    if good and dt.datetime.fromisoformat(good) >= earliest:
        return None
    of = f" of {partition}" if partition is not None and not rows else ""
    last = f"the last run that ended well was at {good}" if good else f"no run{of} ended well yet"
    return Problem("stale", f"stale: {last}, and its automation is {sync.automation!r}", partition)


def windows_by_segment(sync: Sync, rows: list[Row]) -> dict[str | None, dict[str, Row]]:
    """Segment (None: there are none) → key of a window → its row; empty for a sync without windows."""
    found: dict[str | None, dict[str, Row]] = {}
    if sync.partitions is not None and sync.partitions.every is not None:
        for row in rows:
            if is_present(sync, row["partition"], None):
                key, segment = split(sync.partitions, row["partition"])
                found.setdefault(segment, {})[str(key)] = row
    return found


def _missed(sync: Sync, rows: list[Row], now: dt.datetime, limit: dt.timedelta) -> list[str]:
    """The partitions of windows that ended long enough ago, after the first that ran, and have no good run. One that
    failed is a problem of its own. Of dynamic segments nobody knows which there were."""
    if sync.partitions is None or sync.partitions.every is None or sync.partitions.dynamic is not None:
        return []
    due = [window.key for window in windows(sync.partitions, now)[-_WINDOWS:] if window.end + limit < now]
    return [join(key, segment) for segment, ran in sorted(windows_by_segment(sync, rows).items(), key=str)
            for key in due if key > min(ran) and not _is_done(ran.get(key))]


def _is_done(row: Row | None) -> bool:
    return row is not None and (row["succeeded_at"] is not None or row["status"] in ("failed", "guarded"))
