"""A row index is made of the hashes of a file's rows, in memory that does not grow with the file.

    batches ──► runs of ``_RUN`` rows, each sorted ──► parts of the hashes' range, merged one after another ──► the file

The index is one batch, so that it can be mapped into memory as three arrays. Its columns lie one behind another in the
file, and each part is written at its place in all three.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc

from candu_sync.snapshot.row_index import Hashed, Index, about, as_batch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]

# Rows that are sorted together: in 10 MB.
_RUN = 500_000

_TYPES = (np.uint64, np.uint64, np.uint32)

_Rows = tuple[np.ndarray, ...]


class IndexWriter:
    """Makes the index of one file. Close it, or use it as a block.

    Args:
        folder: for the runs of a large index; None: the system's temporary one.

    Attributes:
        rows: how many were added.
        repeats: whether two rows have one hash of their keys; known after ``save`` or ``index``.

    Example:
        >>> import numpy as np
        >>> with IndexWriter() as writer:
        ...     writer.add(np.array([9, 7], np.uint64), np.array([90, 70], np.uint64))
        ...     index = writer.index()
        >>> index.match(np.array([7], np.uint64), np.array([70], np.uint64)).tolist(), writer.repeats
        ([True], False)
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.rows = 0
        self.repeats = False
        self._waiting: list[tuple[Hashes, Hashes]] = []
        self._waiting_rows = 0
        self._runs: list[_Run] = []
        self._beside = folder
        self._folder: Path | None = None

    def __enter__(self) -> IndexWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove its runs."""
        self._waiting.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def add(self, key_hash: Hashes, row_hash: Hashes) -> None:
        """The next rows of the file."""
        self._waiting.append((key_hash, row_hash))
        self._waiting_rows += len(key_hash)
        self.rows += len(key_hash)
        if self._waiting_rows >= _RUN:
            self._end_run()

    def save(self, path: Path, traits: Hashed) -> None:
        """Write the index, of these traits, as ``Index.load`` reads it."""
        if not self._runs:
            self._in_memory().save(path, traits)
            return
        offsets = _made_empty(path, self.rows, traits)
        with path.open("r+b") as file:
            for part in self._parts():
                for column, values in enumerate(part):
                    file.seek(offsets[column])
                    file.write(values.data)
                    offsets[column] += values.nbytes

    def index(self) -> Index:
        """The index itself; a large one is mapped from a file that is gone when it is no longer used."""
        if not self._runs:
            return self._in_memory()
        path = self._file("index.arrow")
        self.save(path, [])
        loaded = Index.load(path, [])
        assert loaded is not None
        return loaded

    def _end_run(self) -> None:
        self._runs.append(_Run(self._file(f"{len(self._runs)}"), self._sorted()))

    def _file(self, name: str) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="candu-sync-", dir=self._beside))
        return self._folder / name

    def _in_memory(self) -> Index:
        rows = self._sorted()
        self._look(rows[0])
        return Index(*rows)

    def _sorted(self) -> _Rows:
        """The rows that wait, sorted; none wait afterwards."""
        nothing = np.empty(0, np.uint64)
        keys, rows = (np.concatenate([nothing, *(part[n] for part in self._waiting)]) for n in (0, 1))
        first = self.rows - self._waiting_rows
        self._waiting, self._waiting_rows = [], 0
        order = np.argsort(keys)
        return keys[order], rows[order], (order + first).astype(np.uint32)

    def _look(self, keys: Hashes) -> None:
        self.repeats = self.repeats or bool(np.any(keys[1:] == keys[:-1]))

    def _parts(self) -> Iterator[_Rows]:
        """All rows, sorted, a part of the range of hashes at a time."""
        if self._waiting_rows:
            self._end_run()
        bits = max(1, (self.rows // _RUN).bit_length())
        for number in range(2**bits):
            pieces = [run.part(number, bits) for run in self._runs]
            keys, rows, at = (np.concatenate([piece[n] for piece in pieces]) for n in range(3))
            # The pieces are sorted: the stable order is found by merging them.
            order = np.argsort(keys, kind="stable")
            keys = keys[order]
            self._look(keys)
            yield keys, rows[order], at[order]


class _Run:
    """Sorted rows in a file, one column behind another."""

    def __init__(self, path: Path, rows: _Rows) -> None:
        self._path, self._length = path, len(rows[0])
        # Its bounds are asked for by the first bits of the hashes, of which there are at most so many.
        firsts = np.arange(2**16, dtype=np.uint64) << np.uint64(48)
        self._starts = np.append(np.searchsorted(rows[0], firsts), self._length).astype(np.uint32)
        with path.open("wb") as file:
            for values in rows:
                file.write(values.data)

    def part(self, number: int, bits: int) -> _Rows:
        """The rows whose hashes begin with these bits."""
        low, high = (int(self._starts[n << 16 - bits]) for n in (number, number + 1))
        found, before = [], 0
        for type_ in _TYPES:
            size = np.dtype(type_).itemsize
            found.append(np.fromfile(self._path, type_, high - low, offset=before + low * size))
            before += self._length * size
        return tuple(found)


def _made_empty(path: Path, rows: int, traits: Hashed) -> list[int]:
    """Make an index of zeros; returns where in the file its columns begin."""
    # Pages of zeros that were never written to take no memory.
    batch = as_batch(np.zeros(rows, np.uint64), np.zeros(rows, np.uint64), np.zeros(rows, np.uint32))
    with ipc.new_file(str(path), batch.schema.with_metadata(about(traits))) as writer:
        writer.write_batch(batch)
    with pa.memory_map(str(path)) as source:
        whole = source.read_buffer()
        columns = ipc.open_file(pa.BufferReader(whole)).get_batch(0).columns
        return [column.buffers()[1].address - whole.address for column in columns]
