"""Any SQLAlchemy dialect: rows by a server-side cursor where there is one, turned into record batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
from sqlalchemy import Connection, CursorResult, Engine, text

from candu_sync.errors import WarehouseUnreachable
from candu_sync.warehouse.arrays import record_batches
from candu_sync.warehouse.engines import shown
from candu_sync.warehouse.faults import translated
from candu_sync.warehouse.parameters import Value, bindable
from candu_sync.warehouse.postgres_types import arrow_type
from candu_sync.warehouse.reading import Reading, refuse_duplicates

if TYPE_CHECKING:
    from psycopg import Column


def read_rows(engine: Engine, sql: str, values: Mapping[str, Value], size: int) -> Reading:
    """Streams the query, ``size`` rows at a time."""
    with ExitStack() as stack:
        result = _result(engine, sql, values, stack)
        names = list(result.keys())
        return Reading("rows", names, _batches(result, names, size), stack.pop_all())


def rows_columns(engine: Engine, sql: str, values: Mapping[str, Value]) -> pa.Schema:
    """The names of the query's columns, and their types where the driver tells them without a row; else null."""
    if engine.dialect.name == "postgresql":
        # SQLAlchemy fetches a first row as soon as a server-side cursor is open, for which an aggregate runs whole.
        sql = f"select * from (\n{sql}\n) as model limit 0"
    with ExitStack() as stack:
        result = _result(engine, sql, values, stack)
        return pa.schema(list(zip(result.keys(), _types(result, engine.dialect.name), strict=True)))


def _result(engine: Engine, sql: str, values: Mapping[str, Value], stack: ExitStack) -> CursorResult[Any]:
    connection = _connection(engine, stack)
    statement = text(bindable(sql, engine.dialect.name))
    with translated():
        result = connection.execution_options(stream_results=True).execute(statement, dict(values))
        stack.callback(result.close)
        names = list(result.keys())
    refuse_duplicates(names)
    return result


def _connection(engine: Engine, stack: ExitStack) -> Connection:
    with translated(doing=f"cannot connect to the warehouse {shown(engine.url)}", into=WarehouseUnreachable):
        connection = stack.enter_context(engine.connect())
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("set local time zone 'UTC'")
    return connection


def _types(result: CursorResult[Any], dialect: str) -> list[pa.DataType]:
    description = result.cursor.description if result.cursor is not None else None
    if dialect != "postgresql" or description is None:
        return [pa.null()] * len(result.keys())
    return [arrow_type(cast("Column", column)) for column in description]


def _batches(result: CursorResult[Any], names: list[str], size: int) -> Iterator[pa.RecordBatch]:
    # The size stands here since text() does not heed the execution option yield_per.
    for rows in result.partitions(size):
        yield from record_batches(names, rows)
