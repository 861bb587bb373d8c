"""PostgreSQL by psycopg's COPY: CSV from the server, read by Arrow. It takes two thirds of ADBC's CPU time.

Numbers, text, booleans and JSON are read as they come. Types whose text differs from what rows give (intervals, arrays,
network addresses, times with a zone) are left to rows. psycopg binds the parameters, as literals that it quotes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv

from candu_sync.arrow_types import NUMERIC, numeric
from candu_sync.warehouse.faults import Errors, translated
from candu_sync.warehouse.json_values import scalars
from candu_sync.warehouse.postgres_types import own_types, session, with_literals
from candu_sync.warehouse.query import Query
from candu_sync.warehouse.reading import Batches, Reading, refuse_duplicates
from candu_sync.warehouse.urls import connecting
from candu_sync.warehouse.utf8 import checked

if TYPE_CHECKING:
    from psycopg import Connection, Cursor
    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGconn

_BLOCK = 8_000_000
"""Bytes of text that are read at a time."""

_TEXT = pa.string()

_JSON = pa.json_()
"""Text that holds JSON."""

_ARROW: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    **dict.fromkeys(("int2", "int4", "int8", "oid"), pa.int64()),
    **dict.fromkeys(("float4", "float8"), pa.float64()),
    "numeric": NUMERIC,
    **dict.fromkeys(("json", "jsonb"), _JSON),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    **dict.fromkeys(("text", "varchar", "bpchar", "name", "uuid", "time", "money"), _TEXT),
}
"""The types that are read here, by PostgreSQL's names."""

_AT_ONCE = (pa.bool_(), pa.int64(), pa.float64())
"""The types that the CSV reader converts itself: it can read every text of these types."""

_INSTANT = pa.timestamp("us", "UTC")

_DATES = (pa.date32(), pa.timestamp("us"), _INSTANT)

_OUT_OF_RANGE = pa.scalar(2**63 - 1, pa.int64())
"""A timestamp that is out of every range. A date that is out of range is read as this timestamp, too."""

_ON_CALENDAR = r"^\d{4}-[^B]*$"
"""A year of four digits after Christ; infinity and year 0 do not match."""

_CSV = csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)


def read_copy(query: Query, sql: str | None = None, carried: Collection[str] = ()) -> Reading | None:
    """Streams the query in blocks of about 8 MB of text; None when this path cannot be used: the driver is not psycopg,
    or the text of a type differs from what rows give.

    Args:
        sql: what is run instead of the query's own text; it has its values.
        carried: columns of it that the reading does not name.
    """
    if query.engine.dialect.driver != "psycopg":
        return None
    import psycopg

    errors: Errors = (psycopg.Error, pa.ArrowException)
    with ExitStack() as stack:
        with connecting(query.engine.url, *errors):
            connection = _connection(query, stack)
        with translated(*errors):
            sql = with_literals(query) if sql is None else sql
            columns = _columns(connection, sql)
            if columns is None:
                return None
            refuse_duplicates(list(columns))
            cursor = stack.enter_context(connection.cursor())
            asked = _in_utc(sql, columns)
            stack.enter_context(cursor.copy(f"copy (\n{asked}\n) to stdout (format csv)".encode()))
        names = [name for name in columns if name not in carried]
        return Reading(query, "postgres copy", names, _batches(_blocks(connection), columns), stack.pop_all(),
                       errors)


def _connection(query: Query, stack: ExitStack) -> Connection[Any]:
    connection = stack.enter_context(query.connect())
    # A COPY that is under way cannot be rolled back, so this connection is not used again.
    stack.callback(connection.invalidate)
    raw = cast("Connection[Any]", connection.connection.driver_connection)
    # All at once: without parameters psycopg sends them as they are.
    raw.execute("; ".join(session(query)).encode())
    query.cancel_by(raw.cancel_safe, stack)
    return raw


def _in_utc(sql: str, columns: dict[str, pa.DataType]) -> str:
    """The query with its instants as UTC without an offset: otherwise their text would have the zone of the session."""
    if _INSTANT not in columns.values():
        return sql
    quoted = {'"' + name.replace('"', '""') + '"': type_ for name, type_ in columns.items()}
    listed = [f"{name} at time zone 'UTC' as {name}" if type_ == _INSTANT else name for name, type_ in quoted.items()]
    return f"select {', '.join(listed)} from (\n{sql}\n) as model"


