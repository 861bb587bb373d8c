"""Arrow types of our own: the warehouse uses them for values that no type of Arrow can hold.

Both are Arrow's opaque extension type over text. Their ``type_name`` distinguishes them.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

NUMERIC = pa.opaque(pa.string(), "numeric", "PostgreSQL")
"""A number of any length, as its decimal digits (``NaN``, ``Infinity`` and ``-Infinity`` too). PostgreSQL's driver of
ADBC names its ``numeric`` so."""

UNUSABLE = pa.opaque(pa.string(), "unusable", "candu_sync")
"""Values that no message can carry. The text says what each is: ``"an object"``, ``"text that is not UTF-8"``."""

OBJECT, ARRAY, BINARY, NOT_UTF8 = "an object", "an array", "binary", "text that is not UTF-8"
"""What an unusable value is."""


def numeric(digits: pa.Array) -> pa.Array:
    """Text of decimal digits as numbers.

    Args:
        digits: a string array.

    Example:
        >>> numeric(pa.array(["1.50", None])).type == NUMERIC
        True
    """
    return pa.ExtensionArray.from_storage(NUMERIC, digits.cast(pa.string()))


def unusable(valid: pa.Array, what: str) -> pa.Array:
    """Values that cannot be used.

    Args:
        valid: a boolean array; false: the value is null.
        what: what the others are.

    Example:
        >>> unusable(pa.array([True, False]), OBJECT).storage.to_pylist()
        ['an object', None]
    """
    texts = pa.array([what, None], pa.string()).take(pc.if_else(valid, 0, 1))
    return pa.ExtensionArray.from_storage(UNUSABLE, texts)
