"""When the events that Candu has happened. The next run begins there, and knows which events are late."""

from __future__ import annotations

import datetime as dt

import duckdb

from candu_sync.embedded import scalar
from candu_sync.local_time import instant_of
from candu_sync.state import EventTimes, Version
from candu_sync.syncs import Sync

# No time that a row can have: before year 1.
_NEVER = -(2**62)


def newest_cursor(connection: duckdb.DuckDBPyConnection, sync: Sync, before: dt.datetime | None,
                  held_from: str | None = None) -> dt.datetime | None:
    """The newest cursor value that was sent, but not later than an event that was not sent: the next run must find that
    one. Times of the future do not count: an event dated in 2099 must not hide all others.

    Args:
        held_from: the oldest value of events that were held back; None: none were.
    """
    if sync.cursor is None:
        return None
    now = dt.datetime.now(dt.UTC)
    accepted = _time(connection, f"max(cursor) FILTER (cursor <= TIMESTAMP '{now.replace(tzinfo=None)}')", "IN")
    unsent = _time(connection, "min(cursor)", "NOT IN")
    newest = max((t for t in (before, accepted) if t is not None), default=None)
    if newest is None:
        return None
    return min(t for t in (newest, unsent, _moment(held_from), now) if t is not None)


def event_times(connection: duckdb.DuckDBPyConnection, old: Version, held_from: str | None = None) -> EventTimes | None:
    """Between which times the events lie that Candu has; None: it has none. An event of the future does not count: it
    would make all others late.

    Args:
        connection: with the relations ``changes`` and ``accepted_messages``.
        held_from: the oldest time of events that were held back; None: none were.
    """
    past = f"FILTER (occurred <= TIMESTAMP '{dt.datetime.now(dt.UTC).replace(tzinfo=None)}')"
    oldest, newest = (_time(connection, f"{end}(occurred) {past}", "IN") for end in ("min", "max"))
    if oldest is None or newest is None:
        return old.events
    left = (_time(connection, "min(occurred)", "NOT IN"), _moment(held_from))
    complete = min(time for time in (newest, *left) if time is not None)
    now = EventTimes(*(time.isoformat(timespec="microseconds") for time in (oldest, newest, complete)))
    before = old.events or now
    return EventTimes(oldest=min(now.oldest, before.oldest), newest=max(now.newest, before.newest),
                      complete_until=max(now.complete_until, before.complete_until))


def _moment(text: str | None) -> dt.datetime | None:
    return None if text is None else dt.datetime.fromisoformat(text)


def _time(connection: duckdb.DuckDBPyConnection, which: str, test: str) -> dt.datetime | None:
    """The newest or the oldest time of the changes whose message is, or is not, among the accepted ones."""
    microseconds = scalar(connection, f"""
        SELECT coalesce(epoch_us({which}), {_NEVER})
        FROM changes
        WHERE message {test} (FROM accepted_messages)""")
    return None if microseconds == _NEVER else instant_of(microseconds)
