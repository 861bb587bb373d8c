"""Rows are set aside for what only the whole result shows: a key that comes twice, rows of one id that disagree."""

from __future__ import annotations

import duckdb

from candu_sync.diff.prefilter import shared_id
from candu_sync.embedded import literal, scalar
from candu_sync.rows import BLANK_KEY, NOT_AN_ID, NOT_WHOLE, NULL_KEY, Result, ValueKind
from candu_sync.syncs import Sync

DUPLICATE_KEY = "duplicate key"

DISAGREE = {"group_id": "group rows disagree", "user_id": "rows of one user disagree"}

# Reasons of rows whose key says nothing.
_NO_KEY = f"({', '.join(map(literal, (NULL_KEY, BLANK_KEY, NOT_WHOLE, NOT_AN_ID)))})"


def set_unsendable_aside(connection: duckdb.DuckDBPyConnection, sync: Sync, result: Result) -> None:
    """Give a reason to every row that cannot be sent; equal rows become one."""
    connection.execute("""
        CREATE TEMP TABLE repeated_keys AS
        SELECT key
        FROM result
        GROUP BY key
        HAVING count(*) > 1""")
    if scalar(connection, "SELECT count(*) FROM repeated_keys"):
        _set_duplicates_aside(connection)
    shared = shared_id(sync)
    if shared is not None:
        _set_disagreeing_aside(connection, result, shared)


def _set_duplicates_aside(connection: duckdb.DuckDBPyConnection) -> None:
    """Rows with the same key: equal ones become one, those that differ are set aside."""
    connection.execute("""
        CREATE TEMP TABLE repeated_rows AS
        SELECT DISTINCT result.*
        FROM result, repeated_keys
        WHERE result.key IS NOT DISTINCT FROM repeated_keys.key""")
    connection.execute("""
        DELETE FROM result
        USING repeated_keys
        WHERE result.key IS NOT DISTINCT FROM repeated_keys.key""")
    connection.execute(f"""
        UPDATE repeated_rows
        SET reason = coalesce(reason, {literal(DUPLICATE_KEY)})
        WHERE key IN (
            SELECT key
            FROM repeated_rows
            GROUP BY key
            HAVING count(*) > 1
        )""")
    connection.execute("INSERT INTO result FROM repeated_rows")


def _set_disagreeing_aside(connection: duckdb.DuckDBPyConnection, result: Result, id_: str) -> None:
    """A group, or a user, is set aside whole when its rows disagree, or when one of them has a value that cannot be
    sent.

    Args:
        id_: the column that its rows share.
    """
    differing = {name: f"(count(t{i}) NOT IN (0, count(*)) OR min(t{i}) IS DISTINCT FROM max(t{i}))"
                 for i, (name, kind) in enumerate(zip(result.names, result.kinds, strict=True))
                 if kind is not ValueKind.EMPTY}
    names = ", ".join(f"CASE WHEN {test} THEN {literal(name)} END" for name, test in differing.items()) or "NULL"
    tests = " OR ".join(["(count(reason) > 0 AND count(reason) < count(*))", *differing.values()])
    connection.execute(f"""
        CREATE TEMP TABLE disagreeing AS
        SELECT {id_} AS id, concat_ws(', ', {names}) AS names
        FROM result
        WHERE {id_} IS NOT NULL AND coalesce(reason, '') NOT IN {_NO_KEY}
        GROUP BY {id_}
        HAVING {tests}""")
    connection.execute(f"""
        UPDATE result
        SET reason = {literal(DISAGREE[id_])} || CASE WHEN names = '' THEN '' ELSE ' on ' || names END
        FROM disagreeing
        WHERE disagreeing.id = result.{id_} AND reason IS NULL""")
