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

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

# Beyond it neighbouring integers are one double: RFC 8259, section 6.
LARGEST_INTEGER = 2**53

# Years 1 to 9999, in seconds since 1970: what ISO 8601 writes with four digits. PostgreSQL's infinity lies outside.
_FIRST_SECOND = -62_135_596_800
_LAST_SECOND = 253_402_300_799

TOO_LARGE = "integer beyond 2^53"
OUT_OF_RANGE = "timestamp out of range"
NULL_KEY = "null key"
BLANK_KEY = "blank key"
NOT_WHOLE = "id is not a whole number"
NOT_AN_INSTANT = "timestamp cannot be read"


class Kind(StrEnum):
    """The kinds of a canonical value. ``EMPTY``: a column that has held nothing but nulls so far."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    INSTANT = "instant"
    EMPTY = "empty"


ARROW: dict[Kind, pa.DataType] = {
    Kind.TEXT: pa.string(),
    Kind.NUMBER: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.INSTANT: pa.timestamp("s"),
    Kind.EMPTY: pa.null(),
}


class Unsendable(ValueError):
    """A type that Candu cannot take. The text says why and how to mend it in SQL."""


@dataclass(frozen=True)
class Canonical:
    """A column in canonical form.

    ``values`` has the Arrow type of its kind; ``reasons`` is a string array of the same length with why a row must be
    set aside (null: it may go), or None when all may; ``not_finite`` counts the NaN and ±Inf that became null.
    """

    values: pa.Array
    reasons: pa.Array | None = None
    not_finite: int = 0


def kind_of(type_: pa.DataType) -> Kind:
    """The kind of an Arrow type.

    Raises:
        Unsendable: lists, structs, maps, binary, durations and intervals (candu-api: arrays and objects are refused).
    """
    t = pa.types
    if isinstance(type_, pa.BaseExtensionType):
        return _kind_of_extension(type_)
    if t.is_dictionary(type_):
        return kind_of(type_.value_type)
    if t.is_null(type_):
        return Kind.EMPTY
    if t.is_boolean(type_):
        return Kind.BOOLEAN
    if t.is_integer(type_) or t.is_floating(type_) or t.is_decimal(type_):
        return Kind.NUMBER
    if t.is_string(type_) or t.is_large_string(type_) or t.is_string_view(type_) or t.is_time(type_):
        return Kind.TEXT
    if t.is_timestamp(type_) or t.is_date(type_):
        return Kind.INSTANT
    raise Unsendable(_hint(type_))


def _kind_of_extension(type_: Any) -> Kind:
    if _is_numeric(type_):
        return Kind.NUMBER
    if type_.extension_name == "arrow.uuid":
        return Kind.TEXT
    if type_.extension_name == "arrow.bool8":
        return Kind.BOOLEAN
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


def canonical(array: pa.Array, timezone: str = "UTC") -> Canonical:
    """A column of trait or property values in canonical form.

    Args:
        array: any Arrow array, n values.
        timezone: IANA name of the zone that timestamps without one are in.

    Raises:
        Unsendable: the array's type cannot be sent.
    """
    kind = kind_of(array.type)
    array = _plain(array)
    if kind is Kind.NUMBER:
        return _number(array)
    if kind is Kind.INSTANT:
        return _instant(array, timezone)
    if kind is Kind.TEXT:
        return Canonical(_text(array))
    return Canonical(array)


def _plain(array: pa.Array) -> pa.Array:
    """The array without dictionary or extension type."""
    if pa.types.is_dictionary(array.type):
        array = cast("pa.DictionaryArray", array).dictionary_decode()
    if isinstance(array, pa.ExtensionArray):
        name = array.type.extension_name
        if name == "arrow.uuid":
            return pa.array([None if v is None else str(v) for v in array.to_pylist()], pa.string())
        array = array.storage.cast(pa.bool_()) if name == "arrow.bool8" else array.storage
    return array


def _text(array: pa.Array) -> pa.Array:
    if not pa.types.is_time(array.type):
        return array.cast(pa.string())
    text = pc.replace_substring_regex(array.cast(pa.string()), r"\.0+$", "")
    return pc.replace_substring_regex(text, r"(\.\d*[1-9])0+$", r"\1")


def _number(array: pa.Array) -> Canonical:
    reasons = where(_beyond_exact(array), TOO_LARGE)
    doubles = _doubles(array)
    finite = pc.is_finite(doubles)
    not_finite = len(array) - array.null_count - (pc.sum(finite).as_py() or 0)
    if not_finite:
        doubles = pc.if_else(finite, doubles, pa.scalar(None, pa.float64()))
    # -0.0 + 0.0 is 0.0, and every other number stays what it is: IEEE 754, 6.3.
    return Canonical(pc.add(doubles, 0.0), reasons, not_finite)


def _beyond_exact(array: pa.Array) -> pa.Array | None:
    """Where an integer is too large for a double; None when the type rules it out."""
    type_ = array.type
    if pa.types.is_int64(type_) or pa.types.is_uint64(type_):
        high = pc.greater(array, pa.scalar(LARGEST_INTEGER, type_))
        return high if pa.types.is_uint64(type_) else pc.or_(high, pc.less(array, pa.scalar(-LARGEST_INTEGER, type_)))
    if pa.types.is_decimal(type_) and type_.precision - type_.scale > 15:
        # Whatever its scale: 9007199254740993.00 is a whole number too.
        wide = array.cast(pa.decimal256(76, max(type_.scale, 0)))
        high = pc.greater(pc.abs(wide), pa.scalar(Decimal(LARGEST_INTEGER), wide.type))
        return high if type_.scale <= 0 else pc.and_(high, pc.equal(pc.floor(wide), wide))
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return _long_digits(array)
    return None


def _long_digits(array: pa.Array) -> pa.Array:
    """Numeric as text: true where it is a whole number beyond 2^53. Only texts of 16 digits or more are looked at."""
    candidate = pc.match_substring_regex(array, r"^-?\d{16,}(\.0*)?$")
    if not pc.any(candidate).as_py():
        return candidate
    return pa.array([None if c is None else bool(c) and abs(Decimal(v)) > LARGEST_INTEGER
                     for c, v in zip(candidate.to_pylist(), array.to_pylist(), strict=True)], pa.bool_())


def _doubles(array: pa.Array) -> pa.Array:
    """The nearest doubles. Arrow's own cast of a decimal is not always the nearest; a text's is."""
    type_ = array.type
    if pa.types.is_decimal(type_):
        if type_.precision <= 15 and 0 <= type_.scale <= 15:
            return _small_decimals(array)
        return array.cast(pa.string()).cast(pa.float64())
    if pa.types.is_float32(type_) or pa.types.is_float16(type_):
        # The shortest text of a REAL: 0.1 stays 0.1, as drivers that read text give it.
        return array.cast(pa.float32()).cast(pa.string()).cast(pa.float64())
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return _numeric_text(array)
    return array.cast(pa.float64(), safe=False)


def _small_decimals(array: pa.Array) -> pa.Array:
    """Unscaled integers and powers of ten up to 10^15 are exact doubles: one division rounds once, to the nearest."""
    narrow = array.cast(pa.decimal64(array.type.precision, array.type.scale))
    unscaled = pa.Array.from_buffers(pa.int64(), len(narrow), narrow.buffers(), offset=narrow.offset)
    return pc.divide(unscaled.cast(pa.float64()), float(10**array.type.scale))


def _numeric_text(array: pa.Array) -> pa.Array:
    """PostgreSQL's numeric as text: digits, or NaN, Infinity and -Infinity."""
    return pc.replace_substring_regex(array.cast(pa.string()), "(?i)^(-?)inf(inity)?$", r"\1inf").cast(pa.float64())


