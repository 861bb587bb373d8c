"""Any SQLAlchemy dialect: rows by a server-side cursor where there is one, turned into record batches."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
from sqlalchemy import Connection, CursorResult, text

from candu_sync.errors import WarehouseUnreachable
from candu_sync.warehouse.arrays import record_batches
from candu_sync.warehouse.engines import shown
from candu_sync.warehouse.faults import translated
from candu_sync.warehouse.mysql_types import mysql_values
from candu_sync.warehouse.parameters import bindable
from candu_sync.warehouse.postgres_types import arrow_type
from candu_sync.warehouse.query import Query
from candu_sync.warehouse.reading import Batches, Reading, refuse_duplicates
from candu_sync.warehouse.sessions import canceller, prepare

if TYPE_CHECKING:
    from psycopg import Column

_LIMIT_0 = {
    "postgresql", "redshift", "mysql", "mariadb", "snowflake", "bigquery", "databricks", "trino", "clickhousedb",
}
"""Dialects whose columns are asked for without a row: an aggregate would run whole for its first one."""


def read_rows(query: Query) -> Reading:
    """Streams the query, ``query.size`` rows at a time."""
    with ExitStack() as stack:
        result = _result(query, query.sql, stack)
        names = list(result.keys())
        return Reading(query, "rows", names, _batches(result, names, query), stack.pop_all())


def rows_columns(query: Query) -> pa.Schema:
    """The names of the query's columns, and their types where the driver tells them without a row; else null."""
    dialect = query.engine.dialect.name
    sql = f"select * from (\n{query.sql}\n) as model limit 0" if dialect in _LIMIT_0 else query.sql
    with ExitStack() as stack:
        result = _result(query, sql, stack)
        return pa.schema(list(zip(result.keys(), _types(result, dialect), strict=True)))


def _result(query: Query, sql: str, stack: ExitStack) -> CursorResult[Any]:
    connection = _connection(query, stack)
    statement = text(bindable(sql, query.engine.dialect.name))
    with translated():
        result = connection.execution_options(stream_results=True).execute(statement, query.values)
        stack.callback(_left, connection, result)
        names = list(result.keys())
    refuse_duplicates(names)
    return result


def _connection(query: Query, stack: ExitStack) -> Connection:
    doing = f"cannot connect to the warehouse {shown(query.engine.url)}"
    with translated(doing=doing, into=WarehouseUnreachable):
        connection = stack.enter_context(query.engine.connect())
        prepare(connection, query.timeout)
    query.cancel_by(canceller(connection), stack)
    return connection


def _left(connection: Connection, result: CursorResult[Any]) -> None:
    """Leaves a result, whether read to its end or not: MySQL's drivers would first read on to the end of it."""
    if connection.dialect.name in ("mysql", "mariadb"):
        connection.invalidate()
    result.close()


def _types(result: CursorResult[Any], dialect: str) -> list[pa.DataType]:
    description = result.cursor.description if result.cursor is not None else None
    if dialect != "postgresql" or description is None:
        return [pa.null()] * len(result.keys())
    return [arrow_type(cast("Column", column)) for column in description]


def _batches(result: CursorResult[Any], names: list[str], query: Query) -> Batches:
    typed = mysql_values(result.cursor.description) if query.engine.dialect.name in ("mysql", "mariadb") else None
    # The size stands here since text() does not heed the execution option yield_per.
    for rows in result.partitions(query.size):
        yield from record_batches(names, rows if typed is None else typed(rows))