def _columns(connection: Connection[Any], sql: str) -> dict[str, pa.DataType] | None:
    cursor: Cursor[Any] = connection.execute(f"select * from (\n{sql}\n) as model limit 0".encode())
    columns = cursor.description or []
    refuse_duplicates([column.name for column in columns])
    own = own_types(connection, [column.type_code for column in columns])
    types = {column.name: _type(column.type_code, own) for column in columns}
    return None if None in types.values() else cast("dict[str, pa.DataType]", types)


def _type(code: int, own: dict[int, pa.DataType]) -> pa.DataType | None:
    from psycopg import adapters

    info = adapters.types.get(code)
    if info is None:
        return _TEXT if own.get(code) == _TEXT else None
    return None if info.array_oid == code else _ARROW.get(info.name)


def _batches(blocks: Iterable[bytearray], columns: dict[str, pa.DataType]) -> Batches:
    json = [index for index, type_ in enumerate(columns.values()) if type_ == _JSON]
    options = csv.ConvertOptions(
        column_types={name: type_ if type_ in _AT_ONCE else _TEXT for name, type_ in columns.items()},
        null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False, check_utf8=False,
        true_values=["t"], false_values=["f"])
    for block in blocks:
        # One block is parsed whole, so that no row is cut.
        read = csv.ReadOptions(column_names=list(columns), block_size=len(block), use_threads=False)
        table = csv.read_csv(pa.py_buffer(block), read, _CSV, options)
        for batch in table.to_batches():
            for part in checked(batch):
                yield from scalars(_typed(part, columns), json)


def _blocks(connection: Connection[Any]) -> Iterator[bytearray]:
    """Whole rows, some megabytes of them, of the COPY that the connection has begun."""
    while block := connection.wait(_next_block(connection.pgconn, connection.info.encoding)):
        yield block


def _next_block(connection: PGconn, encoding: str) -> PQGen[bytearray]:
    """Take what has come, row by row, and wait only when it is used up: psycopg's own COPY goes through all of its
    layers for each row. No row is empty, so that an empty block is the end."""
    from psycopg.errors import error_from_result
    from psycopg.generators import fetch_many
    from psycopg.pq import ExecStatus, TransactionStatus
    from psycopg.waiting import Wait

    # Bytes, and no list of rows: the garbage collector would go through it again and again.
    rows, take = bytearray(), connection.get_copy_data
    while len(rows) < _BLOCK and connection.transaction_status == TransactionStatus.ACTIVE:
        length, row = take(1)
        while length > 0:
            rows += row
            if len(rows) >= _BLOCK:
                break
            length, row = take(1)
        if length == 0:
            while not (yield Wait.R):
                pass
            connection.consume_input()
        elif length < 0:
            result, *_ = yield from fetch_many(connection)
            if result.status != ExecStatus.COMMAND_OK:
                raise error_from_result(result, encoding=encoding)
    return rows


def _typed(batch: pa.RecordBatch, columns: dict[str, pa.DataType]) -> pa.RecordBatch:
    """The batch, with its text converted to values."""
    arrays = [_cast(array, type_) for array, type_ in zip(batch.columns, columns.values(), strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def _cast(array: pa.Array, type_: pa.DataType) -> pa.Array:
    if array.type != pa.string() or type_ in (_TEXT, _JSON):
        return array
    if type_ == NUMERIC:
        return numeric(array)
    return _dates(array, type_) if type_ in _DATES else array.cast(type_)


def _dates(array: pa.Array, type_: pa.DataType) -> pa.Array:
    beyond = pc.invert(pc.match_substring_regex(array, _ON_CALENDAR))
    if not pc.any(beyond).as_py():
        return array.cast(pa.timestamp("us")).cast(type_) if type_ == _INSTANT else array.cast(type_)
    stamps = pa.timestamp("us") if pa.types.is_date(type_) else type_
    found = pc.if_else(beyond, pa.scalar(None, pa.string()), array).cast(pa.timestamp("us")).cast(stamps)
    return pc.if_else(pc.fill_null(beyond, False), _OUT_OF_RANGE.cast(stamps), found)
