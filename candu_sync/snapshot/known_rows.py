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
import pyarrow.ipc as ipc

from candu_sync.snapshot.row_index import Lookup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]
    Mask = NDArray[np.bool_]

_SCHEMA = pa.schema([(name, pa.uint64()) for name in ("their_key_hash", "their_row_hash", "key_hash", "row_hash")])
# Below it, it is written again for each row; beyond it, for this share of its rows.
_SMALL, _WAITS = 250_000, 0.02

_FINGERPRINT = b"fingerprint"

_COLUMNS = ("their_key", "their_row", "key", "row")
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

    def taken(self, which: Mask | NDArray[np.intp]) -> RowPairs:
        """Some of the rows."""
        return RowPairs(self.their_key[which], self.their_row[which], self.key[which], self.row[which])

    @staticmethod
    def joined(parts: Sequence[RowPairs]) -> RowPairs:
        """All rows of the parts, one after another."""
        return RowPairs(*(_column(parts, name) for name in _COLUMNS))


class KnownRows:
    """The rows that are known, and which of them a result has.

    Example:
        >>> import numpy as np
        >>> known = KnownRows(RowPairs(*(np.array([n, n + 10], np.uint64) for n in (1, 2, 3, 4))))
        >>> found, pairs = known.find(np.array([1, 11, 11], np.uint64), np.array([2, 12, 13], np.uint64))
        >>> found.tolist(), pairs.row.tolist()
        ([True, True, False], [4, 14])
    """

    def __init__(self, pairs: RowPairs) -> None:
        """``pairs`` are sorted by the warehouse's key hash."""
        self._pairs = pairs
        self._seen = np.zeros(len(pairs), np.bool_)
        self._lookup = Lookup(pairs.their_key)

    def __len__(self) -> int:
        return len(self._pairs)

    @classmethod
    def none(cls) -> KnownRows:
        """No row."""
        return cls(RowPairs.joined([]))

    def find(self, key_hash: Hashes, row_hash: Hashes) -> tuple[Mask, RowPairs]:
        """Which rows of a result, given by the warehouse's hashes, are known; and these."""
        if not len(self):
            return np.zeros(len(key_hash), np.bool_), self._pairs
        at = self._lookup.first(key_hash)
        same = (self._pairs.their_key[at] == key_hash) & (self._pairs.their_row[at] == row_hash)
        self._seen[at[same]] = True
        return np.asarray(same, np.bool_), self._pairs.taken(at[same])

    def misses(self, learnt: Sequence[RowPairs]) -> bool:
        """Whether so many rows of those that were learnt are not known that it should be written again. A large one
        waits: until then, these rows are read in each run."""
        new = sum(np.count_nonzero(~self.find(rows.their_key, rows.their_row)[0]) for rows in learnt)
        return bool(new > (0 if len(self) < _SMALL else len(self) * _WAITS))

    def renewed(self, learnt: Sequence[RowPairs]) -> KnownRows:
        """The rows that the result has, as it was seen by ``find``, and those that were learnt from it. Where rows of a
        key were learnt, all rows of the key were read again."""
        keys, rows = _column(learnt, "their_key"), _column(learnt, "their_row")
        order = np.lexsort((rows, keys))
        if len(order):
            key, row = keys[order], rows[order]
            order = order[np.concatenate([[True], (key[1:] != key[:-1]) | (row[1:] != row[:-1])])]
            del key, row
        new_keys = keys[order]
        del keys, rows
        stays = np.flatnonzero(self._seen & ~_among(self._pairs.their_key, new_keys))
        at = np.searchsorted(self._pairs.their_key[stays], new_keys)
        # A column at a time: all of them are the largest thing in memory.
        return KnownRows(RowPairs(*(np.insert(getattr(self._pairs, name)[stays], at, _column(learnt, name)[order])
                                    for name in _COLUMNS)))

    def save(self, path: Path, fingerprint: str) -> None:
        """Write it as an Arrow IPC file."""
        with ipc.new_file(str(path), _SCHEMA.with_metadata({_FINGERPRINT: fingerprint})) as writer:
            pairs = self._pairs
            writer.write_batch(pa.record_batch([pairs.their_key, pairs.their_row, pairs.key, pairs.row],
                                               schema=_SCHEMA))

    @classmethod
    def load(cls, path: Path, fingerprint: str) -> KnownRows | None:
        """Map a file into memory; None: it has another fingerprint, or cannot be read."""
        try:
            reader = ipc.open_file(pa.memory_map(str(path)))
            if (reader.schema.metadata or {}).get(_FINGERPRINT, b"").decode() != fingerprint:
                return None
            return cls(RowPairs(*(column.to_numpy() for column in reader.get_batch(0).columns)))
        except (OSError, pa.ArrowException):
            return None


def _among(hashes: Hashes, sorted_ones: Hashes) -> Mask:
    """Which hashes are among sorted ones."""
    if not len(sorted_ones):
        return np.zeros(len(hashes), np.bool_)
    return np.asarray(sorted_ones[np.minimum(np.searchsorted(sorted_ones, hashes), len(sorted_ones) - 1)] == hashes)


def _column(parts: Sequence[RowPairs], name: str) -> Hashes:
    return np.concatenate([_NONE, *(getattr(part, name) for part in parts)])
