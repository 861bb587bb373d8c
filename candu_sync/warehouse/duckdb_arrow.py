"""DuckDB's own Arrow stream, taken from under the SQLAlchemy connection."""

from __future__ import annotations

from contextlib import ExitStack
from typing import cast

import duckdb
import pyarrow as pa

from candu_sync.errors import WarehouseError, WarehouseUnreachable
from candu_sync.sql_text import dollar_parameters
from candu_sync.warehouse.calendar_bounds import within_calendar
from candu_sync.warehouse.faults import Errors, translated
from candu_sync.warehouse.json_values import scalars
from candu_sync.warehouse.query import Query
from candu_sync.warehouse.reading import Batches, Reading, refuse_duplicates

ERRORS: Errors = (duckdb.Error, pa.ArrowException, OSError)
"""A stream that fails half-way raises an OSError that carries DuckDB's message."""

_QUERIES = {duckdb.StatementType.SELECT, duckdb.StatementType.MULTI}
"""PIVOT is of the type MULTI. A read-only database still allows COPY to a file, so the type is looked at too."""

_OFFSET_TEXT = r"regexp_replace(#{}::varchar, '([+-]\d\d)$', '\1:00')"
"""A time with a zone as text whose offset has minutes: ``10:30:00.5+02:00``."""


def read_duckdb(query: Query) -> Reading:
    """Streams the query in batches of at most about ``query.batch_rows`` rows; DuckDB holds a few of them at a time."""
    with ExitStack() as stack:
        relation = _relation(query, stack)
        with translated(*ERRORS):
            reader = relation.to_arrow_reader(query.batch_rows(len(relation.columns)))
        batches = _batches(reader, _json_columns(relation))
        return Reading(query, "duckdb arrow", relation.columns, batches, stack.pop_all(), ERRORS)


def duckdb_columns(query: Query) -> pa.Schema:
    """The names and Arrow types of the query's columns, without running it over its rows."""
    with ExitStack() as stack:
        relation = _relation(query, stack)
        with translated(*ERRORS):
            schema = cast(pa.Schema, relation.limit(0).to_arrow_table().schema)
        for index in _json_columns(relation):
            # What a JSON value is shows only when it is read.
            schema = schema.set(index, pa.field(schema.names[index], pa.null()))
        return schema


def _json_columns(relation: duckdb.DuckDBPyRelation) -> set[int]:
    return {index for index, type_ in enumerate(relation.types) if str(type_) == "JSON"}


def _relation(query: Query, stack: ExitStack) -> duckdb.DuckDBPyRelation:
    """The query as a lazy relation. ``execute`` would build the whole result first, outside of the memory limit."""
    connection = _connection(query, stack)
    sql = dollar_parameters(query.sql, "duckdb")
    with translated(*ERRORS):
        statements = connection.extract_statements(sql)
        if {statement.type for statement in statements} - _QUERIES:
            raise WarehouseError("the SQL is not a query; a model is one SELECT, and the warehouse is only read")
        relation = connection.sql(sql, params=query.values or None)
        refuse_duplicates(relation.columns)
        return _with_offsets(relation)


def _with_offsets(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Times with a zone as text, since Arrow has no type for them and DuckDB leaves their offset out."""
    zoned = {index for index, type_ in enumerate(relation.types) if str(type_) == "TIME WITH TIME ZONE"}
    if not zoned:
        return relation
    columns = [_OFFSET_TEXT.format(index + 1) if index in zoned else f"#{index + 1}"
               for index in range(len(relation.columns))]
    named = [f'{column} as "{name.replace(chr(34), 2 * chr(34))}"'
             for column, name in zip(columns, relation.columns, strict=True)]
    return relation.project(", ".join(named))


def _connection(query: Query, stack: ExitStack) -> duckdb.DuckDBPyConnection:
    """A connection of its own on the engine's database: a DuckDB connection has one open stream at a time."""
    with translated(*ERRORS, doing="the warehouse cannot be opened", into=WarehouseUnreachable):
        pooled = query.engine.raw_connection()
        stack.callback(pooled.close)
        # duckdb-engine's cursor passes on what it does not know, and DuckDB's own cursor() is a new connection.
        connection = cast(duckdb.DuckDBPyConnection, pooled.cursor().cursor())
        stack.callback(connection.close)
        connection.execute("set TimeZone = 'UTC'")
        # A name that is no table would else be looked for among this program's variables.
        connection.execute("set python_enable_replacements = false")
    query.cancel_by(connection.interrupt, stack)
    return connection


def _batches(reader: pa.RecordBatchReader, json: set[int]) -> Batches:
    try:
        for batch in reader:
            for bounded in within_calendar(batch):
                yield from scalars(bounded, json)
    finally:
        reader.close()
