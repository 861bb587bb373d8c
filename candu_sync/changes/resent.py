"""Events that would be sent although Candu has them.

Candu does not know that two events are one: they are the same if they have the same key in the same partition. So a
version keeps what identifies its rows (``identities.py``), and the times of its oldest and newest events. An event
between these times that is not in the ledger came late, or has another key now:

- What identifies the rows has changed: one such event is enough for the guard.
- No change is known, and nearly all events of that time are new: ids have changed in the data or
  in a relation that the model reads. That is the guard ``max_added``.
"""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from dataclasses import astuple, replace
from zoneinfo import ZoneInfo

import duckdb

from candu_sync.changes.change_set import ChangeSet
from candu_sync.changes.former_partitions import FormerPartitions
from candu_sync.changes.identities import identity_changes, row_identity
from candu_sync.changes.summary import Summary
from candu_sync.local_time import offset_of
from candu_sync.state import RowIdentity, Version
from candu_sync.syncs import Sync


def notice_resent(connection: duckdb.DuckDBPyConnection | None, summary: Summary, sync: Sync, version: Version,
                  partition: str | None, former: FormerPartitions) -> Summary:
    """Note in the summary what shows that rows are sent again.

    Args:
        connection: with the table ``changes``, as the diff made it; None: of users and groups it is not needed.
        version: the newest one of this partition.

    Raises:
        DamagedState: the version of a former partition cannot be read.
    """
    now = row_identity(sync)
    others = former.beside(partition, version) if summary.added and (sync.kind == "events" or not version.rows) else []
    own = [version] if version.files else []
    changes = [change for known in (*own, *others) for change in identity_changes(known.identity, now)]
    summary = replace(summary, identity_changes=list(dict.fromkeys(changes)))
    if sync.kind != "events" or not summary.added:
        return summary
    assert connection is not None
    ranges = [found for found in (_sent(own, now, version.newest), _sent(others, now, None)) if found]
    summary = replace(summary, sent_between=ranges, rows_elsewhere=sum(other.rows for other in others))
    late, missed = connection.execute(f"""
        SELECT count(*), count(*) FILTER ({_missed(summary)})
        FROM changes
        WHERE {_not_newer(summary)}""").fetchall()[0]
    return replace(summary, late=int(late), missed=int(missed))


def _sent(versions: list[Version], now: RowIdentity, cursor: str | None) -> list[str | None]:
    """What ``Summary.sent_between`` has of the events of these versions; empty: they have none."""
    times = [[_moved(time, version, now) for time in astuple(version.events)] for version in versions if version.events]
    if not times:
        return []
    return [min(time[0] for time in times), max(time[1] for time in times), max(time[2] for time in times), cursor]


def _moved(time: str, version: Version, now: RowIdentity) -> str:
    """An event's time, ISO 8601 in UTC, as it is in today's time zone, if it was read from a column without a zone."""
    at, before = dt.datetime.fromisoformat(time).astimezone(dt.UTC), version.identity
    if before is not None and before.zone and now.zone and before.zone != now.zone:
        # At the ends of the calendar a time cannot move.
        with suppress(OverflowError):
            local = at.astimezone(ZoneInfo(before.zone)).replace(tzinfo=None)
            at = (local - offset_of(local, ZoneInfo(now.zone))).replace(tzinfo=dt.UTC)
    return at.isoformat(timespec="microseconds")


def _not_newer(summary: Summary) -> str:
    """The condition of events to send that lie between those that were sent, by their cursor too if there is one."""
    tests = []
    for oldest, newest, _, cursor in summary.sent_between:
        test = f"occurred BETWEEN {_literal(oldest)} AND {_literal(newest)}"
        tests.append(f"({test} AND cursor <= {_literal(cursor)})" if cursor else f"({test})")
    return f"op = 'added' AND message IS NOT NULL AND ({' OR '.join(tests) or 'false'})"


def _missed(summary: Summary) -> str:
    # Where the time of events is only the day, more events of today may come all day.
    return " OR ".join(f"occurred < {_literal(until)}" for _, _, until, _ in summary.sent_between) or "false"


def _literal(time: str | None) -> str:
    moment = dt.datetime.fromisoformat(str(time)).astimezone(dt.UTC).replace(tzinfo=None)
    return f"TIMESTAMP '{moment.isoformat(sep=' ')}'"


def messages_not_newer(connection: duckdb.DuckDBPyConnection, changes: ChangeSet) -> list[tuple[int, int]]:
    """The ranges of messages whose events are not newer than those that were sent.

    Args:
        connection: with the relation ``changes``.
    """
    found = connection.execute(f"""
        SELECT min(message), max(message)
        FROM (
            SELECT message, message - row_number() OVER (ORDER BY message) AS run
            FROM changes
            WHERE {_not_newer(changes.summary)}
        )
        GROUP BY run
        ORDER BY run""").fetchall()
    return [(int(low), int(high)) for low, high in found]
