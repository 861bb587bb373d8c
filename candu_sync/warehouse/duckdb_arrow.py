"""DuckDB's own Arrow stream."""

from __future__ import annotations

from contextlib import ExitStack

import duckdb
import pyarrow as pa

from candu_sync.errors import WarehouseError
from candu_sync.sql_text import dollar_parameters
from candu_sync.warehouse.duckdb_types import Columns
from candu_sync.warehouse.faults import Errors, translated
from candu_sync.warehouse.query import Query
from candu_sync.warehouse.reading import Batches, Reading, refuse_duplicates
from candu_sync.warehouse.urls import connecting

ERRORS: Errors = (duckdb.Error, pa.ArrowException, OSError)
"""A stream that fails half-way raises an OSError that carries DuckDB's message."""

_QUERIES = {duckdb.StatementType.SELECT, duckdb.StatementType.MULTI}
"""PIVOT is of the type MULTI. A read-only database still allows COPY to a file, so the type is looked at too."""


def read_duckdb(query: Query) -> Reading:
    """Streams the query in batches of at most about ``query.batch_rows`` rows; DuckDB holds a few of them at a time."""
    with ExitStack() as stack:
        columns = opened_columns(query, stack)
        names = columns.relation.columns
        with translated(*ERRORS):
            reader = columns.relation.to_arrow_reader(query.batch_rows(len(names)))
        return Reading(query, "duckdb arrow", names, duckdb_batches(reader, columns), stack.pop_all(), ERRORS)


def duckdb_columns(query: Query) -> pa.Schema:
    """The names and Arrow types of the query's columns, without running it over its rows."""
    with ExitStack() as stack:
        return schema_of(opened_columns(query, stack))


def schema_of(columns: Columns) -> pa.Schema:
    """The names and Arrow types of a query's columns."""
    with translated(*ERRORS):
        found = columns.relation.limit(0).to_arrow_table().schema
    # In a subquery DuckDB calls the second of "Seats" and "seats" seats_1.
    named = zip(columns.relation.columns, found, strict=True)
    return columns.schema(pa.schema([field.with_name(name) for name, field in named]))


def opened_columns(query: Query, stack: ExitStack) -> Columns:
    """The query as a lazy relation, on a connection of its own, which the stack closes."""
    return columns_of(query, open_connection(query, stack))


def columns_of(query: Query, connection: duckdb.DuckDBPyConnection) -> Columns:
    """The query as a lazy relation. ``execute`` would build the whole result first, outside of the memory limit.

    Raises:
        ModelError: two columns have one name.
        WarehouseError: the query is refused, or is none.
    """
    sql = dollar_parameters(query.sql, "duckdb")
    with translated(*ERRORS):
        statements = connection.extract_statements(sql)
        if {statement.type for statement in statements} - _QUERIES:
            raise WarehouseError("the SQL is not a query; a model is one SELECT, and the warehouse is only read")
        # DuckDB does not parse a statement again, as it would parse its text.
        relation = connection.sql(statements[0] if len(statements) == 1 else sql, params=query.values or None)
        refuse_duplicates(relation.columns)
        return Columns(relation)


def open_connection(query: Query, stack: ExitStack) -> duckdb.DuckDBPyConnection:
    """A connection of its own on the engine's database: a DuckDB connection has one open stream at a time."""
    with connecting(query.duckdb.url, *ERRORS):
        # DuckDB's cursor() is a new connection.
        connection = stack.enter_context(query.duckdb.connection()).cursor()
        stack.callback(connection.close)
        # All connections begin with UTC.
        if query.timezone != "UTC":
            connection.execute(f"set TimeZone = '{query.timezone}'")
    query.cancel_by(connection.interrupt, stack)
    return connection


def duckdb_batches(reader: pa.RecordBatchReader, columns: Columns) -> Batches:
    """The batches with each value in its own type; the reader is closed at the end."""
    try:
        for batch in reader:
            yield from columns.read(batch)
    finally:
        reader.close()
