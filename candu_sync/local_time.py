"""Local time and instants: one rule for every conversion between the two.

A local time is a date and a time of day without an offset, as a column without a zone holds it. The rule is that of
PostgreSQL and DuckDB, which compare such columns with instants themselves:

- A local time that comes twice (clocks go back) is the later of the two instants.
- A local time that is skipped (clocks go forward) is read with the offset of before: where 02:00 becomes 03:00,
  02:20 is the instant of 03:20.

Offsets are those of ``zoneinfo``, in every year: Arrow's own rules end in 2037.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

_DAY = dt.timedelta(days=1)
_SECOND = dt.timedelta(seconds=1)
_MICROSECOND = dt.timedelta(microseconds=1)
_EPOCH = dt.datetime(1970, 1, 1)

Microseconds = npt.NDArray[np.int64]


def instant_of(microseconds: int) -> dt.datetime:
    """The instant so many microseconds after 1970-01-01T00:00:00Z.

    Example:
        >>> instant_of(1_000_000).isoformat()
        '1970-01-01T00:00:01+00:00'
    """
    return (_EPOCH + microseconds * _MICROSECOND).replace(tzinfo=dt.UTC)


def offset_of(local: dt.datetime, zone: ZoneInfo) -> dt.timedelta:
    """The offset from UTC of a local time (without ``tzinfo``), by the rule of this module.

    Example:
        >>> offset_of(dt.datetime(2026, 11, 1, 1, 30), ZoneInfo("America/New_York")) / dt.timedelta(hours=1)
        -5.0
    """
    # Of a time that comes twice, and of one that is skipped, the rule's is the smaller of zoneinfo's two answers.
    aware = local.replace(tzinfo=zone)
    first, second = aware.replace(fold=0).utcoffset(), aware.replace(fold=1).utcoffset()
    assert first is not None
    assert second is not None
    return min(first, second)


def read_time(text: str) -> dt.datetime | None:
    """A time that is written in ISO 8601, with ``T`` or a space: in UTC, or without ``tzinfo`` when it names no offset.

    A date without a time is its midnight. None: the text cannot be read.

    Example:
        >>> read_time("2026-11-05T13:30+01:00"), read_time("2026-11-05")
        (datetime.datetime(2026, 11, 5, 12, 30, tzinfo=datetime.timezone.utc), datetime.datetime(2026, 11, 5, 0, 0))
        >>> read_time("soon")
    """
    try:
        value = dt.datetime.fromisoformat(text.strip())
        return value if value.tzinfo is None else value.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


def offsets(local: Microseconds, years: Iterable[int], timezone: str) -> Microseconds:
    """The offsets of many local times, in microseconds.

    Args:
        local: microseconds since 1970-01-01 00:00 local time.
        years: every year that is among them, 1 to 9999.
        timezone: IANA name of the zone.
    """
    steps = [step for year in sorted(years) for step in _steps(timezone, year)]
    starts = np.array([start for start, _ in steps], np.int64)
    found = np.array([offset for _, offset in steps], np.int64)
    return found[np.searchsorted(starts, local, side="right") - 1]


def first_local(instant: dt.datetime, timezone: str) -> dt.datetime:
    """An instant as a local time for comparisons: a column's local time lies at or after it exactly when its instant is
    at or after ``instant``.

    The only exceptions are times that a zone skips, where the change is not at a full hour of UTC.

    Args:
        instant: aware.
        timezone: IANA name of the zone.

    Returns:
        Without ``tzinfo``. It never decreases while ``instant`` increases, so windows that touch do so here too.

    Example:
        >>> first_local(dt.datetime(2026, 11, 1, 5, 30, tzinfo=dt.UTC), "America/New_York")
        datetime.datetime(2026, 11, 1, 1, 0)
        >>> first_local(dt.datetime(2026, 3, 8, 7, 0, tzinfo=dt.UTC), "America/New_York")
        datetime.datetime(2026, 3, 8, 2, 0)
    """
    zone = ZoneInfo(timezone)
    just_before = (instant - _MICROSECOND).astimezone(zone)
    local = instant.astimezone(zone).replace(tzinfo=None)
    unchanged = just_before.replace(tzinfo=None) + _MICROSECOND
    if unchanged < local:
        # Clocks go forward at this instant: the times that are skipped come after it.
        return unchanged
    offset = instant.astimezone(zone).utcoffset()
    assert offset is not None
    if offset_of(local, zone) < offset:
        # The first of two: the rule has no local time for the instants until the second.
        return _change(local - _DAY, local, zone)
    return local


def _change(low: dt.datetime, high: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """The first local time after ``low``, to the second, that has another offset than ``low`` has; there is one up to
    ``high``."""
    low, before = low.replace(microsecond=0), offset_of(low, zone)
    seconds = 1 + (high - low) // _SECOND
    same = 0
    while seconds - same > 1:
        middle = (same + seconds) // 2
        if offset_of(min(low + middle * _SECOND, high), zone) == before:
            same = middle
        else:
            seconds = middle
    return low + seconds * _SECOND


@lru_cache(maxsize=20_000)
def _steps(timezone: str, year: int) -> tuple[tuple[int, int], ...]:
    """The local times of a year at which the offset changes, and the offsets, in microseconds. It looks day by day: no
    zone has ever changed twice on one day.
    """
    zone = ZoneInfo(timezone)
    last = dt.datetime(year, 12, 31, 23, 59, 59)
    day = dt.datetime(year, 1, 1)
    steps = [(day, offset_of(day, zone))]
    while day < last:
        following = last if last - day < _DAY else day + _DAY
        while offset_of(following, zone) != steps[-1][1]:
            change = _change(day, following, zone)
            steps.append((change, offset_of(change, zone)))
            day = change
        day = following
    return tuple(((start - _EPOCH) // _MICROSECOND, offset // _MICROSECOND) for start, offset in steps)
