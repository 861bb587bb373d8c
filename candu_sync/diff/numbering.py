"""The numbers of messages."""

from __future__ import annotations

import duckdb


def close_gaps(connection: duckdb.DuckDBPyConnection) -> None:
    """Number the messages of ``changes`` again from 0, in their order: a receipt counts them by their numbers,
    which must have no gap."""
    connection.execute("""
        UPDATE changes
        SET message = renumbered.new
        FROM (
            SELECT message AS old, row_number() OVER (ORDER BY message) - 1 AS new
            FROM (
                SELECT DISTINCT message
                FROM changes
                WHERE message IS NOT NULL
            )
        ) renumbered
        WHERE changes.message = renumbered.old""")
