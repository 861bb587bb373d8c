"""Which Arrow values may become a trait, a property or an id, and the one canonical form of each.

Candu takes strings, numbers and booleans (its docs, "Identify"); instants travel as ISO 8601 in UTC. So every column
comes down to one of four kinds, and two values are the same when their canonical forms are:

| kind    | canonical Arrow type | from                                                              |
|---------|----------------------|-------------------------------------------------------------------|
| text    | string               | text of every layout, dictionaries (enums), UUIDs, times of day   |
| number  | float64              | integers, floats, decimals, PostgreSQL's numeric as ADBC marks it |
| boolean | bool                 | booleans                                                          |
| instant | timestamp[s], in UTC | timestamps and dates                                              |

One number form makes 5, 5.0 and DECIMAL '5.00' one value; it is exact for the integers that JSON readers agree on
(up to 2^53), and the rows beyond are set aside rather than rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pyarrow as pa

# Beyond it neighbouring integers are one double: RFC 8259, section 6.
LARGEST_INTEGER = 2**53


class ValueKind(StrEnum):
    """The kinds of a canonical value. ``EMPTY``: a column that has held nothing but nulls so far."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    INSTANT = "instant"
    EMPTY = "empty"

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
    """A type that Candu cannot take. The text says why and how to mend it in SQL."""


def kind_of(type_: pa.DataType) -> ValueKind:
    """The kind of an Arrow type.

    Raises:
        Unsendable: lists, structs, maps, binary, durations and intervals (docs/values.md).
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
    raise Unsendable(_hint(type_))


def _kind_of_extension(type_: Any) -> ValueKind:
    if _is_numeric(type_):
        return ValueKind.NUMBER
    if type_.extension_name == "arrow.uuid":
        return ValueKind.TEXT
    if type_.extension_name == "arrow.bool8":
        return ValueKind.BOOLEAN
    raise Unsendable(f"the database's type {getattr(type_, 'type_name', type_.extension_name)} cannot be sent: "
                     "cast it to text or a number in the SQL")


def _is_numeric(type_: Any) -> bool:
    """PostgreSQL's numeric as ADBC gives it: the opaque extension type over decimal digits as text."""
    return getattr(type_, "extension_name", "") == "arrow.opaque" and type_.type_name == "numeric"


def _hint(type_: pa.DataType) -> str:
    t = pa.types
    if t.is_nested(type_):
        what = "an object" if t.is_struct(type_) or t.is_map(type_) else "an array"
        return f"{what} cannot be a value: select its parts as columns of their own, or turn it into text in the SQL"
    if t.is_duration(type_) or t.is_interval(type_):
        return "an interval cannot be a value: select its length as a number, in the unit that you want"
    if t.is_binary(type_) or t.is_large_binary(type_) or t.is_fixed_size_binary(type_) or t.is_binary_view(type_):
        return "binary cannot be a value: encode it as text in the SQL (hex or base64)"
    return f"the type {type_} cannot be a value: cast it to text, a number or a boolean in the SQL"


def kind_of_values(values: pa.Array) -> ValueKind:
    """The kind of an array in canonical form; empty when it holds nothing but nulls."""
    if values.null_count == len(values):
        return ValueKind.EMPTY
    return next(kind for kind, type_ in ARROW.items() if type_ == values.type)
