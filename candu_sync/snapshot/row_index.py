"""The row index of a snapshot: it finds the rows of a result that Candu already has, without reading a value of them.

| column     | Arrow type     |                                                |
|------------|----------------|------------------------------------------------|
| `key_hash` | uint64, sorted | of the row's key                               |
| `row_hash` | uint64         | of the key and the values that the model gives |
| `row`      | uint32         | the row's number in its file                   |

Each file of the snapshot has one index. It is not compressed, so that it can be mapped into memory. A row of the result
*matches* a row of the snapshot when both hashes are equal: Candu has it as it is, and the diff leaves it out.
All other rows of the result, and the rows of the snapshot that nothing matched, are compared value by value (the room
``diff``). So two keys with one hash cost time and nothing else.

What a collision can hide: a changed row whose 64-bit row hash stayed the same, 2^-64 for each changed row; a new row
both of whose hashes are those of one of the snapshot's n rows, n * 2^-128. The two hash the key differently.

The hash is DuckDB's, which may differ from one version to the next. An index names the function that made it. If
another function made it, or it is of other traits, it is built again from the snapshot's rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc

from candu_sync.snapshot.mapped import Mapped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]
    Mask = NDArray[np.bool_]

# A trait's name and the kind of its values.
Hashed = Sequence[tuple[str, str]]

KEY_HASH = "hash({0})"

# Another hash of the key than ``key_hash``: two keys that collide there do not collide here.
_OTHER_KEY = "'~' || key"

FUNCTION = f"duckdb {duckdb.__version__} hash"
"""Names what makes the hashes: those of another function say nothing."""

_SCHEMA = pa.schema([("key_hash", pa.uint64()), ("row_hash", pa.uint64()), ("row", pa.uint32())])

# What is known of a row of the snapshot while a result is read. REPLACED: the delta has a later row of the same key.
_UNMATCHED, _MATCHED, _REPLACED = 0, 1, 2

# A table of 16 MB at most: with it a look-up takes two or three steps, without it 23 of 10 million rows.
_MOST_BITS = 22
# Entries that are worked on at a time.
_COUNTED = 1_000_000


def key_hash(key: str = "key") -> str:
    """SQL of the hash of a row's key.

    Args:
        key: SQL of the key.
    """
    return KEY_HASH.format(key)


def row_hash(values: Iterable[str]) -> str:
    """SQL of the hash of a row: of its column ``key`` and these values, in order; NULL is a value like any other.

    Example:
        >>> row_hash(["t0", "t1"])
        "hash('~' || key, t0, t1)"
    """
    return f"hash({', '.join([_OTHER_KEY, *values])})"


def hashes(connection: duckdb.DuckDBPyConnection, batch: pa.RecordBatch, columns: str) -> pa.Table:
    """A batch's key hashes and the columns ``columns`` (SQL), in the order of its rows."""
    connection.register("rows_to_hash", batch)
    return connection.sql(f"SELECT {key_hash()} AS key_hash, {columns} FROM rows_to_hash").to_arrow_table()


def hash_pairs(connection: duckdb.DuckDBPyConnection, batch: pa.RecordBatch, columns: str) -> tuple[Hashes, Hashes]:
    """A batch's key hashes, and its row hashes: the column ``row_hash`` of ``columns`` (SQL)."""
    found = hashes(connection, batch, columns)
    return found.column("key_hash").to_numpy(), found.column("row_hash").to_numpy()


def index_schema(traits: Hashed) -> pa.Schema:
    """Of the file of an index of these traits; it names what made its hashes."""
    return _SCHEMA.with_metadata({"function": FUNCTION, "traits": json.dumps([list(trait) for trait in traits])})


def _starts(key_hash: Hashes, bits: int) -> NDArray[np.uint32]:
    """For each beginning of so many bits, the place of the first entry that has it, or of the next one."""
    counts = np.zeros(2**bits + 1, np.uint32)
    for start in range(0, len(key_hash), _COUNTED):
        beginnings = (key_hash[start : start + _COUNTED] >> np.uint64(64 - bits)).astype(np.intp)
        # They are sorted: a part of all beginnings is counted at a time.
        found = np.bincount(beginnings - beginnings[0])
        first = 1 + int(beginnings[0])
        counts[first : first + len(found)] += found.astype(np.uint32)
    return np.cumsum(counts, dtype=np.uint32, out=counts)


class Lookup:
    """Finds hashes among sorted ones, without a binary search from the start."""

    def __init__(self, sorted_hashes: Hashes) -> None:
        self._hashes = sorted_hashes
        self._bits = max(1, min(_MOST_BITS, len(sorted_hashes).bit_length() - 1))
        self._starts = _starts(sorted_hashes, self._bits)

    def first(self, wanted: Hashes) -> NDArray[np.intp]:
        """The place of the first hash that is not less, for each wanted one; the last place where all are less. At
        least one hash is there."""
        last = len(self._hashes) - 1
        # From the first entry that begins with the same bits, step by step to the first that is not less.
        at = np.minimum(self._starts[(wanted >> np.uint64(64 - self._bits)).astype(np.intp)], last).astype(np.intp)
        less = np.flatnonzero(self._hashes[at] < wanted)
        while len(less):
            at[less] += 1
            less = less[at[less] <= last]
            less = less[self._hashes[at[less]] < wanted[less]]
        return np.minimum(at, last)


