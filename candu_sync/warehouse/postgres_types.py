"""What all paths of PostgreSQL share: its session, its literals, its column types and the Arrow types of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from candu_sync.sql_text import placed

if TYPE_CHECKING:
    from psycopg import Column, Connection

    from candu_sync.warehouse.query import Query

Rows = Sequence[Sequence[Any]]

_ARROW: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    **dict.fromkeys(("int2", "int4", "int8", "oid"), pa.int64()),
    **dict.fromkeys(("float4", "float8"), pa.float64()),
    "bytea": pa.binary(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "interval": pa.duration("us"),
    "record": pa.list_(pa.string()),
    # The type of a JSON value is known only when it is read.
    "json": pa.null(),
    "jsonb": pa.null(),
}

_UNBOUNDED_NUMERIC = pa.decimal128(38, 9)
"""A ``numeric`` without precision has no fixed number of digits; a value that is read has as many as it needs."""


_RAW_BYTES = ("do $$ begin if current_setting('server_encoding') = 'SQL_ASCII' then "
              "set local client_encoding = 'SQL_ASCII'; end if; end $$")
"""A database in SQL_ASCII does not know its encoding. It would refuse to send a text that is not UTF-8, and then no row
would arrive. So it sends the bytes as they are, and they are checked here."""

_CATEGORIES = {"A": pa.list_(pa.string()), "C": pa.list_(pa.string()), "R": pa.struct([])}
"""What a database's own arrays, composites and ranges are, by ``pg_type.typcategory``; psycopg has them as text."""


def session(query: Query) -> list[str]:
    """What is set for a transaction before its query: the zone that columns without one are compared in, and the text
    forms that are read here."""
    timeout = query.timeout
    settings = [_RAW_BYTES,
                f"set local time zone '{query.timezone}'", "set local datestyle = 'ISO, YMD'",
                "set local extra_float_digits = 1"]
    # The server's own limit, if this process cannot cancel any more. It is a second later, so that ours is reported.
    limit = [] if timeout is None else [f"set local statement_timeout = {math.ceil(timeout * 1000) + 1000}"]
    return settings + limit


def with_literals(query: Query) -> str:
    """The query with its values as literals, quoted by psycopg: COPY takes no parameters.

    They are what psycopg binds elsewhere: text without a type of its own, and timestamps with a zone.
    """
    from psycopg.sql import Literal

    return placed(query.sql, "postgresql", lambda name: Literal(query.values[name]).as_string(None))


def own_types(connection: Connection[Any], codes: Iterable[int]) -> dict[int, pa.DataType]:
    """The types of a database's own among the OIDs: text (enums, extensions), or what is refused."""
    from psycopg import adapters

    unknown = [code for code in codes if adapters.types.get(code) is None]
    if not unknown:
        return {}
    found = connection.execute("select oid, typcategory from pg_type where oid = any(%s)", [unknown])
    return {code: _CATEGORIES.get(category, pa.string()) for code, category in found}


def own_values(connection: Connection[Any], columns: Sequence[Column]) -> Callable[[Rows], Rows] | None:
    """A conversion of rows whose columns hold arrays, composites or ranges of the database's own types, so that they
    are refused as others are; None when there is none."""
    own = own_types(connection, [column.type_code for column in columns])
    refused: dict[int, object] = {index: {} if pa.types.is_struct(type_) else []
               for index, column in enumerate(columns)
               if not pa.types.is_string(type_ := own.get(column.type_code, pa.string()))}
    if not refused:
        return None
    return lambda rows: [
        [refused.get(index, value) if value is not None else None for index, value in enumerate(row)] for row in rows]


def json_columns(columns: Sequence[Column]) -> list[int]:
    """The indexes of the columns that hold JSON."""
    from psycopg import adapters

    json = [adapters.types[name].oid for name in ("json", "jsonb")]
    return [index for index, column in enumerate(columns) if column.type_code in json]


def arrow_type(column: Column) -> pa.DataType:
    """The Arrow type that a column's values come out as; enums, and all other types that psycopg leaves as text, are
    strings."""
    from psycopg import adapters
    from psycopg.types.multirange import MultirangeInfo
    from psycopg.types.range import RangeInfo

    info = adapters.types.get(column.type_code)
    if info is None:
        return pa.string()
    if isinstance(info, RangeInfo | MultirangeInfo):
        return pa.struct([])
    if info.array_oid == column.type_code:
        return pa.list_(pa.string())
    if info.name == "numeric":
        return _decimal(column.precision, column.scale)
    return _ARROW.get(info.name, pa.string())


def _decimal(precision: int | None, scale: int | None) -> pa.DataType:
    if precision is None or scale is None or not 0 <= scale <= precision <= 76:
        return _UNBOUNDED_NUMERIC
    return pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
