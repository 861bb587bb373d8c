"""A warehouse: one SQLAlchemy engine, and queries read from it as Arrow record batches."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from types import TracebackType

import pyarrow as pa
from sqlalchemy import Engine

from candu_sync.errors import ModelError
from candu_sync.warehouse.adbc import read_adbc
from candu_sync.warehouse.duckdb_arrow import duckdb_columns, read_duckdb
from candu_sync.warehouse.engines import open_engine
from candu_sync.warehouse.parameters import Value, one_query, used_values
from candu_sync.warehouse.reading import Reading
from candu_sync.warehouse.rows import read_rows, rows_columns

BATCH_ROWS = 50_000
"""Rows of a batch: enough to make the cost of a batch small, few enough for a wide table's batch to stay in memory."""


class Warehouse:
    """A context manager over one engine. ``dialect`` is SQLAlchemy's name of it: ``"duckdb"``, ``"postgresql"``, …"""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.dialect: str = engine.dialect.name

    def read(self, sql: str, parameters: Mapping[str, Value]) -> Reading:
        """Starts one query, with those of our parameters bound that it uses; datetimes are instants with a zone.

        Raises ``ModelError`` when the SQL is not one query, uses a parameter without a value or names a column twice,
        ``WarehouseError`` when the warehouse cannot be reached or refuses it.
        """
        sql, values = self._prepared(sql, parameters)
        if self.dialect == "duckdb":
            return read_duckdb(self._engine, sql, values, BATCH_ROWS)
        if self.dialect == "postgresql" and not values and (reading := read_adbc(self._engine, sql)):
            return reading
        return read_rows(self._engine, sql, values, BATCH_ROWS)

    def columns(self, sql: str, parameters: Mapping[str, Value]) -> pa.Schema:
        """The query's columns without its rows. A type that only a row can tell, as in SQLite, is ``pa.null()``.

        Raises what ``read`` raises.
        """
        sql, values = self._prepared(sql, parameters)
        if self.dialect == "duckdb":
            return duckdb_columns(self._engine, sql, values)
        return rows_columns(self._engine, sql, values)

    def values(self, sql: str) -> list[str]:
        """The values of a one-column query as text, each once, in the order that they came in; nulls are left out.

        Raises ``ModelError`` when there is not exactly one column, or its values have no text form.
        """
        found: dict[str, None] = {}
        with self.read(sql, {}) as reading:
            if len(reading.names) != 1:
                names = ", ".join(reading.names)
                raise ModelError(f"the query returns {len(reading.names)} columns instead of one: {names}")
            for batch in reading:
                found.update(dict.fromkeys(_as_text(batch.column(0), reading.names[0])))
        return list(found)

    def close(self) -> None:
        """Closes the engine and its connections."""
        self._engine.dispose()

    def __enter__(self) -> Warehouse:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _prepared(self, sql: str, parameters: Mapping[str, Value]) -> tuple[str, dict[str, Value]]:
        sql = one_query(sql, self.dialect)
        used = used_values(sql, parameters, self.dialect)
        return sql, {name: self._bound(value) for name, value in used.items()}

    def _bound(self, value: Value) -> Value:
        """A value as the dialect compares it: SQLite keeps timestamps as text, and its functions write them so."""
        if isinstance(value, str):
            return value
        instant = value.astimezone(UTC)
        if self.dialect != "sqlite":
            return instant
        return instant.replace(tzinfo=None).isoformat(sep=" ")


def open_warehouse(url: str, *, memory: int | None = None) -> Warehouse:
    """Opens the warehouse at a SQLAlchemy URL, to be read only; ``memory`` limits DuckDB's own memory, in bytes.

    Raises ``WarehouseError`` when the URL is wrong or its file or driver is missing. A server is reached at the first
    query, which raises ``WarehouseError`` when it is not there.
    """
    return Warehouse(open_engine(url, memory))


def _as_text(column: pa.Array, name: str) -> list[str]:
    try:
        return [value for value in column.cast(pa.string()).to_pylist() if value is not None]
    except pa.ArrowException:
        raise ModelError(f"the column {name!r} has values without a text form: {column.type}; cast it in SQL") from None