def _instant(array: pa.Array, timezone: str) -> Canonical:
    exact = instants(array, timezone)
    seconds = pc.floor_temporal(exact.values, unit="second").cast(ARROW[Kind.INSTANT], safe=False)
    return Canonical(seconds, exact.reasons)


def instants(array: pa.Array, timezone: str = "UTC") -> Canonical:
    """Timestamps to the microsecond: of an event, or of a cursor's column.

    Args:
        array: timestamps, dates, or text in ISO 8601 (SQLite has no type for timestamps).
        timezone: of those without a zone; a date alone is its midnight in UTC.

    Returns:
        timestamp[us] in UTC, null with a reason where a value is out of range or cannot be read.

    Raises:
        Unsendable: another type.
    """
    array = _plain(array)
    type_ = array.type
    if pa.types.is_null(type_):
        return Canonical(array.cast(pa.timestamp("us")))
    if pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return _parsed(array, timezone)
    if not (pa.types.is_timestamp(type_) or pa.types.is_date(type_)):
        raise Unsendable(f"the type {type_} is not a point in time: cast it to a timestamp in the SQL")
    unit = "ms" if pa.types.is_date(type_) else type_.unit
    numbers = array.cast(pa.timestamp(unit)).cast(pa.int64()) if pa.types.is_date(type_) else array.cast(pa.int64())
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    found = _in_range(numbers, per_second)
    naive = _microseconds(found.values, unit)
    if pa.types.is_date(type_) or type_.tz is not None:
        return Canonical(naive, found.reasons)
    local = _in_zone(naive, timezone)
    return Canonical(local.values, first_reason(found.reasons, local.reasons))


def _in_range(numbers: pa.Array, per_second: int) -> Canonical:
    """Times as int64, null with a reason outside the years 1 to 9999. The ends of int64, which nanoseconds would
    reach, are DuckDB's infinities; a microsecond above the lower end lies what can be rounded down."""
    inside = pc.and_(pc.greater_equal(numbers, max(_FIRST_SECOND * per_second, -(2**63) + 1_000)),
                     pc.less_equal(numbers, min(_LAST_SECOND * per_second + per_second - 1, 2**63 - 2)))
    reasons = where(pc.invert(inside), OUT_OF_RANGE)
    if reasons is None:
        return Canonical(numbers)
    return Canonical(pc.if_else(inside, numbers, pa.scalar(None, pa.int64())), reasons)


