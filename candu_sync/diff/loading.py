"""A result's rows are put into the embedded engine, as the table ``result``."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb
import pyarrow as pa

from candu_sync.rows import ARROW, Result, ValueKind
from candu_sync.syncs import Sync

# Bytes of batches that are put into the engine together: enough for its threads to share the work.
_TOGETHER = 64_000_000


def load(connection: duckdb.DuckDBPyConnection, sync: Sync, result: Result, batches: Iterable[pa.RecordBatch]) -> None:
    """Put a result's canonical batches into the table ``result`` of an empty engine.

    Args:
        result: whose they are; all of its traits that have a kind at the end have a column.
        batches: some of its rows, or all.

    Raises:
        ModelError: by the result, for a column that cannot be sent.
    """
    fixed = {"users": [], "groups": [("group_id", pa.string())],
             "events": [("event", pa.string()), ("occurred", pa.timestamp("us"))]}[sync.kind]
    if sync.cursor is not None:
        fixed = [*fixed, ("cursor", pa.timestamp("us"))]
    table = _Table(connection, [("key", pa.string()), ("reason", pa.string()), ("user_id", pa.string()), *fixed])
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        if waiting and (batch.schema != waiting[0].schema or sum(b.nbytes for b in waiting) > _TOGETHER):
            table.add(waiting)
            waiting = []
        waiting.append(batch)
    if waiting:
        table.add(waiting)
    table.widen([(f"t{j}", ARROW[kind]) for j, kind in enumerate(result.kinds) if kind is not ValueKind.EMPTY])


class _Table:
    """The table ``result``. A trait's column is added when it begins to hold values."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, columns: list[tuple[str, pa.DataType]]) -> None:
        self._connection = connection
        self._there = {name for name, _ in columns}
        connection.register("incoming", pa.schema(columns).empty_table())
        connection.execute("CREATE TABLE result AS FROM incoming")

    def widen(self, columns: Iterable[tuple[str, pa.DataType]]) -> None:
        for name, type_ in columns:
            if name not in self._there:
                self._connection.register("incoming", pa.schema([(name, type_)]).empty_table())
                sql_type = self._connection.execute("SELECT column_type FROM (DESCRIBE incoming)").fetchall()[0][0]
                self._connection.execute(f"ALTER TABLE result ADD COLUMN {name} {sql_type}")
                self._there.add(name)

    def add(self, batches: list[pa.RecordBatch]) -> None:
        self.widen((field.name, field.type) for field in batches[0].schema)
        self._connection.register("incoming", pa.Table.from_batches(batches))
        self._connection.execute("INSERT INTO result BY NAME FROM incoming")
        self._connection.unregister("incoming")
