"""Which partitions a command is about, and what each binds in its model's SQL."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Callable

from candu_sync.errors import UsageError
from candu_sync.partitions import window, windows
from candu_sync.sync import Sync

WINDOWS = ("hourly", "daily", "weekly", "monthly")

# Before any event that a warehouse may hold: what :since is while nothing was sent.
BEGINNING = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def targets(sync: Sync, chosen: list[str], *, values: Callable[[str], list[str]], done: Callable[[str], bool],
            now: dt.datetime) -> list[str | None]:
    """The partitions to work on, in order.

    Args:
        chosen: what the user named; empty: all that are due, which for windows are those that have ended and were not
            done yet, and the newest one again, since late rows land there.
        values: runs the SQL that finds the keys of dynamic partitions.
        done: whether a window's last run ended well.
        now: an aware time.

    Raises:
        UsageError: a partition is named that does not exist, or the sync has none.
    """
    if sync.partitions is None:
        if chosen:
            raise UsageError(f"{sync.name} has no partitions: leave --partition {chosen[0]} out, or add `partitions` "
                             "to its YAML")
        return [None]
    if chosen:
        return [_checked(sync, key) for key in dict.fromkeys(chosen)]
    return list(_due(sync, values, done, now))


def _due(sync: Sync, values: Callable[[str], list[str]], done: Callable[[str], bool], now: dt.datetime) -> list[str]:
    assert sync.partitions is not None
    if sync.partitions.static is not None:
        return list(sync.partitions.static)
    if sync.partitions.dynamic is not None:
        return [_not_blank(sync, key) for key in values(sync.partitions.values or "")]
    ended = [w.key for w in windows(sync.partitions, now)]
    return [key for key in ended[:-1] if not done(key)] + ended[-1:]


def _checked(sync: Sync, key: str) -> str:
    """The key, if it can be a partition. Any key of a dynamic one may be asked for: it may be new today."""
    assert sync.partitions is not None
    if sync.partitions.spread in WINDOWS:
        return window(sync.partitions, key).key
    static = sync.partitions.static
    if static is not None and key not in static:
        near = difflib.get_close_matches(key, static, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"{sync.name} has no partition {key}{hint} (it has {', '.join(static)})")
    return _not_blank(sync, key)


def _not_blank(sync: Sync, key: str) -> str:
    """The key; a blank one names no folder of its own in the state."""
    if not key.strip():
        raise UsageError(f"{sync.name}: a partition's key cannot be blank; where the SQL of dynamic partitions gives "
                         "one, leave it out there")
    return key


def parameters(sync: Sync, partition: str | None, newest: dt.datetime | None) -> dict[str, str | dt.datetime]:
    """What ``:partition``, ``:window_start``, ``:window_end`` and ``:since`` stand for; datetimes are aware, in UTC.

    Args:
        newest: the newest value of the cursor's column that was sent, None: nothing was.
    """
    found: dict[str, str | dt.datetime] = {}
    if partition is not None and sync.partitions is not None:
        found["partition"] = partition
        if sync.partitions.spread in WINDOWS:
            this = window(sync.partitions, partition)
            found |= {"window_start": this.start, "window_end": this.end}
    if sync.cursor is not None:
        found["since"] = BEGINNING if newest is None else max(BEGINNING, newest - sync.cursor.lookback)
    return found


def named(sync: str, partition: str | None) -> str:
    """A sync and its partition, as people write them: ``users/segments [trial]``."""
    return sync if partition is None else f"{sync} [{partition}]"