class Index:
    """The index of one file, and which of its rows a result has matched so far.

    Args:
        key_hash, row_hash, row: as the table above says, all of one length.

    Example:
        >>> import numpy as np
        >>> index = Index(*(np.array(column, np.uint64) for column in ([7, 9], [70, 90])), np.array([0, 1], np.uint32))
        >>> index.match(np.array([9, 9], np.uint64), np.array([90, 91], np.uint64)).tolist()
        [True, False]
        >>> index.matched
        1
    """

    def __init__(self, key_hash: Hashes, row_hash: Hashes, row: NDArray[np.uint32], *,
                 file: Mapped | None = None) -> None:
        self._key_hash, self._row_hash, self._row = key_hash, row_hash, row
        self._file = file
        self._state = np.zeros(len(key_hash), np.uint8)
        self._lookup = Lookup(key_hash)

    def __len__(self) -> int:
        return len(self._key_hash)

    def save(self, path: Path, traits: Hashed) -> None:
        """Write it as an Arrow IPC file."""
        schema = index_schema(traits)
        with ipc.new_file(str(path), schema) as writer:
            writer.write_batch(pa.record_batch([self._key_hash, self._row_hash, self._row], schema=schema))

    @staticmethod
    def traits_of(path: Path) -> list[tuple[str, str]]:
        """The traits that the index in a file is of, as ``save`` took them."""
        noted = Mapped(path).metadata
        return [(name, kind) for name, kind in json.loads(noted.get(b"traits", b"[]"))]

    @classmethod
    def load(cls, path: Path, traits: Hashed) -> Index | None:
        """Map a file into memory; None when it was made by another function, or of other traits."""
        file = Mapped(path)
        noted = file.metadata
        same = json.loads(noted.get(b"traits", b"null")) == [list(trait) for trait in traits]
        if noted.get(b"function", b"").decode() != FUNCTION or not same:
            return None
        return cls(*(column.to_numpy() for column in file.columns), file=file)

    def give_back(self) -> None:
        """Let the system have the memory that look-ups took. The next one reads the file again."""
        if self._file is not None:
            self._file.give_back()

    def mark_replaced(self, keys: Hashes) -> None:
        """Rows with these key hashes no longer count: another file has a later row of the same key."""
        self._state[self._positions(np.sort(keys))] = _REPLACED

    def match(self, key_hash: Hashes, row_hash: Hashes) -> Mask:
        """Which rows of a result, given by their hashes, are in this file as they are."""
        if not len(self):
            return np.zeros(len(key_hash), np.bool_)
        at = self._lookup.first(key_hash)
        same = (self._key_hash[at] == key_hash) & (self._row_hash[at] == row_hash) & (self._state[at] != _REPLACED)
        self._state[at[same]] = _MATCHED
        return np.asarray(same, np.bool_)

    def counted(self) -> tuple[int, int, int]:
        """How many rows count, and the sums of their key hashes and row hashes: of those that no other file has a later
        row of."""
        there = self._state != _REPLACED
        return (int(np.count_nonzero(there)), int(self._key_hash.sum(dtype=np.uint64, where=there)),
                int(self._row_hash.sum(dtype=np.uint64, where=there)))

    def match_all(self) -> None:
        """All rows that count are matched."""
        self._state[self._state != _REPLACED] = _MATCHED

    def has_any(self, keys: Hashes) -> bool:
        """Whether there is a row with one of these key hashes."""
        return bool(len(self._positions(np.sort(keys))))

    @property
    def key_hashes(self) -> Hashes:
        """Of all rows, sorted."""
        return self._key_hash

    @property
    def matched(self) -> int:
        """How many rows were matched."""
        return sum(int(np.count_nonzero(self._state[start : start + _COUNTED] == _MATCHED))
                   for start in range(0, len(self), _COUNTED))

    def matched_rows(self) -> Mask:
        """By row number, which rows were matched."""
        found = np.zeros(len(self), np.bool_)
        for start in range(0, len(self), _COUNTED):
            part = slice(start, start + _COUNTED)
            found[self._row[part][self._state[part] == _MATCHED]] = True
        return found

    def matched_among(self, keys: Hashes) -> NDArray[np.uint32]:
        """The numbers of the matched rows whose key hash is one of these."""
        at = self._positions(np.sort(keys))
        return np.asarray(self._row[at[self._state[at] == _MATCHED]])

    def _positions(self, keys: Hashes) -> NDArray[np.intp]:
        """Of the entries with one of these key hashes; of entries that share one, of each."""
        first = np.searchsorted(self._key_hash, keys, "left")
        last = np.searchsorted(self._key_hash, keys, "right")
        single = first[last == first + 1]
        several = [np.arange(low, high) for low, high in zip(first, last, strict=True) if high > low + 1] \
            if np.any(last > first + 1) else []
        return np.concatenate([single, *several])
