"""PostgreSQL by ADBC: the row hashes, and models with a type that COPY's text is not exact for (bytea).

It runs the query as a COPY, to which a server binds no parameters: psycopg binds them, as literals that it quotes. ADBC
would bind them itself only for a query that it does not run as a COPY, whose whole result it then holds in memory.
ADBC is not used for types that it leaves raw (inet, timetz), rounds (float4 to a float32), or takes for others (money
as an integer, JSON as text).
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from candu_sync.warehouse.adbc_databases import AdbcDatabases, aside
from candu_sync.warehouse.faults import Errors, translated
from candu_sync.warehouse.postgres_types import session, with_literals
from candu_sync.warehouse.query import Query
from candu_sync.warehouse.reading import Batches, Reading, refuse_duplicates
from candu_sync.warehouse.tags import PRODUCT
from candu_sync.warehouse.urls import connecting
from candu_sync.warehouse.utf8 import checked

if TYPE_CHECKING:
    from sqlalchemy import Engine

_EXACT = {"bool", "int2", "int4", "int8", "float8", "bytea", "date", "timestamp", "timestamptz", "numeric", "uuid"}
"""PostgreSQL's names of the types that ADBC reads exactly; types that it reads as strings are exact, too (text,
enums)."""

_TYPE = b"POSTGRESQL:type"

_TAG = ("do $$ begin if current_setting('application_name') = 'candu-sync' then "
        "set local application_name = '{tag}'; end if; end $$")
"""The session's tag. A name of the user's own is kept."""

def read_adbc(query: Query) -> Reading | None:
    """Streams a query in batches of about 16 MB (ADBC's default); None when ADBC cannot be used: it is not installed,
    the URL has options of psycopg's own, or the query has a type that it does not read exactly."""
    with ExitStack() as stack:
        found = open_cursor(query, stack)
        if found is None:
            return None
        cursor, errors = found
        with translated(*errors):
            return _reading(cursor, query, stack, errors)


def open_cursor(query: Query, stack: ExitStack, *, isolated: bool = False) -> tuple[Any, Errors] | None:
    """A cursor of a connection of its own, which the query's cancellation ends, in a read-only transaction, and the
    driver's errors; None when ADBC cannot be used.

    Args:
        stack: closes both.
        isolated: all queries of the transaction see the same rows.

    Raises:
        WarehouseUnreachable: there is no connection.
    """
    try:
        import adbc_driver_postgresql.dbapi as adbc  # type: ignore[import-untyped]
        import psycopg  # noqa: F401  (quotes the parameters; an engine of psycopg2 may do without)
    except ImportError:
        return None
    # One address for all syncs: the session has the tag.
    address = address_of(query.engine, PRODUCT)
    if address is None:
        return None
    errors: Errors = (adbc.Error, pa.ArrowException, OSError)
    mode = "isolation level repeatable read, read only" if isolated else "read only"
    with connecting(query.engine.url, *errors):
        databases = query.databases or stack.enter_context(closing(AdbcDatabases()))
        return _read_only_cursor(databases.connect(address), query, stack, mode), errors


def address_of(engine: Engine, tag: str) -> str | None:
    """The engine's URL as libpq reads it, with a tag; None when libpq does not know all of its options."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import make_conninfo

    options = engine.dialect.create_connect_args(engine.url)[1]
    options.pop("context", None)
    try:
        # Literals are quoted for UTF-8.
        return make_conninfo(**{"fallback_application_name": tag, **options, "client_encoding": "UTF8"})
    except ProgrammingError:
        return None


def _read_only_cursor(connection: Any, query: Query, stack: ExitStack, mode: str) -> Any:
    stack.callback(connection.close)
    cursor = connection.cursor()
    stack.callback(cursor.close)
    statements = [f"set transaction {mode}", *session(query), _TAG.format(tag=query.tag)]
    aside(lambda settings: [cursor.execute(setting) for setting in settings], statements)
    query.cancel_by(connection.adbc_cancel, stack)
    return cursor


def _reading(cursor: Any, query: Query, stack: ExitStack, errors: Errors) -> Reading | None:
    # COPY puts a bracket right after the query. It must not be in a comment of the last line.
    sql = f"{with_literals(query)}\n"
    schema = aside(cursor.adbc_execute_schema, sql)
    if not all(map(_is_exact, schema)):
        return None
    refuse_duplicates(schema.names)
    aside(cursor.execute, sql)
    reader = cursor.fetch_record_batch()
    stack.callback(reader.close)
    return Reading(query, "adbc", schema.names, adbc_batches(reader), stack.pop_all(), errors)


def adbc_type(field: pa.Field[Any]) -> str:
    """PostgreSQL's name of a column's type."""
    return str((field.metadata or {}).get(_TYPE, b"").decode())


def _is_exact(field: pa.Field[Any]) -> bool:
    return adbc_type(field) in _EXACT or pa.types.is_string(field.type)


def adbc_batches(reader: pa.RecordBatchReader) -> Batches:
    """ADBC's batches with the values that rows would have."""
    for batch in reader:
        columns = [_column(column) for column in batch.columns]
        yield from checked(pa.RecordBatch.from_arrays(columns, names=batch.schema.names))


def _column(column: pa.Array) -> pa.Array:
    """UUIDs as text; numbers as their digits, ``NUMERIC``."""
    if isinstance(column, pa.ExtensionArray) and isinstance(column.type, pa.UuidType):
        return _uuid_text(column.storage)
    return column


def _uuid_text(storage: pa.Array) -> pa.Array:
    """16 bytes each -> the usual 36 characters: all of the digits at once, then cut."""
    data = storage.buffers()[1].slice(storage.offset * 16, len(storage) * 16)
    digits = pa.py_buffer(memoryview(data).hex().encode())
    texts = pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), len(storage), [None, digits])
    cuts = zip((0, 8, 12, 16, 20), (8, 12, 16, 20, 32), strict=True)
    parts = [pc.binary_slice(texts, start, end).cast(pa.binary()) for start, end in cuts]
    dashed = pc.binary_join_element_wise(*parts, b"-").cast(pa.string())
    return pc.if_else(storage.is_valid(), dashed, pa.scalar(None, pa.string())) if storage.null_count else dashed
