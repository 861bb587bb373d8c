"""Rows as Python tuples -> record batches, without one value changing on the way.

A column of a batch holds one kind of value. SQLite keeps whatever was stored in a row, so one column may hold an
integer, a text and a float; PostgreSQL's JSON may hold any scalar. Rows of a fetch whose mixed columns agree on their
kinds then become a batch of their own; the order of rows does not matter to anyone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import MAX_PREC, Context, Decimal
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any
from uuid import UUID

import pyarrow as pa

Row = Sequence[Any]

_WIDEST_DECIMAL = 76
"""Digits of a decimal256, the widest that Arrow has."""

_EXACT = Context(prec=MAX_PREC)


@dataclass(frozen=True)
class Form:
    """What may share a column: an Arrow type (None: as wide as the values need), and how a value is put in it."""

    name: str
    type: pa.DataType | None
    convert: Callable[[Any], object] | None = None

    def array(self, column: Sequence[object]) -> pa.Array:
        """The column as Arrow, nulls kept."""
        if self.convert is not None:
            column = [None if value is None else self.convert(value) for value in column]
        return pa.array(column, type=self.type)


def zoned_time(value: time) -> str:
    """A time of day with an offset, without closing zeros: ``10:30:00.5+02:00``."""
    return re.sub(r"(\.\d*?)0+(?=[+-])", r"\1", value.isoformat())


_NOTHING = Form("null", pa.null())
_INTEGER = Form("integer", pa.int64())
_WIDE_INTEGER = Form("wide integer", None, Decimal)
_FLOAT = Form("float", pa.float64(), float)
_DECIMAL = Form("decimal", None)
_SHORTEST_DECIMAL = Form("decimal without closing zeros", None, lambda value: value.normalize(_EXACT))
_TEXT = Form("text", pa.string())
_AS_TEXT = Form("as text", pa.string(), str)
_BYTES = Form("bytes", pa.binary(), bytes)
_NOT_UTF8 = Form("text that is not UTF-8", pa.binary(), lambda text: text.encode("utf-8", "surrogatepass"))
_NAIVE = Form("timestamp", pa.timestamp("us"))
_AWARE = Form("timestamp with zone", pa.timestamp("us", "UTC"))
_TIME = Form("time", pa.time64("us"))
_ZONED_TIME = Form("time with zone", pa.string(), zoned_time)
# These are refused by their type, so their contents are left behind.
_LIST = Form("list", pa.list_(pa.string()), lambda _: [])
_OBJECT = Form("object", pa.struct([pa.field("object", pa.string())]), lambda _: {})

_BY_TYPE: dict[type, Form] = {
    type(None): _NOTHING,
    bool: Form("boolean", pa.bool_()),
    int: _INTEGER,
    float: _FLOAT,
    Decimal: _DECIMAL,
    str: _TEXT,
    bytes: _BYTES,
    bytearray: _BYTES,
    memoryview: _BYTES,
    datetime: _NAIVE,
    date: Form("date", pa.date32()),
    time: _TIME,
    timedelta: Form("duration", pa.duration("us")),
    UUID: _AS_TEXT,
    list: _LIST,
    tuple: _LIST,
    dict: _OBJECT,
    **dict.fromkeys((IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network), _AS_TEXT),
}

_ZONES = {datetime, time}
"""Types whose values Arrow takes for one another without a word: with and without a zone."""

_REFUSALS = (pa.ArrowException, UnicodeEncodeError, OverflowError, TypeError)
"""What pyarrow raises for a column that its kind cannot hold; the rows are then told apart value by value."""


def record_batches(names: Sequence[str], rows: Sequence[Row]) -> Iterator[pa.RecordBatch]:
    """One batch, or as many as the columns of mixed kinds need; none without rows."""
    if not rows:
        return
    columns = list(zip(*rows, strict=True))
    arrays = [_plain(column) for column in columns]
    mixed = [index for index, array in enumerate(arrays) if array is None]
    if not mixed:
        yield pa.RecordBatch.from_arrays(arrays, names=list(names))
        return
    groups: dict[tuple[Form, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(form_of(row[index]) for index in mixed), []).append(row)
    for kinds, group in groups.items():
        yield _batch(names, group, dict(zip(mixed, kinds, strict=True)))


def _batch(names: Sequence[str], rows: Sequence[Row], kinds: dict[int, Form]) -> pa.RecordBatch:
    arrays = [
        kinds[index].array(column) if index in kinds else _plain(column)
        for index, column in enumerate(zip(*rows, strict=True))
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def _plain(column: Sequence[object]) -> pa.Array | None:
    """The column as Arrow when its values are of one kind, else None."""
    types = set(map(type, column)) - {type(None)}
    if not types:
        return _NOTHING.array(column)
    if types & _ZONES:
        kinds = {form_of(value) for value in column if value is not None}
    else:
        kinds = {_BY_TYPE.get(kind, _OBJECT) for kind in types}
    if len(kinds) > 1:
        return None
    try:
        return kinds.pop().array(column)
    except _REFUSALS:
        return None


def form_of(value: object) -> Form:
    """The kind of one value, told by its type and, where types say too little, by the value itself."""
    match value:
        case bool() | None:
            return _BY_TYPE[type(value)]
        case int():
            return _INTEGER if -(2**63) <= value < 2**63 else _WIDE_INTEGER
        case Decimal():
            return _SHORTEST_DECIMAL if _fits(value) else _FLOAT
        case str():
            return _TEXT if value.isascii() or _is_utf8(value) else _NOT_UTF8
        case datetime():
            return _NAIVE if value.utcoffset() is None else _AWARE
        case time():
            return _TIME if value.tzinfo is None else _ZONED_TIME
        case _:
            return _BY_TYPE.get(type(value), _OBJECT)


def _fits(value: Decimal) -> bool:
    """Whether its digits take no more than half of the widest decimal on either side of the point, so that any two
    that fit also fit into one column."""
    if not value.is_finite():
        return False
    exponent = value.normalize(_EXACT).as_tuple().exponent
    return value.adjusted() < _WIDEST_DECIMAL // 2 and -int(exponent) <= _WIDEST_DECIMAL // 2


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

