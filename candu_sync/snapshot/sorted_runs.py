"""Rows of numbers, sorted by the first of them, in memory that does not grow with them.

    rows ──► runs of ``RUN`` rows, each sorted, in files ──► parts of the first number's range, merged one after another
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from candu_sync.state import remove_folder

# Rows that are sorted together: in 10 to 16 MB.
RUN = 500_000

# Parts of the range are found by so many bits at most.
_MOST_BITS = 16

Columns = tuple[np.ndarray, ...]
"""Arrays of one length. The first one is of uint64."""


def bits_of(rows: int) -> int:
    """By how many bits so many rows are divided into parts of about ``RUN``."""
    return min(_MOST_BITS, max(1, (rows // RUN).bit_length()))


class SortedRuns:
    """Sorts rows. Close it, or use it as a block.

    Args:
        types: NumPy's types of the columns.
        folder: makes one for the runs, when the first one is written.

    Attributes:
        rows: how many were added.

    Example:
        >>> import numpy as np, tempfile
        >>> with SortedRuns([np.uint64, np.uint32], lambda: Path(tempfile.mkdtemp())) as runs:
        ...     runs.add(np.array([2**63, 7], np.uint64), np.array([1, 2], np.uint32))
        ...     [second.tolist() for _, second in runs.parts(1)]
        [[2], [1]]
    """

    def __init__(self, types: Sequence[type], folder: Callable[[], Path]) -> None:
        self.rows = 0
        self._types, self._make_folder = types, folder
        self._waiting: list[Columns] = []
        self._waiting_rows = 0
        self._runs: list[_Run] = []
        self._folder: Path | None = None

    def __enter__(self) -> SortedRuns:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove its files."""
        self._waiting.clear()
        if self._folder is not None:
            remove_folder(self._folder)
            self._folder = None

    @property
    def folder(self) -> Path:
        """Where its files are."""
        if self._folder is None:
            self._folder = self._make_folder()
        return self._folder

    @property
    def in_memory(self) -> bool:
        """Whether there is no run in a file."""
        return not self._runs

    def add(self, *columns: np.ndarray) -> None:
        """The next rows."""
        self._waiting.append(columns)
        self._waiting_rows += len(columns[0])
        self.rows += len(columns[0])
        if self._waiting_rows >= RUN:
            self._end_run()

    def waiting(self) -> Columns:
        """The rows that are in no file, sorted. All rows, where there is none."""
        columns = [np.concatenate([np.empty(0, type_), *(part[n] for part in self._waiting)])
                   for n, type_ in enumerate(self._types)]
        order = np.argsort(columns[0])
        # One after another: with all of them, this is the most memory.
        for n, column in enumerate(columns):
            columns[n] = column[order]
        self._waiting = [tuple(columns)]
        return tuple(columns)

    def parts(self, bits: int) -> Iterator[Columns]:
        """All rows, sorted, those at a time whose first number begins with the same bits, from 0 up to all ones.

        Args:
            bits: how many, at least 1 and at most 16.
        """
        if self._runs and self._waiting_rows:
            self._end_run()
        waiting = self.waiting()
        for number in range(2**bits):
            pieces = [run.part(number, bits) for run in self._runs] or [part_of(waiting, number, bits)]
            if len(pieces) == 1:
                yield pieces[0]
                continue
            first, *others = (np.concatenate([piece[n] for piece in pieces]) for n in range(len(self._types)))
            # The pieces are sorted: the stable order is found by merging them.
            order = np.argsort(first, kind="stable")
            yield (first[order], *(column[order] for column in others))

    def _end_run(self) -> None:
        self._runs.append(_Run(self.folder / f"{len(self._runs)}", self.waiting()))
        self._waiting, self._waiting_rows = [], 0


def part_of(columns: Columns, number: int, bits: int) -> Columns:
    """Those of sorted rows whose first number begins with these bits."""
    first = columns[0]
    low = int(np.searchsorted(first, np.uint64(number << 64 - bits)))
    high = len(first) if number + 1 == 2**bits else int(np.searchsorted(first, np.uint64(number + 1 << 64 - bits)))
    return tuple(column[low:high] for column in columns)


class _Run:
    """Sorted rows in a file, one column behind another."""

    def __init__(self, path: Path, rows: Columns) -> None:
        self._path, self._length = path, len(rows[0])
        self._types = [column.dtype for column in rows]
        # Its bounds are asked for by the first bits, of which there are at most so many.
        firsts = np.arange(2**_MOST_BITS, dtype=np.uint64) << np.uint64(64 - _MOST_BITS)
        self._starts = np.append(np.searchsorted(rows[0], firsts), self._length).astype(np.uint32)
        with path.open("wb") as file:
            for values in rows:
                file.write(values.data)

    def part(self, number: int, bits: int) -> Columns:
        """The rows whose first number begins with these bits."""
        low, high = (int(self._starts[n << _MOST_BITS - bits]) for n in (number, number + 1))
        found, before = [], 0
        for type_ in self._types:
            found.append(np.fromfile(self._path, type_, high - low, offset=before + low * type_.itemsize))
            before += self._length * type_.itemsize
        return tuple(found)
