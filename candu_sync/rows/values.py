"""The values of a trait or property in their canonical form (see ``kinds.py``)."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from candu_sync.rows.columns import Canonical, plain, short, text_of, where
from candu_sync.rows.instants import as_instants
from candu_sync.rows.kinds import ARROW, LARGEST_INTEGER, ValueKind, kind_of

TOO_LARGE = "integer beyond 2^53"


def canonical(array: pa.Array, timezone: str = "UTC") -> Canonical:
    """A column of trait or property values in canonical form.

    Args:
        array: any Arrow array, n values.
        timezone: IANA name of the zone that timestamps without one are in.

    Returns:
        The kind's Arrow type. An integer beyond 2^53, a text that is too long, and a timestamp that is out of range
        have a reason; NaN and ±Inf are null.

    Raises:
        Unsendable: the array's type cannot be sent.

    Example:
        >>> canonical(pa.array([5, 2**53 + 1])).reasons.to_pylist()
        [None, 'integer beyond 2^53']
    """
    kind = kind_of(array.type)
    array = plain(array)
    if kind is ValueKind.NUMBER:
        return _number(array)
    if kind is ValueKind.INSTANT:
        return _instant(array, timezone)
    if kind is ValueKind.TEXT:
        return short(text_of(array))
    return Canonical(array)


def _number(array: pa.Array) -> Canonical:
    reasons = where(_beyond_exact(array), TOO_LARGE)
    doubles = _doubles(array)
    finite = pc.is_finite(doubles)
    not_finite = len(array) - array.null_count - (pc.sum(finite).as_py() or 0)
    if not_finite:
        doubles = pc.if_else(finite, doubles, pa.scalar(None, pa.float64()))
    # -0.0 + 0.0 is 0.0, and every other number stays the same: IEEE 754, 6.3.
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
    """Numbers as text: true where it is a whole number beyond 2^53."""
    digits = pc.struct_field(pc.extract_regex(array, r"^-?0*(?P<digits>[1-9]\d{15,})(?:\.0*)?$"), "digits")
    longer = pc.greater(pc.utf8_length(digits), len(str(LARGEST_INTEGER)))
    # Texts of one length compare as their numbers do.
    return pc.or_(longer, pc.greater(digits, str(LARGEST_INTEGER)))


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
    """Numbers as text: digits, or NaN, Infinity and -Infinity."""
    return pc.replace_substring_regex(array.cast(pa.string()), "(?i)^(-?)inf(inity)?$", r"\1inf").cast(pa.float64())


def _instant(array: pa.Array, timezone: str) -> Canonical:
    exact = as_instants(array, timezone)
    seconds = pc.floor_temporal(exact.values, unit="second").cast(ARROW[ValueKind.INSTANT], safe=False)
    return Canonical(seconds, exact.reasons)
