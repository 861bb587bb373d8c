"""How far the refresh went: the next run goes on from there."""

from __future__ import annotations

import duckdb

from candu_sync.changes import ChangeSet
from candu_sync.embedded import scalar
from candu_sync.state import Version
from candu_sync.syncs import Sync


def refreshed_until(connection: duckdb.DuckDBPyConnection, sync: Sync, changes: ChangeSet, old: Version) -> str | None:
    """The time up to which all rows had their turn, ISO 8601 in UTC: not beyond a row that was not answered.

    Args:
        connection: with the relations ``changes``, ``accepted_messages`` and ``refused_now``.
        old: the version that the changes were computed from.

    Returns:
        None: the sync refreshes nothing.
    """
    refresh = changes.refresh
    if sync.refresh is None or refresh is None:
        return refreshed_at_first(sync, changes, old)
    # A row that is new will be sent whole, whenever that is.
    first = scalar(connection, f"""
        SELECT min({refresh.turn()})
        FROM changes
        WHERE op IN ('changed', 'unchanged', 'refreshed') AND {refresh.due()} AND message NOT IN (
            FROM accepted_messages
            UNION ALL
            SELECT message FROM refused_now
        )""")
    return (refresh.before(first) if first else refresh).until_text


def refreshed_at_first(sync: Sync, changes: ChangeSet, old: Version) -> str | None:
    """As ``refreshed_until``, where no row had its turn: each was added, or none is refreshed."""
    if sync.refresh is None:
        return None
    return old.refreshed if changes.refresh is None else changes.refresh.until_text
