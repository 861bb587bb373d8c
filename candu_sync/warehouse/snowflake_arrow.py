"""Snowflake's own Arrow batches, by ``fetch_arrow_batches`` of its connector's cursor.

https://docs.snowflake.com/en/developer-guide/python-connector/python-connector-api names the methods and, under "Type
codes", the numbers of the types. The connector binds the parameters (``%(name)s``), as it does for rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import pyarrow as pa

from candu_sync.sql_text import placed
from candu_sync.warehouse.bounds import placeholder, row_values
from candu_sync.warehouse.faults import Errors, translated
from candu_sync.warehouse.json_values import scalars
from candu_sync.warehouse.query import Query
from candu_sync.warehouse.reading import Batches, Reading, refuse_duplicates
from candu_sync.warehouse.sessions import canceller
from candu_sync.warehouse.urls import connecting

_VARIANT = 5
_REFUSED: Mapping[int, pa.DataType] = {9: pa.struct([]), 10: pa.list_(pa.string())}
"""OBJECT and ARRAY: they come as JSON text. Like all objects and arrays, they cannot be traits."""


def read_snowflake(query: Query) -> Reading | None:
    """Streams the query in the batches that Snowflake makes, of some ten thousand rows."""
    with ExitStack() as stack:
        cursor, errors = _executed(query, pyformat(query), stack)
        names = [_name(query, column[0]) for column in cursor.description]
        refuse_duplicates(names)
        codes = [column[1] for column in cursor.description]
        return Reading(query, "snowflake arrow", names, _batches(cursor, names, codes), stack.pop_all(), errors)


def described_snowflake(query: Query) -> list[tuple[str, str, int]]:
    """The query's columns, without a row: each one's name, its name in Snowflake, and the code of its type."""
    with ExitStack() as stack:
        cursor, _ = _executed(query, f"select * from (\n{pyformat(query)}\n) as model limit 0", stack)
        return [(_name(query, column[0]), column[0], column[1]) for column in cursor.description]


def _executed(query: Query, sql: str, stack: ExitStack) -> tuple[Any, Errors]:
    """A cursor that ran a query, and the driver's errors; ``stack`` closes it."""
    from snowflake.connector.errors import Error

    errors: Errors = (Error, pa.ArrowException)
    with connecting(query.engine.url, *errors):
        connection = stack.enter_context(query.connect())
    cursor: Any = connection.connection.cursor()
    stack.callback(cursor.close)
    query.cancel_by(canceller(connection), stack)
    with translated(*errors):
        if query.timezone != "UTC":
            cursor.execute(f"alter session set timezone = '{query.timezone}'")
        cursor.execute(sql, row_values(connection, query) or None)
    return cursor, errors


def pyformat(query: Query) -> str:
    """The SQL with ``%(name)s`` for each parameter; other percent signs are doubled when any is bound, and only then
    does the connector look for them."""
    if not query.values:
        return query.sql
    return placed(query.sql.replace("%", "%%"), "snowflake",
                  lambda name: placeholder(name, "snowflake", f"%({name})s"))


def _name(query: Query, name: str) -> str:
    """A column's name as SQLAlchemy has it: lower case where Snowflake has made it upper case by itself."""
    return str(query.engine.dialect.normalize_name(name))


def _batches(cursor: Any, names: list[str], codes: list[int]) -> Batches:
    variants = {index for index, code in enumerate(codes) if code == _VARIANT}
    # Nanoseconds would not hold the years before 1677 and after 2262.
    for table in cursor.fetch_arrow_batches(force_microsecond_precision=True):
        for batch in table.to_batches():
            arrays = [_column(array, code) for array, code in zip(batch.columns, codes, strict=True)]
            plain = pa.RecordBatch.from_arrays(arrays, names=names)
            yield from scalars(plain, variants)


def _column(array: pa.Array, code: int) -> pa.Array:
    if code not in _REFUSED:
        return array
    # Its contents are not kept. A null is refused as a column's type, and sets no row aside.
    refused = pa.array([[] if pa.types.is_list(_REFUSED[code]) else {}], _REFUSED[code])
    indices = pa.array([0 if valid else None for valid in array.is_valid().to_pylist()], pa.int8())
    return refused.take(indices)
