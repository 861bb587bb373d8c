"""A column in canonical form, with the reasons why rows are set aside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

_DAY = {unit: 86_400 * per_second for unit, per_second in (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9))}
"""A day, in each of Arrow's units."""

LARGEST_MESSAGE = 32_000
"""Bytes: the limit of Segment and Customer.io. Candu publishes none (docs/candu.md)."""

MESSAGE_TOO_LARGE = "message over 32 KB"


@dataclass(frozen=True)
class Canonical:
    """A column in canonical form.

    Attributes:
        values: of the Arrow type of its kind.
        reasons: a string array of the same length with why a row must be set aside (null: it may be sent); None: all
            may be sent.
        not_finite: how many NaN and ±Inf became null.
    """

    values: pa.Array
    reasons: pa.Array | None = None
    not_finite: int = 0

    def named(self, trait: str) -> Canonical:
        """The same, with the trait in each reason: ``seats: integer beyond 2^53``."""
        if self.reasons is None:
            return self
        return replace(self, reasons=pc.binary_join_element_wise(trait, self.reasons, ": "))


def plain(array: pa.Array) -> pa.Array:
    """The array without dictionary or extension type."""
    if pa.types.is_dictionary(array.type):
        array = cast("pa.DictionaryArray", array).dictionary_decode()
    if isinstance(array, pa.ExtensionArray):
        name = array.type.extension_name
        if name == "arrow.uuid":
            return pa.array([None if v is None else str(v) for v in array.to_pylist()], pa.string())
        array = array.storage.cast(pa.bool_()) if name == "arrow.bool8" else array.storage
    return array


def text_of(array: pa.Array) -> pa.Array:
    """Text, and times of day as text without closing zeros: ``10:30:00.5``. The end of a day is ``24:00:00``."""
    if not pa.types.is_time(array.type):
        return array.cast(pa.string())
    ends = pc.greater_equal(array.cast(pa.int32() if pa.types.is_time32(array.type) else pa.int64()),
                            _DAY[cast("pa.Time64Type", array.type).unit])
    text = pc.if_else(ends, pa.scalar(None, array.type), array).cast(pa.string())
    text = pc.if_else(ends, pa.scalar("24:00:00"), pc.replace_substring_regex(text, r"\.0+$", ""))
    return pc.replace_substring_regex(text, r"(\.\d*[1-9])0+$", r"\1")


def short(text: pa.Array, reason: str = MESSAGE_TOO_LARGE) -> Canonical:
    """Text with the values that are too long for a message set to null, with the reason.

    They are taken out before anything else is done with them, so that one long text never fills the memory.

    Args:
        text: a string array.

    Example:
        >>> short(pa.array(["a", "b" * 32_001])).reasons.to_pylist()
        [None, 'message over 32 KB']
    """
    long = pc.greater(pc.binary_length(text), LARGEST_MESSAGE)
    reasons = where(long, reason)
    if reasons is None:
        return Canonical(text)
    return Canonical(pc.if_else(pc.fill_null(long, False), pa.scalar(None, pa.string()), text), reasons)


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
