"""The rows of a model whose hashes are the row index's own: those that the snapshot has do not come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from candu_sync.comparison.asked import Asked, answer_of, total_of, unsigned
from candu_sync.comparison.source import LARGE, UNSTEADY, ReadAll, RowSource
from candu_sync.diff import Prefilter
from candu_sync.prefetch import ahead
from candu_sync.rows import Trait
from candu_sync.snapshot import HashMemory
from candu_sync.warehouse import RowTotal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from candu_sync.comparison.shard_totals import ShardTotals
    from candu_sync.warehouse import RowHashes

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
        memory: of the last runs, with the fingerprint of this one; whether hashes were in vain.
        most: how many rows may differ.
        cancel: ends the query that is under way.
        save: keeps a memory.
        version: of the snapshot.
        shared: what the command asks for all shards at once; None: this model has no others.
    """

    hashed = True

    def __init__(self, model: RowHashes, memory: HashMemory, most: float, version: str, settled: tuple[Trait, ...],
                 cancel: Callable[[], None], save: Callable[[HashMemory], None],
                 shared: ShardTotals | None = None) -> None:
        self.names, self.declared, self.settled, self.carried = model.schema.names, {}, settled, ()
        self.path = f"{model.path}, by row hashes"
        self.known = self.rows_read = self.bytes_read = 0
        self._model, self._memory, self._most, self._cancel, self._save = model, memory, most, cancel, save
        self._reading = None
        self._version, self._shared = version, shared
        self._total = RowTotal()
        self._asked: Asked | None = None
        self._rows = 0
        self._asked_at = 0.0

    def rows(self, prefilter: Prefilter | None) -> Iterator[pa.RecordBatch]:
        assert prefilter is not None, "the rows that are known are asked for in a snapshot"
        if self._shared is not None and self._as_before(prefilter, self._shared.total):
            return iter(())
        asked = self._look_up(prefilter)
        if not len(asked.keys):
            return iter(())
        self._asked = asked
        return self._counted(asked.noting(self._answers(np.unique(asked.keys))))

    def unchanged(self) -> bool:
        memory = self._memory
        if self._shared is None or memory.total is None or memory.version != self._version:
            return False
        if not answer_of(self._shared.all_unchanged, self._cancel):
            return False
        self.known, self.path = memory.total[0], f"{self._model.path}, by one hash of all shards"
        return True

    def _as_before(self, prefilter: Prefilter, ask: Callable[[], RowTotal | None]) -> bool:
        """Whether all rows are as the snapshot has them, by their total."""
        found = answer_of(ask, self._cancel)
        if found is None or not prefilter.match_total(found):
            return False
        self._total, self.known, self._rows = found, found.rows, found.rows
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
                self._total = self._total.and_of(total_of(keys, rows))
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
        if self._shared is not None:
            sure = self._asked is None and prefilter.everything_matched
            memory = replace(memory, total=self._total if sure else None, version=self._version if sure else "")
        if memory != self._memory:
            self._save(memory)

    def _seconds(self) -> float:
        """How long the second query took."""
        return time.monotonic() - self._asked_at
