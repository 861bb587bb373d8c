"""Which Arrow values may become a trait, a property or an id, and the one canonical form of each.

Candu takes strings, numbers and booleans (docs/candu.md); instants travel as ISO 8601 in UTC. So every column
has one of four kinds, and two values are the same when their canonical forms are:

| kind    | canonical Arrow type | from                                                            |
|---------|----------------------|-----------------------------------------------------------------|
| text    | string               | text of every layout, dictionaries (enums), UUIDs, times of day |
| number  | float64              | integers, floats, decimals, ``NUMERIC`` (``arrow_types.py``)    |
| boolean | bool                 | booleans                                                        |
| instant | timestamp[s], in UTC | timestamps and dates                                            |

With one form for numbers, 5, 5.0 and DECIMAL '5.00' are one value. The form is exact for the integers that all JSON
readers agree on (up to 2^53); rows with larger ones are set aside, not rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pyarrow as pa

from candu_sync.arrow_types import ARRAY, BINARY, NOT_UTF8, OBJECT, UNUSABLE

LARGEST_INTEGER = 2**53
"""Beyond it neighbouring integers are one double: RFC 8259, section 6."""

_INTERVAL, _UNION = "an interval", "a union"

_MEND = {
    OBJECT: "select its parts as columns of their own, or turn it into text in the SQL",
    ARRAY: "select its parts as columns of their own, or turn it into text in the SQL",
    BINARY: "encode it as text in the SQL (hex or base64)",
    NOT_UTF8: "convert it to UTF-8 in the SQL",
    _INTERVAL: "select its length as a number, in the unit that you want",
    _UNION: "select one of its members, or cast it to text in the SQL",
}
"""What to do about a value that cannot be sent."""


class ValueKind(StrEnum):
    """The kinds of a canonical value. ``EMPTY``: a column that has had only nulls so far.

    Example:
        >>> ValueKind.INSTANT.phrase
        'an instant'
    """

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    INSTANT = "instant"
    EMPTY = "empty"

    @property
    def phrase(self) -> str:
        """The kind with its article, for a sentence."""
        return {self.TEXT: "text", self.INSTANT: "an instant", self.EMPTY: "empty"}.get(self, f"a {self}")


ARROW: dict[ValueKind, pa.DataType] = {
    ValueKind.TEXT: pa.string(),
    ValueKind.NUMBER: pa.float64(),
    ValueKind.BOOLEAN: pa.bool_(),
    ValueKind.INSTANT: pa.timestamp("s"),
    ValueKind.EMPTY: pa.null(),
}

SQL_TYPE = {
    ValueKind.TEXT: "VARCHAR",
    ValueKind.NUMBER: "DOUBLE",
    ValueKind.BOOLEAN: "BOOLEAN",
    ValueKind.INSTANT: "TIMESTAMP_S",
}
"""The embedded engine's types of the canonical ones."""


@dataclass(frozen=True)
class Trait:
    """A trait's name and the kind of its values."""

    name: str
    kind: ValueKind


class Unsendable(ValueError):
    """A value that Candu cannot take. The text says why, and how to change the SQL.

    Attributes:
        what: what it is, in the form that follows "holds": "an object", "binary".
    """

    def __init__(self, message: str, what: str = "a type that cannot be sent") -> None:
        self.what = what
        super().__init__(message)


def kind_of(type_: pa.DataType) -> ValueKind:
    """The kind of an Arrow type.

    Raises:
        Unsendable: lists, structs, maps, unions, binary, durations and intervals; Candu refuses arrays and objects.

    Example:
        >>> kind_of(pa.decimal128(10, 2))
        <ValueKind.NUMBER: 'number'>
    """
    t = pa.types
    if isinstance(type_, pa.BaseExtensionType):
        return _kind_of_extension(type_)
    if t.is_dictionary(type_):
        return kind_of(type_.value_type)
    if t.is_null(type_):
        return ValueKind.EMPTY
    if t.is_boolean(type_):
        return ValueKind.BOOLEAN
    if t.is_integer(type_) or t.is_floating(type_) or t.is_decimal(type_):
        return ValueKind.NUMBER
    if t.is_string(type_) or t.is_large_string(type_) or t.is_string_view(type_) or t.is_time(type_):
        return ValueKind.TEXT
    if t.is_timestamp(type_) or t.is_date(type_):
        return ValueKind.INSTANT
    raise unsendable(_what(type_))


def unsendable(what: str) -> Unsendable:
    """The error for a value that is ``what``: "an object", "binary", "the type x"."""
    mend = _MEND.get(what, "cast it to text, a number or a boolean in the SQL")
    return Unsendable(f"{what} cannot be a value: {mend}", what)


def kind_of_values(values: pa.Array) -> ValueKind:
    """The kind of an array in canonical form; empty when it has only nulls."""
    if values.null_count == len(values):
        return ValueKind.EMPTY
    return next(kind for kind, type_ in ARROW.items() if type_ == values.type)


def _kind_of_extension(type_: Any) -> ValueKind:
    name, of_database = type_.extension_name, getattr(type_, "type_name", "")
    if name == "arrow.opaque" and of_database == "numeric":
        return ValueKind.NUMBER
    if name == "arrow.uuid":
        return ValueKind.TEXT
    if name == "arrow.bool8":
        return ValueKind.BOOLEAN
    raise unsendable("an unusable value" if type_ == UNUSABLE else f"the database's type {of_database or name}")


def _what(type_: pa.DataType) -> str:
    t = pa.types
    if t.is_union(type_):
        return _UNION
    if t.is_nested(type_):
        return OBJECT if t.is_struct(type_) or t.is_map(type_) else ARRAY
    if t.is_duration(type_) or t.is_interval(type_):
        return _INTERVAL
    if t.is_binary(type_) or t.is_large_binary(type_) or t.is_fixed_size_binary(type_) or t.is_binary_view(type_):
        return BINARY
    return f"the type {type_}"
