"""A full run that was interrupted continues where it ended: rows that it has sent whole are not sent again."""

from __future__ import annotations

import duckdb

from candu_sync.changes.staging import awaits_push, staged_by
from candu_sync.embedded import arrow_file
from candu_sync.state import PartitionState, Version, ranges_table, read_receipts


def leave_out_sent(connection: duckdb.DuckDBPyConnection, state: PartitionState, version: Version) -> None:
    """Take the message from rows of ``changes`` that are unchanged since an interrupted full run had them accepted.

    Nothing happens unless the current version was made by a full run that has messages left: its change set is then
    still staged. The rows stay in ``changes`` without a message. So the run can be interrupted and continued several
    times.
    """
    if not awaits_push(state, version.run_id):
        return
    earlier = staged_by(state, version.run_id)
    if earlier is None or not earlier.full:
        return
    connection.register("interrupted", arrow_file(earlier.file("changes.arrow")))
    connection.register("interrupted_accepted", ranges_table(read_receipts(state, version.run_id).accepted))
    connection.execute("""
        UPDATE changes
        SET message = NULL
        WHERE op = 'unchanged' AND key IN (
            SELECT key
            FROM interrupted
            WHERE (op = 'unchanged' AND message IS NULL) OR message IN (
                SELECT unnest(range(low, high + 1))
                FROM interrupted_accepted
            )
        )""")
