"""The memory of values that were replaced: ``changes.noise`` reads it. It is kept with the versions.

| column    | Arrow type |                                                      |
|-----------|------------|------------------------------------------------------|
| `hash`    | uint64     | of the state's id, the row, the trait and the value  |
| `version` | int64      | the version in which Candu had another value instead |
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from candu_sync.changes import KEPT_CHANGES, KEPT_MOVES, MOVES, ChangeSet
from candu_sync.embedded import arrow_file, write_arrow


def lay_moves_over(connection: duckdb.DuckDBPyConnection, changes: ChangeSet, old: Path | None, number: int,
                   folder: Path) -> Path | None:
    """The memory of version ``number``: the values that this change set replaced, then what the old memory has.

    Args:
        connection: with the table ``accepted_messages``, the numbers of the messages that Candu accepted.
        old: the memory before; None: there was none.
        folder: where to write.

    Returns:
        The new file; None: nothing was replaced, and the old memory stays.
    """
    found = changes.file(MOVES)
    if not found.exists():
        return None
    connection.register("moves", arrow_file(found))
    rows = f"""
        SELECT hash, {number}::BIGINT AS version
        FROM moves
        WHERE message IS NULL OR message IN (FROM accepted_messages)"""
    if old is not None:
        connection.register("earlier_moves", arrow_file(old))
        rows += f"""
        UNION ALL
        SELECT hash, version FROM earlier_moves WHERE version > {number - KEPT_CHANGES}"""
    path = folder / MOVES
    return path if write_arrow(connection, f"{rows} LIMIT {KEPT_MOVES}", path) else None
