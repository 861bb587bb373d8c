"""How much time passes between two ticks of a cron line. It shows whether a sync is late."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

from candu_sync.syncs.fields import cron_and_zone, cron_fields

# The least time for a run to start and end, where a quarter of the time between two runs is less.
_LEAST_GRACE = dt.timedelta(minutes=15)

# The first day of a year; the days looked at hold a 29th of February.
_FIRST_DAY = dt.date(2027, 1, 1)
_DAYS = 2 * 366
_DAY = dt.timedelta(days=1)


def late_after(automation: str) -> dt.timedelta | None:
    """How old the last good run of a sync may be: one run of its cron line may be missing, not two. None for a sync
    without a cron line.

    Example:
        >>> late_after("0 * * * *"), late_after("none")
        (datetime.timedelta(seconds=4500), None)
    """
    if automation in ("none", "on_upstream"):
        return None
    line, _ = cron_and_zone(automation)
    gap = longest_gap(line)
    return gap + max(gap / 4, _LEAST_GRACE)


def longest_gap(line: str) -> dt.timedelta:
    """The longest time between two ticks of a cron line, of those within two years."""
    minutes, hours, days, months, weekdays = cron_fields(line)
    times = [dt.timedelta(hours=hour, minutes=minute) for hour in sorted(hours or range(24))
             for minute in sorted(minutes or range(60))]
    dates = [date for date in (_FIRST_DAY + n * _DAY for n in range(_DAYS)) if ticks_on(date, days, months, weekdays)]
    within = max((later - earlier for earlier, later in pairwise(times)), default=dt.timedelta())
    over_night = times[0] - times[-1] + max((b - a for a, b in pairwise(dates)), default=_DAYS * _DAY)
    return max(within, over_night)


def ticks_on(date: dt.date, days: set[int] | None, months: set[int] | None, weekdays: set[int] | None) -> bool:
    """Whether a cron line ticks on that day: of a day of the month and one of the week, either is enough."""
    if months is not None and date.month not in months:
        return False
    on_day = days is not None and date.day in days
    on_weekday = weekdays is not None and not weekdays.isdisjoint({date.isoweekday(), date.isoweekday() % 7})
    return on_day or on_weekday or (days is None and weekdays is None)
