"""The total of all row hashes. Nothing of SQLAlchemy is needed to know it."""

from __future__ import annotations

from typing import NamedTuple

HASH_COLUMNS = ("candu_key_hash", "candu_row_hash")
"""The columns of the hashes, int64 each: of the key's columns, and of all columns that are compared."""


class RowTotal(NamedTuple):
    """How many rows there are, and the sums of their two hashes, modulo 2^64.

    A sum, not an exclusive or: two equal rows that become two other equal rows do not cancel out.

    Example:
        >>> RowTotal(1, 2**64 - 1, 5).and_of(RowTotal(1, 1, 5))
        RowTotal(rows=2, keys=0, values=10)
    """

    rows: int = 0
    keys: int = 0
    values: int = 0

    def and_of(self, other: RowTotal) -> RowTotal:
        """The total of both."""
        return RowTotal(self.rows + other.rows, (self.keys + other.keys) % 2**64,
                        (self.values + other.values) % 2**64)
