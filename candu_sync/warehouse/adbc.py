"""PostgreSQL's native Arrow path: ADBC, some five times as fast as rows, where it says exactly what rows would say.

It runs the query as a COPY, which takes no parameters, so that queries with parameters are read by rows; and so are
queries with a type that ADBC leaves raw (inet, timetz), rounds (float4 to a float32), or takes for another (money as
an integer, JSON as text).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Engine

from candu_sync.errors import WarehouseUnreachable
from candu_sync.warehouse.arrays import record_batches
from candu_sync.warehouse.calendar_bounds import within_calendar
from candu_sync.warehouse.engines import shown
from candu_sync.warehouse.faults import Errors, translated
from candu_sync.warehouse.reading import Reading, refuse_duplicates

_EXACT = {"bool", "int2", "int4", "int8", "float8", "bytea", "date", "timestamp", "timestamptz", "numeric", "uuid"}
"""PostgreSQL's names of the types that come out exactly; whatever comes out as a string does too (text, enums)."""

_TYPE = b"POSTGRESQL:type"

_WIDEST = 76
"""Digits of Arrow's widest decimal."""


def read_adbc(engine: Engine, sql: str) -> Reading | None:
    """Streams a query without parameters, in batches of about 16 MB (ADBC's default); None when ADBC cannot be used:
    it is not installed, the URL has options of psycopg's own, or a type of the query is none of its exact ones."""
    try:
        import adbc_driver_postgresql.dbapi as adbc  # type: ignore[import-untyped]
    except ImportError:
        return None
    address = _address(engine)
    if address is None:
        return None
    errors: Errors = (adbc.Error, pa.ArrowException, OSError)
    with ExitStack() as stack:
        doing = f"cannot connect to the warehouse {shown(engine.url)}"
        with translated(*errors, doing=doing, into=WarehouseUnreachable):
            cursor = _read_only_cursor(adbc.connect(address), stack)
        with translated(*errors):
            return _reading(cursor, sql, stack, errors)


def _address(engine: Engine) -> str | None:
    """The engine's URL as libpq reads it, None when libpq does not know all of its options."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import make_conninfo

    options = engine.dialect.create_connect_args(engine.url)[1]
    options.pop("context", None)
    try:
        return make_conninfo(**options)
    except ProgrammingError:
        return None


def _read_only_cursor(connection: Any, stack: ExitStack) -> Any:
    stack.callback(connection.close)
    cursor = connection.cursor()
    stack.callback(cursor.close)
    cursor.execute("set transaction read only")
    cursor.execute("set local time zone 'UTC'")
    return cursor


def _reading(cursor: Any, sql: str, stack: ExitStack, errors: Errors) -> Reading | None:
    # COPY closes a bracket right after the query, which must not stand in a comment of its last line.
    sql = f"{sql}\n"
    schema = cursor.adbc_execute_schema(sql)
    if not all(map(_is_exact, schema)):
        return None
    refuse_duplicates(schema.names)
    cursor.execute(sql)
    reader = cursor.fetch_record_batch()
    stack.callback(reader.close)
    return Reading("adbc", schema.names, _batches(reader), stack.pop_all(), errors)


def _is_exact(field: pa.Field[Any]) -> bool:
    name = (field.metadata or {}).get(_TYPE, b"").decode()
    return name in _EXACT or pa.types.is_string(field.type)


def _batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    for batch in reader:
        for bounded in within_calendar(batch):
            yield from _plain(bounded)


def _plain(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in plain Arrow types; by way of rows when some of its numbers are none, such as ``NaN``."""
    columns = [_column(column) for column in batch.columns]
    arrays = [column for column in columns if isinstance(column, pa.Array)]
    if len(arrays) == len(columns):
        yield pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)
        return
    values = [column.to_pylist() if isinstance(column, pa.Array) else column for column in columns]
    yield from record_batches(batch.schema.names, list(zip(*values, strict=True)))


def _column(column: pa.Array) -> pa.Array | list[Decimal | None]:
    if not isinstance(column, pa.ExtensionArray):
        return column
    if isinstance(column.type, pa.UuidType):
        return _uuid_text(column.storage)
    try:
        return _decimals(column.storage)
    except pa.ArrowInvalid:
        return [None if text is None else Decimal(text) for text in column.storage.to_pylist()]


def _decimals(texts: pa.Array) -> pa.Array:
    """Numbers as text, plain digits with or without a point -> the narrowest decimals that hold them all.

    Raises ``ArrowInvalid`` for a text that is no number, or has more digits than Arrow's widest decimal.
    """
    digits = pc.utf8_ltrim(texts, "-")
    length = pc.utf8_length(digits)
    point = pc.find_substring(digits, ".")
    whole = pc.max(pc.if_else(pc.less(point, 0), length, point)).as_py() or 1
    scale = max(pc.max(pc.if_else(pc.less(point, 0), 0, pc.subtract(pc.subtract(length, point), 1))).as_py() or 0, 0)
    width = whole + scale
    if width > _WIDEST:
        raise pa.ArrowInvalid(f"{width} digits")
    return texts.cast(pa.decimal128(width, scale) if width <= 38 else pa.decimal256(width, scale))


def _uuid_text(storage: pa.Array) -> pa.Array:
    digits = pa.array([None if value is None else value.hex() for value in storage.to_pylist()], pa.string())
    cuts = zip((0, 8, 12, 16, 20), (8, 12, 16, 20, 32), strict=True)
    return pc.binary_join_element_wise(*(pc.utf8_slice_codeunits(digits, start, end) for start, end in cuts), "-")
