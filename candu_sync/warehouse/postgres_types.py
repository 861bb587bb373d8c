"""PostgreSQL's column types: their Arrow types, and values that Python's own types cannot hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from psycopg import Column, Connection
    from psycopg.abc import AdaptContext, Buffer, Loader

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
    # What a JSON value is shows only when it is read.
    "json": pa.null(),
    "jsonb": pa.null(),
}

_CALENDAR = ("date", "time", "timetz", "timestamp", "timestamptz")

_UNBOUNDED_NUMERIC = pa.decimal128(38, 9)
"""A ``numeric`` without precision says nothing of its digits; what is read has as many as it needs."""


def arrow_type(column: Column) -> pa.DataType:
    """The Arrow type that a column's values come out as; enums and whatever else psycopg leaves as text are strings."""
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


def keep_every_date(connection: Connection[Any]) -> None:
    """Lets dates beyond Python's years 1 to 9999 through, which would else end the whole read.

    They come out as an infinite float, as they do by Arrow; the time of day ``24:00:00`` as text.
    """
    from psycopg.pq import Format

    for name in _CALENDAR:
        loader = connection.adapters.get_loader(connection.adapters.types[name].oid, Format.TEXT)
        if loader is not None:
            connection.adapters.register_loader(name, _tolerant(loader))


def _tolerant(exact: type[Loader]) -> type[Loader]:
    from psycopg import DataError, adapt

    class Tolerant(adapt.Loader):
        def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
            super().__init__(oid, context)
            self._exact = exact(oid, context)

        def load(self, data: Buffer) -> object:
            try:
                return self._exact.load(data)
            except DataError:
                text = bytes(data).decode()
                return text if text.startswith("24:") else float("inf")

    return Tolerant