def _microseconds(numbers: pa.Array, unit: str) -> pa.Array:
    if unit == "ns":
        return pc.floor_temporal(numbers.cast(pa.timestamp("ns")), unit="microsecond").cast(pa.timestamp("us"))
    return numbers.cast(pa.timestamp(unit)).cast(pa.timestamp("us"))


def _in_zone(naive: pa.Array, timezone: str) -> Canonical:
    """An hour that a clock change repeats is its first; one that it skips is the moment of the change."""
    if timezone == "UTC":
        return Canonical(naive)
    zoned = pc.assume_timezone(naive, timezone, ambiguous="earliest", nonexistent="latest")
    found = _in_range(zoned.cast(pa.int64()), 10**6)
    return Canonical(found.values.cast(pa.timestamp("us")), found.reasons)


def _parsed(array: pa.Array, timezone: str) -> Canonical:
    """Text to instants; read value by value, since one text that cannot be read must not fail its column."""
    values = [_read(text) for text in array.to_pylist()]
    naive = pa.array([value is not None and value.tzinfo is None for value in values], pa.bool_())
    plain = pa.array([None if value is None else value.replace(tzinfo=None) for value in values], pa.timestamp("us"))
    unread = where(pc.and_(array.is_valid(), plain.is_null()), NOT_AN_INSTANT)
    local = _in_zone(plain, timezone)
    return Canonical(pc.if_else(naive, local.values, plain), first_reason(unread, local.reasons))


def _read(text: str | None) -> dt.datetime | None:
    """A time in UTC, or without a zone; None: there is none, or it cannot be read."""
    try:
        value = None if text is None else dt.datetime.fromisoformat(text.strip())
        return value if value is None or value.tzinfo is None else value.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


def ids(array: pa.Array) -> Canonical:
    """A column of ids as text: text as it is, whole numbers as decimal digits, UUIDs in their usual form.

    Returns:
        A string array; a null, an empty or a blank id has its reason.

    Raises:
        Unsendable: a type that cannot be an id (booleans, timestamps, all that cannot be a value).
    """
    kind = kind_of(array.type)
    if kind in (Kind.BOOLEAN, Kind.INSTANT):
        raise Unsendable(f"a {kind} cannot be an id: cast it to text in the SQL")
    return _ids(array, kind)


def key_parts(array: pa.Array, timezone: str = "UTC") -> Canonical:
    """A column of a row's key as text: as ``ids``, and instants to the microsecond, booleans as true and false.

    Raises:
        Unsendable: all that cannot be a value.
    """
    kind = kind_of(array.type)
    if kind is Kind.INSTANT:
        exact = instants(array, timezone)
        text = pc.strftime(exact.values, format="%Y-%m-%dT%H:%M:%SZ")
        return Canonical(text, first_reason(exact.reasons, _missing(text)))
    if kind is Kind.BOOLEAN:
        text = array.cast(pa.string())
        return Canonical(text, _missing(text))
    return _ids(array, kind)


def _ids(array: pa.Array, kind: Kind) -> Canonical:
    array = _plain(array)
    if kind is Kind.NUMBER:
        text, reasons = _digits(array)
    else:
        text, reasons = _text(array), None
    return Canonical(text, first_reason(reasons, _missing(text)))


def _missing(text: pa.Array) -> pa.Array | None:
    blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(text)), 0)
    return first_reason(where(text.is_null(), NULL_KEY), where(pc.fill_null(blank, False), BLANK_KEY))


def _digits(array: pa.Array) -> tuple[pa.Array, pa.Array | None]:
    """Whole numbers as digits; a fraction, or a float too large to be exact, is no id."""
    if pa.types.is_integer(array.type):
        return array.cast(pa.string()), None
    if pa.types.is_floating(array.type):
        exact = pc.less_equal(pc.abs(array), float(LARGEST_INTEGER))
        whole = pc.fill_null(pc.and_kleene(exact, pc.equal(pc.floor(array), array)), True)
        digits = pc.if_else(whole, array, pa.scalar(None, array.type)).cast(pa.float64()).cast(pa.int64())
        return digits.cast(pa.string()), where(pc.invert(whole), NOT_WHOLE)
    # Arrow writes a zero with many places as 0E-10.
    text = pc.replace_substring_regex(array.cast(pa.string()), r"^0E-\d+$", "0")
    trimmed = pc.replace_substring_regex(text, r"\.0*$", "")
    whole = pc.fill_null(pc.match_substring_regex(trimmed, r"^-?\d+$"), True)
    return trimmed, where(pc.invert(whole), NOT_WHOLE)


def where(mask: pa.Array | None, reason: str) -> pa.Array | None:
    """The reason where the mask is true; None when it is nowhere (a null in the mask is no reason)."""
    if mask is None or not pc.any(mask).as_py():
        return None
    return pc.if_else(pc.fill_null(mask, False), pa.scalar(reason), pa.scalar(None, pa.string()))


def first_reason(*reasons: pa.Array | None) -> pa.Array | None:
    """Row by row the first reason that there is."""
    there = [r for r in reasons if r is not None]
    if len(there) < 2:
        return there[0] if there else None
    return pc.coalesce(*there)

