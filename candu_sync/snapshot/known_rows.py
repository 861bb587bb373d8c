"""Rows that were read before, by the hashes that the warehouse makes of them: what the row index calls them.

| column           | Arrow type     |                                                        |
|------------------|----------------|--------------------------------------------------------|
| `their_key_hash` | uint64, sorted | of the row's key, by the warehouse                     |
| `their_row_hash` | uint64         | of the row, by the warehouse                           |
| `key_hash`       | uint64         | of the same row in canonical form: as the row index's  |
| `row_hash`       | uint64         |                                                        |

It says what a row's canonical form hashes to, and nothing about what Candu has: that is asked of the row index, as if
the row had been read. So it holds whatever became of the row, and may be lost or old. It is thrown away when anything
changes that a hash depends on (``fingerprint``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from candu_sync.snapshot.mapped import Mapped
from candu_sync.snapshot.row_index import Lookup
from candu_sync.snapshot.sorted_runs import part_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]
    Mask = NDArray[np.bool_]

SCHEMA = pa.schema([(name, pa.uint64()) for name in ("their_key_hash", "their_row_hash", "key_hash", "row_hash")])

_FINGERPRINT = b"fingerprint"

_NONE = np.empty(0, np.uint64)


@dataclass(frozen=True)
class RowPairs:
    """Rows by the hashes of two makers: the warehouse's, and the row index's; all of one length."""

    their_key: Hashes
    their_row: Hashes
    key: Hashes
    row: Hashes

    def __len__(self) -> int:
        return len(self.their_key)

    @property
    def columns(self) -> tuple[Hashes, Hashes, Hashes, Hashes]:
        """In the order of the table above."""
        return self.their_key, self.their_row, self.key, self.row

    def taken(self, which: Mask | NDArray[np.intp]) -> RowPairs:
        """Some of the rows."""
        return RowPairs(*(column[which] for column in self.columns))


class KnownRows:
    """The rows that are known, and which of them a result has.

    Example:
        >>> import numpy as np
        >>> known = KnownRows(RowPairs(*(np.array([n, n + 10], np.uint64) for n in (1, 2, 3, 4))))
        >>> found, pairs = known.find(np.array([1, 11, 11], np.uint64), np.array([2, 12, 13], np.uint64))
        >>> found.tolist(), pairs.row.tolist()
        ([True, True, False], [4, 14])
    """

    def __init__(self, pairs: RowPairs, file: Mapped | None = None) -> None:
        """``pairs`` are sorted by the warehouse's key hash; ``file``: where they are mapped from."""
        self._pairs, self._file = pairs, file
        self._seen = np.zeros(len(pairs), np.bool_)
        self._lookup = Lookup(pairs.their_key)

    def __len__(self) -> int:
        return len(self._pairs)

    @classmethod
    def none(cls) -> KnownRows:
        """No row."""
        return cls(RowPairs(_NONE, _NONE, _NONE, _NONE))

    def find(self, key_hash: Hashes, row_hash: Hashes) -> tuple[Mask, RowPairs]:
        """Which rows of a result, given by the warehouse's hashes, are known; and these. The result has been seen to
        have them."""
        same, at = self._found(key_hash, row_hash)
        self._seen[at] = True
        return same, self._pairs.taken(at)

    def has(self, key_hash: Hashes, row_hash: Hashes) -> Mask:
        """Which rows are known."""
        return self._found(key_hash, row_hash)[0]

    def drop(self, keys: Hashes) -> None:
        """Rows with these key hashes do not count as seen any more."""
        if len(self):
            at = self._lookup.first(keys)
            self._seen[at[self._pairs.their_key[at] == keys]] = False

    @property
    def seen(self) -> int:
        """How many rows ``find`` saw."""
        return int(np.count_nonzero(self._seen))

    def seen_part(self, number: int, bits: int) -> RowPairs:
        """Those rows that ``find`` saw whose key hash begins with these bits, as ``SortedRuns.parts`` numbers them."""
        seen, *columns = part_of((self._pairs.their_key, self._seen, *self._pairs.columns), number, bits)[1:]
        return RowPairs(*columns).taken(seen)

    def give_back(self) -> None:
        """Let the system have the memory that look-ups took. The next one reads the file again."""
        if self._file is not None:
            self._file.give_back()

    def _found(self, key_hash: Hashes, row_hash: Hashes) -> tuple[Mask, NDArray[np.intp]]:
        if not len(self):
            return np.zeros(len(key_hash), np.bool_), np.empty(0, np.intp)
        at = self._lookup.first(key_hash)
        same = np.asarray((self._pairs.their_key[at] == key_hash) & (self._pairs.their_row[at] == row_hash), np.bool_)
        return same, at[same]

    def seen_of(self, keys: Hashes) -> tuple[Hashes, Hashes]:
        """The rows with one of these keys that ``find`` found so far: the warehouse's hashes of key and row."""
        if not len(self):
            return _NONE, _NONE
        at = np.unique(self._lookup.first(keys))
        at = at[self._seen[at] & np.isin(self._pairs.their_key[at], keys)]
        return self._pairs.their_key[at], self._pairs.their_row[at]

    @classmethod
    def load(cls, path: Path, fingerprint: str) -> KnownRows | None:
        """Map a file into memory; None: it has another fingerprint, or cannot be read."""
        try:
            file = Mapped(path)
            if file.metadata.get(_FINGERPRINT, b"").decode() != fingerprint:
                return None
            return cls(RowPairs(*(column.to_numpy() for column in file.columns)), file)
        except (OSError, pa.ArrowException):
            return None


def known_schema(fingerprint: str) -> pa.Schema:
    """Of a file of these rows, which holds while all that their hashes depend on has this digest."""
    return SCHEMA.with_metadata({_FINGERPRINT: fingerprint})
