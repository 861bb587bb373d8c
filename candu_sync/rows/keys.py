"""Ids and keys as text."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from candu_sync.rows.columns import MESSAGE_TOO_LARGE, Canonical, first_reason, plain, short, text_of, where
from candu_sync.rows.instants import as_instants
from candu_sync.rows.kinds import LARGEST_INTEGER, Unsendable, ValueKind, kind_of

NULL_KEY = "null key"

BLANK_KEY = "blank key"

NOT_WHOLE = "id is not a whole number"

NOT_AN_ID = "id is neither text nor a whole number"

KEY_TOO_LONG = "key over 32 KB"


def ids(array: pa.Array) -> Canonical:
    """A column of ids as text: text as it is, whole numbers as decimal digits, UUIDs in their usual form.

    Returns:
        A string array. An id that is null, empty, blank, too long or no whole number is null or blank, and has its
        reason.

    Raises:
        Unsendable: a type that cannot be an id (booleans, timestamps, all that cannot be a value).

    Example:
        >>> ids(pa.array([7, None])).values.to_pylist(), ids(pa.array([7, None])).reasons.to_pylist()
        (['7', None], [None, 'null key'])
    """
    kind = kind_of(array.type)
    if kind in (ValueKind.BOOLEAN, ValueKind.INSTANT):
        raise Unsendable(f"{kind.phrase} cannot be an id: cast it to text in the SQL", kind.phrase)
    return _ids(array, kind, MESSAGE_TOO_LARGE)


def key_parts(array: pa.Array, timezone: str = "UTC") -> Canonical:
    """A column of a row's key as text: as ``ids``, and instants to the microsecond, booleans as true and false.

    Args:
        array: n values.
        timezone: IANA name of the zone that timestamps without one are in.

    Raises:
        Unsendable: all that cannot be a value.

    Example:
        >>> key_parts(pa.array([True])).values.to_pylist()
        ['true']
    """
    kind = kind_of(array.type)
    if kind is ValueKind.INSTANT:
        exact = as_instants(array, timezone)
        text = pc.strftime(exact.values, format="%Y-%m-%dT%H:%M:%SZ")
        return Canonical(text, first_reason(exact.reasons, _missing(text)))
    if kind is ValueKind.BOOLEAN:
        text = array.cast(pa.string())
        return Canonical(text, _missing(text))
    return _ids(array, kind, KEY_TOO_LONG)


def joined_key(parts: list[pa.Array]) -> pa.Array:
    """Several key columns as one text, `a|b`; a `|` or `\\` inside a part is escaped, so that no two keys become equal.

    Example:
        >>> joined_key([pa.array(["a|b"]), pa.array(["c"])]).to_pylist()
        ['a\\\\|b|c']
    """
    escaped = [pc.replace_substring(pc.replace_substring(part, "\\", "\\\\"), "|", "\\|") for part in parts]
    return pc.binary_join_element_wise(*escaped, "|")


def _ids(array: pa.Array, kind: ValueKind, too_long: str) -> Canonical:
    array = plain(array)
    if kind is ValueKind.NUMBER:
        digits = _digits(array)
        text, reasons = digits.values, digits.reasons
    else:
        text, reasons = text_of(array), None
    found = short(text, too_long)
    return Canonical(found.values, first_reason(reasons, found.reasons, _missing(found.values)))


def _missing(text: pa.Array) -> pa.Array | None:
    blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(text)), 0)
    return first_reason(where(text.is_null(), NULL_KEY), where(pc.fill_null(blank, False), BLANK_KEY))


def _digits(array: pa.Array) -> Canonical:
    """Whole numbers as digits; a fraction, or a float too large to be exact, is null."""
    if pa.types.is_integer(array.type):
        return Canonical(array.cast(pa.string()))
    if pa.types.is_floating(array.type):
        exact = pc.less_equal(pc.abs(array), float(LARGEST_INTEGER))
        whole = pc.fill_null(pc.and_kleene(exact, pc.equal(pc.floor(array), array)), True)
        digits = pc.if_else(whole, array, pa.scalar(None, array.type)).cast(pa.float64()).cast(pa.int64())
        return Canonical(digits.cast(pa.string()), where(pc.invert(whole), NOT_WHOLE))
    # Arrow writes a zero with many places as 0E-10, and numbers as text may have a negative zero.
    text = pc.replace_substring_regex(array.cast(pa.string()), r"^-?0(\.0*)?(E-\d+)?$", "0")
    text = pc.replace_substring_regex(text, r"\.0*$", "")
    whole = pc.fill_null(pc.match_substring_regex(text, r"^-?\d+$"), True)
    return Canonical(pc.if_else(whole, text, pa.scalar(None, pa.string())), where(pc.invert(whole), NOT_WHOLE))
