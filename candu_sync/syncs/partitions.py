"""Partitions' keys, and windows of time: from a key to its start and end and back, in UTC. It is arithmetic only.

A window's key is its start, in the text that Dagster gives its own partition keys: ``2026-11-01`` for a day, for a
week (by its Monday) and for a month (by its first day), ``2026-11-01-13:00`` for an hour. If the start of the
partitions lies inside a window, the next window is the first: no window is cut.

The key of a window with a segment is both, as Dagster joins them: ``2026-11-01|eu``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from candu_sync.errors import UsageError
from candu_sync.syncs.partition_spec import Every, Partitions

__all__ = ["Window", "declared_parts", "first_window", "is_newest", "join", "split", "window", "windows",
           "windows_between"]

_BETWEEN = "|"
_LENGTH = {"hourly": timedelta(hours=1), "daily": timedelta(days=1), "weekly": timedelta(weeks=1)}
_FORMAT = {"hourly": "%Y-%m-%d-%H:%M", "daily": "%Y-%m-%d", "weekly": "%Y-%m-%d", "monthly": "%Y-%m-%d"}
_WRITTEN = {
    "hourly": "an hour, YYYY-MM-DD-HH:00",
    "daily": "a day, YYYY-MM-DD",
    "weekly": "a week's Monday, YYYY-MM-DD",
    "monthly": "a month's first day, YYYY-MM-01",
}


@dataclass(frozen=True)
class Window:
    """A half-open interval of time: ``start`` is in it, ``end`` is not. Both are aware, in UTC."""

    key: str
    start: datetime
    end: datetime


def join(window: str | None, segment: str | None) -> str:
    """The key of a partition, from those of its window and its segment. One of them may be None."""
    return _BETWEEN.join(key for key in (window, segment) if key is not None)


def split(partitions: Partitions, key: str) -> tuple[str | None, str | None]:
    """The keys of a partition's window and of its segment; None where ``partitions`` have none. They are not looked at.

    Raises UsageError when there should be two and the key is one.
    """
    if partitions.every is None:
        return None, key
    if partitions.segments is None:
        return key, None
    start, between, segment = key.partition(_BETWEEN)
    if not between:
        raise UsageError(f"{key!r} is not a partition; the key is a window's and a segment's, like "
                         f"{join(first_window(partitions).key, (partitions.keys or ('trial',))[0])}")
    return start, segment


def declared_parts(partitions: Partitions | None, key: str | None) -> tuple[str | None, str | None]:
    """The parts of a partition's key that the sync's files declare: its window, and its static segment or shard; None:
    it has none. A key of earlier settings has none either."""
    if partitions is None or key is None:
        return None, None
    try:
        start, segment = split(partitions, key)
        if start is not None:
            window(partitions, start)
    except UsageError:
        return None, None
    return start, segment if segment in (partitions.keys or ()) else None


def window(partitions: Partitions, key: str) -> Window:
    """The window whose key is ``key``; it need not have ended.

    ``partitions`` must have windows. Raises UsageError when ``key`` is malformed, is not a
    window's start, or lies before the first window.
    """
    every, first = _every(partitions), first_window(partitions)
    try:
        start = datetime.strptime(key, _FORMAT[every]).replace(tzinfo=UTC)
        found = _window(every, _floor(every, start))
    except (ValueError, OverflowError):
        raise UsageError(f"{key!r} is not a partition; the key is {_WRITTEN[every]}, like {first.key}") from None
    if found.key != key:
        nearest = max(found, first, key=lambda window: window.start)
        raise UsageError(f"{key!r} is not a partition; the key is {_WRITTEN[every]}; the nearest is {nearest.key}")
    if found.start < first.start:
        raise UsageError(f"partition {key} lies before the first, which is {first.key}")
    return found


def windows(partitions: Partitions, now: datetime) -> list[Window]:
    """Every window that has ended by ``now`` (aware), oldest first. ``partitions`` as for ``window``."""
    return list(_ended(_every(partitions), first_window(partitions), now.astimezone(UTC)))


def is_newest(partitions: Partitions, window: Window, now: datetime) -> bool:
    """Whether a window is the last one that has ended by ``now`` (aware). ``partitions`` as for ``window``."""
    return window.end <= now < _window(_every(partitions), window.end).end


def windows_between(partitions: Partitions, first: Window, last: Window) -> list[Window]:
    """Every window from one to another, both included."""
    return list(_ended(_every(partitions), first, last.end))


def _ended(every: Every, current: Window, now: datetime) -> Iterator[Window]:
    while current.end <= now:
        yield current
        current = _window(every, current.end)


def _every(partitions: Partitions) -> Every:
    if partitions.every is not None:
        return partitions.every
    raise UsageError(f"{partitions.spread} partitions are keys, not windows of time")


def first_window(partitions: Partitions) -> Window:
    """The first window that begins at or after the partitions' start."""
    every = _every(partitions)
    start = cast(datetime, partitions.start)
    floor = _window(every, _floor(every, start))
    return floor if floor.start == start else _window(every, floor.end)


def _window(every: Every, start: datetime) -> Window:
    # The 31st day after a month's first is always in the next month.
    end = _floor("monthly", start + timedelta(days=31)) if every == "monthly" else start + _LENGTH[every]
    return Window(start.strftime(_FORMAT[every]), start, end)


def _floor(every: Every, instant: datetime) -> datetime:
    """The start of the window that ``instant`` is in."""
    if every == "hourly":
        return instant.replace(minute=0, second=0, microsecond=0)
    day = instant.replace(hour=0, minute=0, second=0, microsecond=0)
    if every == "daily":
        return day
    return day.replace(day=1) if every == "monthly" else day - timedelta(days=day.weekday())
