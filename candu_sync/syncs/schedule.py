"""How far a sync is behind its cron line."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from candu_sync.syncs.cron_gap import ticks_on
from candu_sync.syncs.fields import cron_and_zone, cron_fields
from candu_sync.syncs.partitions import declared_parts, is_newest, window
from candu_sync.syncs.sync import Sync

# Days in which a cron line that ticks at all has ticked: a 29th of February may be eight years away.
_DAYS = 8 * 366 + 1


def schedule_lag(sync: Sync, partition: str | None, good: dt.datetime | None, now: dt.datetime) -> float | None:
    """Seconds from the first tick of a sync's cron line that no good run has answered, until now; 0: no tick waits.

    Of windows, the newest that has ended counts, from its end on; the older ones do not follow the schedule.

    Args:
        good: when a run of the sync and partition last ended well; None: none did.
        now: aware, as ``good``.

    Returns:
        None where the sync has no cron line, or it is not known since when it is due.
    """
    since = _due_since(sync, partition, good, now)
    if since is None or sync.automation in ("none", "on_upstream"):
        return None
    tick = next_tick(sync.automation, since)
    return None if tick is None else max(0.0, (now - tick).total_seconds())


def follows_schedule(sync: Sync, partition: str | None, now: dt.datetime) -> bool:
    """Whether how late a partition is says anything: of windows it does so for the newest that has ended alone."""
    if sync.partitions is None or sync.partitions.every is None:
        return True
    start, _ = declared_parts(sync.partitions, partition)
    return start is not None and is_newest(sync.partitions, window(sync.partitions, start), now)


def _due_since(sync: Sync, partition: str | None, good: dt.datetime | None, now: dt.datetime) -> dt.datetime | None:
    if not follows_schedule(sync, partition, now):
        return None
    if sync.partitions is None or sync.partitions.every is None:
        return good
    start, _ = declared_parts(sync.partitions, partition)
    end = window(sync.partitions, str(start)).end
    return end if good is None else max(end, good)


def next_tick(automation: str, since: dt.datetime) -> dt.datetime | None:
    """The first tick of a cron line at or after an instant (aware), in UTC; None: it has none, as on the 30th of
    February.

    Args:
        automation: the line, in UTC or with a time zone at its end.

    Example:
        >>> next_tick("30 6 * * *", dt.datetime(2026, 11, 1, 6, 31, tzinfo=dt.UTC)).isoformat()
        '2026-11-02T06:30:00+00:00'
    """
    line, name = cron_and_zone(automation)
    minutes, hours, days, months, weekdays = cron_fields(line)
    zone = ZoneInfo(name) if name else dt.UTC
    since = since.astimezone(zone)
    times = [dt.time(hour, minute, tzinfo=zone) for hour in sorted(hours or range(24))
             for minute in sorted(minutes or range(60))]
    for number in range(_DAYS):
        date = since.date() + dt.timedelta(days=number)
        if ticks_on(date, days, months, weekdays):
            # Clocks that are set compare rightly in UTC alone.
            ticks = (dt.datetime.combine(date, time).astimezone(dt.UTC) for time in times)
            tick = next((tick for tick in ticks if tick >= since.astimezone(dt.UTC)), None)
            if tick is not None:
                return tick
    return None
