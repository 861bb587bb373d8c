"""What a run learns of rows that it reads with the warehouse's hashes, until it is written as ``KnownRows``: in memory
that does not grow with the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from candu_sync.snapshot.known_rows import SCHEMA, KnownRows, RowPairs, known_schema
from candu_sync.snapshot.mapped import write_parts
from candu_sync.snapshot.sorted_runs import Columns, SortedRuns, bits_of

# Below it, the rows that are known are written again for each row; beyond it, for this share of them.
_SMALL, _WAITS = 250_000, 0.02


class LearntRows:
    """The rows that were learnt, beside those that were known. Close it.

    Args:
        known: of earlier runs. Those of them that the result has were asked for by ``find`` before rows are added.
        folder: makes one for what does not fit into memory.
    """

    def __init__(self, known: KnownRows, folder: Callable[[], Path]) -> None:
        self._known = known
        self._runs = SortedRuns([np.uint64] * len(SCHEMA), folder)
        self._new = 0

    def __len__(self) -> int:
        return self._runs.rows

    def close(self) -> None:
        """Remove its files."""
        self._runs.close()

    def add(self, rows: RowPairs) -> None:
        """Learn rows. Where rows of a key come, all rows of the key come: what was known of them is dropped."""
        self._new += len(rows) - int(np.count_nonzero(self._known.has(rows.their_key, rows.their_row)))
        self._known.drop(rows.their_key)
        self._runs.add(*rows.columns)

    @property
    def worth_saving(self) -> bool:
        """Whether so many rows were not known that the file should be written again. A large one waits: until then,
        these rows are read in each run."""
        known = len(self._known)
        return self._new > (0 if known < _SMALL else known * _WAITS)

    def save(self, path: Path, fingerprint: str) -> None:
        """Write the known rows that the result has, and those that were learnt from it."""
        rows = self._known.seen + len(self)
        write_parts(path, known_schema(fingerprint), rows, self._merged(bits_of(rows)) if rows else ())

    def _merged(self, bits: int) -> Iterator[Columns]:
        for number, learnt in enumerate(self._runs.parts(bits)):
            kept = self._known.seen_part(number, bits).columns
            at = np.searchsorted(kept[0], learnt[0])
            yield tuple(np.insert(old, at, new) for old, new in zip(kept, learnt, strict=True))
