"""Rolling verification: each row is sent whole again once in a cycle, a few rows in each run.

What others change in Candu is mended that way, without a flood. A row's turn in the cycle is a hash of its key: an MD5,
so that it is the same in every version of the engine. A run sends the rows whose turn came since the last refresh. The
snapshot's version keeps how far that went (``Version.refreshed``).

The cycle is a tenth shorter than the time that the sync's ``refresh`` gives, so that each row is sent again within that
time also when the runs are up to a tenth of it apart.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

import duckdb

from candu_sync.embedded import scalar
from candu_sync.local_time import instant_of
from candu_sync.syncs import Sync

_MICROSECOND = dt.timedelta(microseconds=1)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

# A run refreshes nothing sooner than this after the last refresh: a second run on the same data makes no request.
_LEAST = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Refresh:
    """Whose turn it is in one run: the turns after ``since``, until ``until``; all in microseconds since 1970.

    Attributes:
        cycle: from one turn of a row to its next; ``until - since`` is not more than that.

    Example:
        >>> Refresh(0, 500, 1000).until_text
        '1970-01-01T00:00:00.000500+00:00'
    """

    since: int
    until: int
    cycle: int

    def turn(self, key: str = "key") -> str:
        """SQL of the microseconds from ``since`` to the next turn of the row with this key, 1 to ``cycle``."""
        offset = self.cycle - 1 - self.since % self.cycle
        return f"(1 + (md5_number_lower({key}) % {self.cycle} + {offset}) % {self.cycle})::BIGINT"

    def due(self, key: str = "key") -> str:
        """SQL of the condition that it is the turn of the row with this key."""
        return f"coalesce({self.turn(key)} <= {self.until - self.since}, false)"

    @property
    def begins(self) -> bool:
        """Whether the first cycle begins: it is no row's turn yet."""
        return self.since == self.until

    def before(self, turn: int) -> Refresh:
        """The same, without this turn (microseconds from ``since``) and those after it."""
        return replace(self, until=min(self.until, self.since + turn - 1))

    @property
    def until_text(self) -> str:
        """``until``, ISO 8601 in UTC."""
        return instant_of(self.until).isoformat(timespec="microseconds")


def refresh_of(sync: Sync, refreshed: str | None, now: dt.datetime) -> Refresh | None:
    """Whose turn it is.

    Args:
        refreshed: how far the last refresh went, ISO 8601; None: there was none.
        now: aware. A run that comes late catches up, one whole cycle at most.

    Returns:
        None: no row is refreshed, and the next run goes on from ``refreshed``.

    Example:
        >>> now = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)
        >>> refreshed = sync.model_copy(update={"refresh": dt.timedelta(days=30)})
        >>> found = refresh_of(refreshed, "2026-11-01T00:00:00+00:00", now)
        >>> (found.until - found.since) / found.cycle == 1 / 27
        True
        >>> refresh_of(refreshed, "2026-11-01T23:59:00+00:00", now) is None
        True
    """
    if sync.refresh is None:
        return None
    cycle, at = sync.refresh * 9 // 10 // _MICROSECOND, _microseconds(now)
    since = None if refreshed is None else dt.datetime.fromisoformat(refreshed)
    # A clock that was far ahead must not stop the refresh until that time comes.
    if since is None or since - now > _LEAST:
        return Refresh(at, at, cycle)
    return None if now - since < _LEAST else Refresh(max(_microseconds(since), at - cycle), at, cycle)


def _microseconds(moment: dt.datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def cut_refresh(connection: duckdb.DuckDBPyConnection, refresh: Refresh, most: int | None) -> Refresh:
    """Take rows that are only refreshed out of ``changes``, those whose turn came last, until no more than ``most``
    messages go. Changes are never taken out.

    Args:
        most: None: there is no limit.

    Returns:
        The turns that are left.
    """
    if most is None:
        return refresh
    changed = scalar(connection, """
        SELECT count(DISTINCT message)
        FROM changes
        WHERE op NOT IN ('refreshed', 'held')""")
    first = connection.execute(f"""
        SELECT message, {refresh.turn()}
        FROM changes
        WHERE op = 'refreshed'
        ORDER BY message
        LIMIT 1 OFFSET {max(0, most - changed)}""").fetchall()
    for message, turn in first:
        connection.execute(f"DELETE FROM changes WHERE op = 'refreshed' AND message >= {message}")
        return refresh.before(turn)
    return refresh
