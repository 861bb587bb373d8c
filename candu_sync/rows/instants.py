"""Points in time: timestamps, dates and text → UTC, to the microsecond."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from candu_sync.local_time import offsets, read_time
from candu_sync.rows.columns import Canonical, first_reason, plain, where
from candu_sync.rows.kinds import Unsendable

# Years 1 to 9999, in seconds since 1970: what ISO 8601 writes with four digits. PostgreSQL's infinity lies outside.
_FIRST_SECOND = -62_135_596_800

_LAST_SECOND = 253_402_300_799

OUT_OF_RANGE = "timestamp out of range"

NOT_AN_INSTANT = "timestamp cannot be read"


def as_instants(array: pa.Array, timezone: str = "UTC") -> Canonical:
    """Timestamps to the microsecond: of an event, or of a cursor's column.

    Args:
        array: timestamps, dates, or text in ISO 8601 (SQLite has no type for timestamps).
        timezone: IANA name of the zone that timestamps and text without one are in. A date of the type date is its
            midnight in UTC; a date in text is its midnight in the zone.

    Returns:
        timestamp[us] in UTC, null with a reason where a value is out of range or cannot be read.

    Raises:
        Unsendable: another type.
    """
    array = plain(array)
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
    """Times as int64, null with a reason outside the years 1 to 9999.

    The ends of int64, which nanoseconds would reach, are DuckDB's infinities. From a microsecond above the lower end
    on, nanoseconds can be rounded down.
    """
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
    """Local times as instants; ``candu_sync.local_time`` has the rule for times that come twice or are skipped."""
    if timezone == "UTC":
        return Canonical(naive)
    years = pc.unique(pc.year(naive.drop_null())).to_pylist()
    # A null is 1970 until its mask is put back.
    local = np.asarray(naive.cast(pa.int64()).fill_null(0))
    instants = pa.array(local - offsets(local, {1970, *years}, timezone), mask=np.asarray(naive.is_null()))
    found = _in_range(instants, 10**6)
    return Canonical(found.values.cast(pa.timestamp("us")), found.reasons)


def _parsed(array: pa.Array, timezone: str) -> Canonical:
    """Text to instants; read value by value: one text that cannot be read must not make the whole column fail."""
    values = [None if text is None else read_time(text) for text in array.to_pylist()]
    naive = pa.array([value is not None and value.tzinfo is None for value in values], pa.bool_())
    plain = pa.array([None if value is None else value.replace(tzinfo=None) for value in values], pa.timestamp("us"))
    unread = where(pc.and_(array.is_valid(), plain.is_null()), NOT_AN_INSTANT)
    local = _in_zone(plain, timezone)
    reasons = local.reasons if local.reasons is None else pc.if_else(naive, local.reasons, None)
    return Canonical(pc.if_else(naive, local.values, plain), first_reason(unread, reasons))
