"""Columns whose values cannot be sent. If that holds for some rows, these are set aside; if it holds for all, it is the
model's error."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from candu_sync.arrow_types import UNUSABLE
from candu_sync.rows.kinds import Unsendable, unsendable


@dataclass
class Refusals:
    """What is known of the columns of one result that were refused.

    A column is wrong as a whole when the type of all its values is refused, or when no row of the result can go
    because of it. In JSON and in SQLite each row has a type of its own: there, one object among many nulls is the fault
    of its row.
    """

    _usable: set[str] = field(default_factory=set)
    _refused: dict[str, tuple[Unsendable, int]] = field(default_factory=dict)
    _typed: set[str] = field(default_factory=set)

    def usable(self, column: str) -> None:
        """The column has a value that can be sent."""
        self._usable.add(column)

    def refused(self, column: str, array: pa.Array, error: Unsendable) -> None:
        """Values of a column cannot be sent; nulls are not among them."""
        rows = self._refused.get(column, (error, 0))[1]
        self._refused[column] = (error, rows + len(array) - array.null_count)
        if array.type != UNUSABLE:
            self._typed.add(column)

    def whole(self, rows: int) -> tuple[str, Unsendable] | None:
        """The first column that is wrong as a whole, with what is wrong; ``rows`` are those of the result."""
        for column, (error, count) in self._refused.items():
            if column not in self._usable and count and (column in self._typed or count == rows):
                return column, error
        return None


def first_unusable(array: pa.Array) -> Unsendable | None:
    """The error for the first value of an array of the type ``UNUSABLE``; None: another type, or only nulls."""
    if array.type != UNUSABLE or array.null_count == len(array):
        return None
    return unsendable(array.storage.drop_null()[0].as_py())
