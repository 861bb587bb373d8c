"""Any SQLAlchemy dialect: rows by a server-side cursor where there is one, turned into record batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from candu_sync.arrow_types import BINARY, unusable
from candu_sync.sql_text import bindable
from candu_sync.warehouse.arrays import record_batches
from candu_sync.warehouse.bounds import placed_bounds, refuse_numbers, row_values
from candu_sync.warehouse.faults import translated
from candu_sync.warehouse.json_values import scalars
from candu_sync.warehouse.mysql_types import mysql_declared, mysql_json, mysql_values
from candu_sync.warehouse.postgres_types import Rows, arrow_type, json_columns, own_types, own_values
from candu_sync.warehouse.query import Query
from candu_sync.warehouse.reading import Batches, Reading, refuse_duplicates
from candu_sync.warehouse.sessions import Cancel, canceller, prepare
from candu_sync.warehouse.sqlite_types import sqlite_declared
from candu_sync.warehouse.urls import connecting

if TYPE_CHECKING:
    from psycopg import Column
    from sqlalchemy import Connection, CursorResult

_LIMIT_0 = {
    "postgresql", "redshift", "mysql", "mariadb", "snowflake", "bigquery", "databricks", "trino", "clickhousedb",
}
"""Dialects whose columns are asked for without a row: an aggregate would be computed completely for its first row."""

_FIRST_ROWS, _GROWTH = 2_000, 4
"""Rows of the first fetch, and how many times as many the next may have."""

_BATCH_BYTES = 64_000_000
"""Bytes of a fetch, as Arrow: rows with long texts come in smaller fetches."""


def read_rows(query: Query) -> Reading:
    """Streams the query, ``query.batch_rows`` rows at a time."""
    with ExitStack() as stack:
        result = _result(query, query.sql, stack)
        names = list(result.keys())
        columns = _columns(result, query)
        batches = _batches(result, names, columns, query.batch_rows(len(names)))
        return Reading(query, "rows", names, batches, stack.pop_all(), declared=columns.declared)


def rows_columns(query: Query) -> pa.Schema:
    """The names of the query's columns, and their types, if the driver gives them without a row; else null."""
    dialect = query.engine.dialect.name
    sql = _without_rows(query) if dialect in _LIMIT_0 else query.sql
    with ExitStack() as stack:
        result = _result(query, sql, stack)
        if dialect == "sqlite":
            with translated():
                refuse_numbers(result.connection, query)
        return pa.schema(list(zip(result.keys(), _types(result, dialect), strict=True)))


def described_rows(query: Query) -> list[tuple[str, Any]]:
    """The names of the query's columns, and their types as the driver numbers or names them; no row is asked for."""
    with ExitStack() as stack:
        result = _result(query, _without_rows(query), stack)
        assert result.cursor is not None, "a SELECT has columns"
        return [(column[0], column[1]) for column in result.cursor.description]


def _without_rows(query: Query) -> str:
    return f"select * from (\n{query.sql}\n) as model limit 0"


def _result(query: Query, sql: str, stack: ExitStack) -> CursorResult[Any]:
    from sqlalchemy import text

    connection, cancel = _connection(query, stack)
    dialect = query.engine.dialect.name
    if dialect == "sqlite":
        raw: Any = connection.connection.driver_connection
        query.declared = sqlite_declared(raw, query.sql)
    statement = text(bindable(placed_bounds(sql, dialect), dialect))
    # psycopg writes SQL for a database in SQL_ASCII as ASCII.
    with translated(UnicodeError):
        values = row_values(connection, query)
        result = connection.execution_options(stream_results=True).execute(statement, values)
        if query.engine.dialect.name in ("mysql", "mariadb"):
            stack.callback(_leave_mysql, connection, result, cancel)
        else:
            stack.callback(result.close)
        names = list(result.keys())
    if cancel is None and hasattr(result.cursor, "cancel"):
        # Trino's queries are cancelled by their cursor, which is there once they are under way.
        query.cancel_by(result.cursor.cancel, stack)
    refuse_duplicates(names)
    return result


def _connection(query: Query, stack: ExitStack) -> tuple[Connection, Cancel | None]:
    with connecting(query.engine.url):
        connection = stack.enter_context(query.connect())
        prepare(connection, query)
    cancel = canceller(connection)
    query.cancel_by(cancel, stack)
    return connection, cancel


def _leave_mysql(connection: Connection, result: CursorResult[Any], cancel: Cancel | None) -> None:
    """Close a result of MySQL before its end. Its drivers would read it to the end first. So the server ends the query,
    and the connection is not used again."""
    unread = getattr(result.cursor, "_result", None)
    if cancel is not None:
        with suppress(Exception):
            cancel()
    with suppress(Exception):
        result.close()
    connection.invalidate()
    if unread is not None:
        # PyMySQL would continue to read from a lost connection, at the latest when its memory is freed.
        unread.unbuffered_active = False


def _types(result: CursorResult[Any], dialect: str) -> list[pa.DataType]:
    columns = _psycopg_columns(result, dialect)
    if columns is None:
        return [pa.null()] * len(result.keys())
    own = own_types(_raw(result), [column.type_code for column in columns])
    return [own.get(column.type_code) or arrow_type(column) for column in columns]


def _psycopg_columns(result: CursorResult[Any], dialect: str) -> list[Column] | None:
    """PostgreSQL's columns as psycopg describes them; None for another dialect or driver."""
    description = result.cursor.description if result.cursor is not None else None
    if dialect != "postgresql" or result.dialect.driver != "psycopg" or description is None:
        return None
    return cast("list[Column]", list(description))


def _raw(result: CursorResult[Any]) -> Any:
    return result.connection.connection.driver_connection


@dataclass(frozen=True)
class _Columns:
    """What the columns' types show, and the driver's values do not.

    Attributes:
        convert: a conversion of rows; None: there is none to do.
        json: indexes of the columns that hold JSON as text.
        declared: the types of columns whose values may have others.
        blobs: whether each row has a type of its own, so that a blob is the fault of its row.
    """

    convert: Callable[[Rows], Rows] | None = None
    json: Sequence[int] = ()
    declared: Mapping[str, pa.DataType] = field(default_factory=dict)
    blobs: bool = False


def _columns(result: CursorResult[Any], query: Query) -> _Columns:
    dialect = query.engine.dialect.name
    if dialect in ("mysql", "mariadb"):
        description = result.cursor.description
        return _Columns(mysql_values(description), mysql_json(description), mysql_declared(description))
    if dialect == "sqlite":
        return _Columns(declared=query.declared, blobs=True)
    columns = _psycopg_columns(result, dialect)
    if columns is None:
        return _Columns()
    return _Columns(own_values(_raw(result), columns), json_columns(columns))


def _batches(result: CursorResult[Any], names: list[str], columns: _Columns, most: int) -> Batches:
    size = min(most, _FIRST_ROWS)
    # text() ignores the execution option yield_per, and the size of partitions() cannot change.
    while rows := result.fetchmany(size):
        given: Rows = rows
        bytes_ = 0
        for batch in record_batches(names, given if columns.convert is None else columns.convert(given)):
            bytes_ += batch.nbytes
            yield from scalars(_without_blobs(batch) if columns.blobs else batch, columns.json)
        size = max(1, min(most, size * _GROWTH, _BATCH_BYTES * len(rows) // max(bytes_, 1)))


def _without_blobs(batch: pa.RecordBatch) -> pa.RecordBatch:
    for index, column in enumerate(batch.columns):
        if pa.types.is_binary(column.type):
            batch = batch.set_column(index, batch.schema.names[index], unusable(column.is_valid(), BINARY))
    return batch
