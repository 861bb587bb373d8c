"""Rows as Python tuples → record batches. No value changes.

A column of a batch holds one form of value. SQLite keeps any value in any row, so one column may hold an integer, a
text and a float. Where the values of a column have several forms, the rows of each form make a batch of their own.
Nothing depends on the order of rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any
from uuid import UUID

import pyarrow as pa

from candu_sync.arrow_types import BINARY, NOT_UTF8, NUMERIC, numeric, unusable

Row = Sequence[Any]

_END_OF_TIME = 2**63 - 1
"""A timestamp that is out of every range; DuckDB's infinity is the same number."""


class Odd(Enum):
    """A value that Python's types cannot hold. A driver's loader returns it in place of the value."""

    OUT_OF_RANGE = "a date or timestamp that no calendar of four-digit years has"
    NOT_UTF8 = NOT_UTF8
    BINARY = BINARY


class Digits(str):
    """A number of any length as its decimal digits."""


@dataclass(frozen=True)
class Form:
    """Values that may be in one column: an Arrow type, and how a value is converted to it."""

    name: str
    type: pa.DataType
    convert: Callable[[Any], object] | None = None

    def array(self, column: Sequence[object]) -> pa.Array:
        """The column as Arrow, nulls kept."""
        if self.convert is not None:
            column = [None if value is None else self.convert(value) for value in column]
        return numeric(pa.array(column, pa.string())) if self.type == NUMERIC else pa.array(column, type=self.type)


@dataclass(frozen=True)
class _Unusable(Form):
    """The form of values that no message can carry; ``name`` says what they are."""

    def array(self, column: Sequence[object]) -> pa.Array:
        return unusable(pa.array([value is not None for value in column]), self.name)


def zoned_time(value: time) -> str:
    """A time of day with an offset, without closing zeros: ``10:30:00.5+02:00``."""
    return re.sub(r"(\.\d*?)0+(?=[+-])", r"\1", value.isoformat())


_NOTHING = Form("null", pa.null())
_INTEGER = Form("integer", pa.int64())
_DIGITS = Form("digits", NUMERIC, str)
_DECIMAL = Form("decimal", NUMERIC, lambda value: f"{value:f}")
_TEXT = Form("text", pa.string())
_AS_TEXT = Form("as text", pa.string(), str)
_BYTES = Form("bytes", pa.binary(), bytes)
_NAIVE = Form("timestamp", pa.timestamp("us"))
_AWARE = Form("timestamp with zone", pa.timestamp("us", "UTC"))
_OUT_OF_RANGE = Form("timestamp out of range", pa.timestamp("us"), lambda _: _END_OF_TIME)
_TIME = Form("time", pa.time64("us"))
_ZONED_TIME = Form("time with zone", pa.string(), zoned_time)
# These are refused by their type, so their contents are not kept.
_DURATION = Form("duration", pa.duration("us"), lambda _: timedelta(0))
_LIST = Form("list", pa.list_(pa.string()), lambda _: [])
_OBJECT = Form("object", pa.struct([pa.field("object", pa.string())]), lambda _: {})

_ODD: dict[Odd, Form] = {
    Odd.OUT_OF_RANGE: _OUT_OF_RANGE,
    Odd.NOT_UTF8: _Unusable(NOT_UTF8, pa.null()),
    Odd.BINARY: _Unusable(BINARY, pa.null()),
}

_BY_TYPE: dict[type, Form] = {
    type(None): _NOTHING,
    bool: Form("boolean", pa.bool_()),
    int: _INTEGER,
    float: Form("float", pa.float64(), float),
    Decimal: _DECIMAL,
    Digits: _DIGITS,
    str: _TEXT,
    bytes: _BYTES,
    bytearray: _BYTES,
    memoryview: _BYTES,
    datetime: _NAIVE,
    date: Form("date", pa.date32()),
    time: _TIME,
    timedelta: _DURATION,
    UUID: _AS_TEXT,
    list: _LIST,
    tuple: _LIST,
    dict: _OBJECT,
    **dict.fromkeys((IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network), _AS_TEXT),
}

_SEVERAL = {datetime, time, Odd}
"""Types whose values have several forms, which Arrow would mix without an error."""

_REFUSALS = (pa.ArrowException, UnicodeEncodeError, OverflowError, TypeError)
"""What pyarrow raises for a column that its form cannot hold; each value is then looked at."""


def record_batches(names: Sequence[str], rows: Sequence[Row]) -> Iterator[pa.RecordBatch]:
    """The rows as one batch, or as many as the columns of several forms need; none without rows.

    Args:
        names: the columns' names.
        rows: tuples of Python values, as drivers give them.

    Example:
        >>> [batch.to_pydict() for batch in record_batches(["x"], [(1,), ("a",), (2,), (None,)])]
        [{'x': [1, 2]}, {'x': ['a']}, {'x': [None]}]
    """
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
    for forms, group in groups.items():
        yield _batch(names, group, dict(zip(mixed, forms, strict=True)))


def _batch(names: Sequence[str], rows: Sequence[Row], forms: dict[int, Form]) -> pa.RecordBatch:
    arrays = [
        forms[index].array(column) if index in forms else _plain(column)
        for index, column in enumerate(zip(*rows, strict=True))
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def _plain(column: Sequence[object]) -> pa.Array | None:
    """The column as Arrow when its values are of one form, else None."""
    types = set(map(type, column)) - {type(None)}
    if not types:
        return _NOTHING.array(column)
    if types & _SEVERAL:
        forms = {form_of(value) for value in column if value is not None}
    else:
        forms = {_BY_TYPE.get(type_, _OBJECT) for type_ in types}
    if len(forms) > 1:
        return None
    try:
        return forms.pop().array(column)
    except _REFUSALS:
        return None


def form_of(value: object) -> Form:
    """The form of one value: by its type and, where that says too little, by the value itself."""
    match value:
        case bool() | None | Digits():
            return _BY_TYPE[type(value)]
        case int():
            return _INTEGER if -(2**63) <= value < 2**63 else _DIGITS
        case str():
            return _TEXT if value.isascii() or _is_utf8(value) else _ODD[Odd.NOT_UTF8]
        case datetime():
            return _NAIVE if value.utcoffset() is None else _aware(value)
        case time():
            return _TIME if value.tzinfo is None else _ZONED_TIME
        case Odd():
            return _ODD[value]
        case _:
            return _BY_TYPE.get(type(value), _OBJECT)


def _aware(value: datetime) -> Form:
    try:
        value.astimezone(UTC)
    except OverflowError:
        return _OUT_OF_RANGE
    return _AWARE


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
