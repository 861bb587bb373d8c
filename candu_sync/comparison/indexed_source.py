"""The rows of a model whose hashes are the row index's own: those that the snapshot has do not come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from candu_sync.comparison.asked import Asked, unsigned
from candu_sync.comparison.source import LARGE, UNSTEADY, ReadAll, RowSource
from candu_sync.diff import Prefilter
from candu_sync.prefetch import ahead
from candu_sync.rows import Trait
from candu_sync.snapshot import HashMemory

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from candu_sync.warehouse import RowHashes, RowTotal

    Hashes = NDArray[np.uint64]

# Beyond this share of the snapshot's rows, all rows come.
MOST_CHANGED = 0.3

# Seconds of the second query below which it does not matter that the model runs twice; and for each row, what is
# saved when it is not read by value.
NOTICED, SAVED = 5.0, 1e-6


class IndexedSource(RowSource):
    """The rows of a model whose hashes are the row index's own.

    Args:
        model: is closed by the caller.
        memory: of the last runs: whether hashes were in vain.
        most: how many rows may differ.
        cancel: ends the query that is under way.
        save: keeps a memory.
        total: gives the total of all rows, where it need not be asked for alone; None: it need.
    """

    hashed = True

    def __init__(self, model: RowHashes, memory: HashMemory, most: float, settled: tuple[Trait, ...],
                 cancel: Callable[[], None], save: Callable[[HashMemory], None],
                 total: Callable[[], RowTotal | None] | None = None) -> None:
        self.names, self.declared, self.settled, self.carried = model.schema.names, {}, settled, ()
        self.path = f"{model.path}, by row hashes"
        self.known = self.rows_read = self.bytes_read = 0
        self._model, self._memory, self._most, self._cancel, self._save = model, memory, most, cancel, save
        self._reading = None
        self._total = total
        self._asked: Asked | None = None
        self._rows = 0
        self._asked_at = 0.0

    def rows(self, prefilter: Prefilter | None) -> Iterator[pa.RecordBatch]:
        assert prefilter is not None, "the rows that are known are asked for in a snapshot"
        if self._total is not None and self._as_before(prefilter, self._total):
            return iter(())
        asked = self._look_up(prefilter)
        if not len(asked.keys):
            return iter(())
        self._asked = asked
        return self._counted(asked.noting(self._answers(np.unique(asked.keys))))

    def _as_before(self, prefilter: Prefilter, ask: Callable[[], RowTotal | None]) -> bool:
        """Whether all rows are as the snapshot has them, by their total."""
        with closing(ahead((total for each in [ask] if (total := each()) is not None), 1, self._cancel)) as totals:
            found = list(totals)
        if not found or not prefilter.match_total(found[0]):
            return False
        self.known = self._rows = found[0].rows
        self.path = f"{self._model.path}, by one hash of all rows"
        return True

    def _answers(self, keys: Hashes) -> Iterator[pa.RecordBatch]:
        """The rows of these keys."""
        self._asked_at = time.monotonic()
        self._reading = self._model.rows(keys.view(np.int64).tolist())
        yield from self._reading

    def _look_up(self, prefilter: Prefilter) -> Asked:
        """Ask for the hashes of all rows; which of them the snapshot does not have. Raises ``ReadAll``."""
        left: list[tuple[Hashes, Hashes]] = []
        with closing(ahead(self._model.hashes(), 1, self._cancel)) as batches:
            for batch in batches:
                self.bytes_read += batch.nbytes
                self._rows += batch.num_rows
                keys, rows = unsigned(batch)
                matched = prefilter.match(keys, rows)
                if not matched.all():
                    left.append((keys[~matched], rows[~matched]))
                differ = sum(len(keys) for keys, _ in left)
                self.known = self._rows - differ
                if differ > self._most:
                    self._save(self._memory.after_lookup(vain=True))
                    raise ReadAll(LARGE)
        asked = Asked.of(left)
        prefilter.note_missing(asked.keys, asked.rows)
        prefilter.give_back()
        return asked

    def finish(self, prefilter: Prefilter | None) -> None:
        assert prefilter is not None
        if self._asked is not None and not self._asked.answered(prefilter.match):
            self._save(self._memory.after_disagreement())
            raise ReadAll(UNSTEADY)
        slow = self._asked is not None and self._seconds() > max(NOTICED, SAVED * self._rows)
        memory = self._memory.after_lookup(vain=slow)
        if memory != self._memory:
            self._save(memory)

    def _seconds(self) -> float:
        """How long the second query took."""
        return time.monotonic() - self._asked_at
