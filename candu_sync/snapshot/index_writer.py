"""A row index is made of the hashes of a file's rows, in memory that does not grow with the file.

The index is one batch, so that it can be mapped into memory as three arrays.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from candu_sync.snapshot.mapped import write_parts
from candu_sync.snapshot.row_index import Hashed, Index, index_schema
from candu_sync.snapshot.sorted_runs import Columns, SortedRuns, bits_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]


class IndexWriter:
    """Makes the index of one file. Close it, or use it as a block.

    Args:
        folder: for the runs of a large index; None: the system's temporary one.

    Attributes:
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
        self.repeats = False
        self._runs = SortedRuns([np.uint64, np.uint64, np.uint32],
                                lambda: Path(tempfile.mkdtemp(prefix="candu-sync-", dir=folder)))

    def __enter__(self) -> IndexWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove its runs."""
        self._runs.close()

    @property
    def rows(self) -> int:
        """How many were added."""
        return self._runs.rows

    def add(self, key_hash: Hashes, row_hash: Hashes) -> None:
        """The next rows of the file."""
        self._runs.add(key_hash, row_hash, np.arange(self.rows, self.rows + len(key_hash), dtype=np.uint32))

    def save(self, path: Path, traits: Hashed) -> None:
        """Write the index, of these traits, as ``Index.load`` reads it."""
        if self._runs.in_memory:
            self._in_memory().save(path, traits)
        else:
            write_parts(path, index_schema(traits), self.rows, self._looked_at())

    def index(self) -> Index:
        """The index itself; a large one is mapped from a file that is gone when it is no longer used."""
        if self._runs.in_memory:
            return self._in_memory()
        path = self._runs.folder / "index.arrow"
        self.save(path, [])
        loaded = Index.load(path, [])
        assert loaded is not None
        return loaded

    def _in_memory(self) -> Index:
        keys, rows, numbers = self._runs.waiting()
        self._look(keys)
        return Index(keys, rows, numbers)

    def _looked_at(self) -> Iterator[Columns]:
        for part in self._runs.parts(bits_of(self.rows)):
            self._look(part[0])
            yield part

    def _look(self, keys: Hashes) -> None:
        self.repeats = self.repeats or bool(np.any(keys[1:] == keys[:-1]))
