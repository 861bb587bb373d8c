"""The rows of a model with hashes of the warehouse's own: those that are known do not come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from candu_sync.comparison.asked import Asked, answer_of, total_of, unsigned
from candu_sync.comparison.source import LARGE, MOVED, UNSTEADY, ReadAll, RowSource
from candu_sync.diff import Prefilter
from candu_sync.prefetch import ahead
from candu_sync.rows import Trait
from candu_sync.snapshot import HashMemory, KnownRows, LearntRows
from candu_sync.warehouse import HASH_COLUMNS, RowTotal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from candu_sync.comparison.shard_totals import ShardTotals
    from candu_sync.warehouse import HashedModel, Reading

    Hashes = NDArray[np.uint64]

# Beyond this share of the rows, all rows come.
MOST_CHANGED = 0.3

# Seconds below which it does not matter that a query runs twice.
NOTICED = 5.0


class HashedSource(RowSource):
    """The rows of a model with hashes of the warehouse's own.

    Args:
        model: is closed by the caller.
        memory: of the last runs, with the fingerprint of this one; what it has of another one is dropped.
        known: the rows that are known.
        learnt: takes those that come; None: nothing is to be kept.
        cancel: ends the query that is under way.
        save: keeps a memory, with the rows that are known from now on; None for these: they are as before.
        shared: what the command asks for all shards at once; None: this model has no others.
    """

    hashed = True

    def __init__(self, model: HashedModel, memory: HashMemory, known: KnownRows, learnt: LearntRows | None,
                 version: str, settled: tuple[Trait, ...], cancel: Callable[[], None],
                 save: Callable[[HashMemory, LearntRows | None], None], shared: ShardTotals | None = None) -> None:
        self.names, self.declared, self.settled, self.carried = model.schema.names, {}, settled, HASH_COLUMNS
        self.path = model.path
        self.known = self.rows_read = self.bytes_read = 0
        self._model, self._memory, self._known, self._version = model, memory, known, version
        self._learnt, self._cancel, self._save = learnt, cancel, save
        self._shared = shared
        self.learn = None if learnt is None else learnt.add
        self._reading = None
        self._total = RowTotal()
        self._looked_up = RowTotal()
        self._asked: Asked | None = None
        self._others: tuple[Hashes, Hashes] = (np.empty(0, np.uint64),) * 2
        self._large = False
        self._began = time.monotonic()

    def unchanged(self) -> bool:
        memory = self._memory
        if memory.total is None or memory.version != self._version:
            return False
        if self._shared is not None and answer_of(self._shared.all_unchanged, self._cancel):
            of = "shards"
        elif answer_of(self._model.total, self._cancel) == memory.total:
            of = "rows"
        else:
            return False
        self.known, self.path = memory.total[0], f"{self._model.path}, by one hash of all {of}"
        return True

    def rows(self, prefilter: Prefilter | None) -> Iterator[pa.RecordBatch]:
        assert prefilter is not None, "the rows that are known are asked for in a snapshot"
        if not len(self._known):
            self._reading = self._model.every_row()
            self.path = self._reading.path
            return self._every_row(self._reading)
        asked = self._look_up(prefilter)
        keys = np.unique(asked.keys)
        self._looked_up = self._total
        if len(keys) > min(self._model.most_keys, MOST_CHANGED * self._total.rows):
            self.known, self._large, self.path = 0, True, f"{self._model.path} ({LARGE})"
            return self._every_row(self._opened(None))
        self.path = f"{self._model.path}, by row hashes"
        if not len(keys):
            return iter(())
        self._asked = asked
        if not self._model.isolated:
            self._others = self._known.seen_of(keys)
        return self._counted(asked.noting(self._opened(keys.view(np.int64).tolist())))

    def _look_up(self, prefilter: Prefilter) -> Asked:
        """Ask for the hashes of all rows; which of them are not in the snapshot, as far as is known."""
        left: list[tuple[Hashes, Hashes]] = []
        with closing(ahead(self._model.hashes(), 1, self._cancel)) as batches:
            for batch in batches:
                self.bytes_read += batch.nbytes
                keys, rows = unsigned(batch)
                self._total = self._total.and_of(total_of(keys, rows))
                found, pairs = self._known.find(keys, rows)
                matched = np.zeros(len(keys), np.bool_)
                matched[found] = prefilter.match(pairs.key, pairs.row)
                self.known += int(np.count_nonzero(matched))
                left.append((keys[~matched], rows[~matched]))
        self._known.give_back()
        prefilter.give_back()
        return Asked.of(left)

    def _opened(self, keys: list[int] | None) -> Reading:
        """The rows; the reading is closed with this source."""
        self._reading = self._model.rows(keys)
        return self._reading

    def _every_row(self, reading: Reading) -> Iterator[pa.RecordBatch]:
        self._total = RowTotal()
        for batch in self._counted(reading):
            self._total = self._total.and_of(total_of(*unsigned(batch)))
            yield batch

    def finish(self, prefilter: Prefilter | None) -> None:
        assert prefilter is not None
        if self._disagree():
            isolated = self._model.isolated
            self._save(self._memory.after_disagreement() if isolated else self._memory.after_lookup(vain=True), None)
            raise ReadAll(UNSTEADY if isolated else MOVED)
        if self._learnt is None:
            return
        sure = prefilter.everything_matched and len(self._learnt) == self.rows_read
        memory = replace(self._timed(), total=self._total if sure else None, version=self._version if sure else "")
        learnt = self._learnt if self._learnt.worth_saving and not memory.rest else None
        if learnt is not None or memory != self._memory:
            self._save(memory, learnt)

    def _disagree(self) -> bool:
        """Whether the rows that came are others than those whose hashes came first. Some of these may have been taken
        as rows that the snapshot has."""
        if self._large:
            return self._total != self._looked_up
        if not self._model.isolated:
            return self._asked is not None and not self._asked.answered_exactly(self._others)
        return self._asked is not None and not self._asked.answered(self._known.has)

    def _timed(self) -> HashMemory:
        """The memory with what this run says about the use of hashes."""
        seconds = time.monotonic() - self._began
        if not len(self._known):
            return replace(self._memory, seconds=round(seconds, 3))
        slow = self._asked is not None and seconds > max(NOTICED, self._memory.seconds)
        return self._memory.after_lookup(vain=self._large or slow)
