"""The rows of a model whose hashes the warehouse computes: those that are known do not come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from candu_sync.comparison.source import RowSource
from candu_sync.diff import Prefilter
from candu_sync.prefetch import ahead
from candu_sync.rows import Trait
from candu_sync.snapshot import HashMemory, KnownRows
from candu_sync.warehouse import HASH_COLUMNS, RowTotal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from candu_sync.warehouse import HashedModel, Reading

    Hashes = NDArray[np.uint64]

# Beyond it, all rows come: as a share of the rows, and as a number, since the keys' hashes are a part of the query.
MOST_CHANGED, MOST_KEYS = 0.3, 1_000_000

# Two hashes are made one by it.
_ODD = 0x9E3779B97F4A7C15

LARGE = "most rows had changed by their hashes, so that all are read"

# Seconds below which it does not matter that a query runs twice.
NOTICED = 5.0


class Unsteady(Exception):
    """Two queries of one transaction disagree. The rows that were read are of no use."""


class HashedSource(RowSource):
    """The rows of a model whose hashes the warehouse computes.

    Args:
        model: is closed by the caller.
        memory: of the last runs, with the fingerprint of this one; what it has of another one is dropped.
        cancel: ends the query that is under way.
        save: keeps a memory, with the rows that are known; None for these: they are as before.
    """

    def __init__(self, model: HashedModel, memory: HashMemory, known: KnownRows | None, version: str,
                 settled: tuple[Trait, ...], cancel: Callable[[], None],
                 save: Callable[[HashMemory, KnownRows | None], None]) -> None:
        self.names, self.declared, self.settled, self.carried = model.schema.names, {}, settled, HASH_COLUMNS
        self.path = "adbc"
        self.known = self.rows_read = self.bytes_read = 0
        self._model, self._memory, self._known, self._version = model, memory, known, version
        self._cancel, self._save = cancel, save
        self._reading = None
        self._total = RowTotal()
        self._looked_up = RowTotal()
        self._asked: _Asked | None = None
        self._large = False
        self._began = time.monotonic()

    def unchanged(self) -> bool:
        memory = self._memory
        if memory.total is None or memory.version != self._version:
            return False
        with closing(ahead((model.total() for model in [self._model]), 1, self._cancel)) as totals:
            [total] = totals
        if total != memory.total:
            return False
        self.known, self.path = total.rows, "adbc, by one hash of all rows"
        return True

    def rows(self, prefilter: Prefilter | None) -> Iterator[pa.RecordBatch]:
        assert prefilter is not None, "the rows that are known are asked for in a snapshot"
        if self._known is None or not len(self._known):
            return self._every_row()
        asked = self._look_up(prefilter, self._known)
        keys = np.unique(asked.keys)
        self._looked_up = self._total
        if len(keys) > min(MOST_KEYS, MOST_CHANGED * self._total.rows):
            self.known, self._large, self.path = 0, True, f"adbc ({LARGE})"
            return self._every_row()
        self.path = "adbc, by row hashes"
        if not len(keys):
            return iter(())
        self._asked = asked
        return self._counted(asked.noting(self._opened(keys.view(np.int64).tolist())))

    def _look_up(self, prefilter: Prefilter, known: KnownRows) -> _Asked:
        """Ask for the hashes of all rows; which of them are not in the snapshot, as far as is known."""
        keys_left, rows_left = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
        with closing(ahead(self._model.hashes(), 1, self._cancel)) as batches:
            for batch in batches:
                self.bytes_read += batch.nbytes
                keys, rows = _unsigned(batch)
                self._total = self._total.and_of(_total_of(keys, rows))
                found, pairs = known.find(keys, rows)
                matched = np.zeros(len(keys), np.bool_)
                matched[found] = prefilter.match(pairs.key, pairs.row)
                self.known += int(np.count_nonzero(matched))
                keys_left.append(keys[~matched])
                rows_left.append(rows[~matched])
        return _Asked(np.concatenate(keys_left), np.concatenate(rows_left))

    def _opened(self, keys: list[int] | None) -> Reading:
        """The rows; the reading is closed with this source."""
        self._reading = self._model.rows(keys)
        return self._reading

    def _every_row(self) -> Iterator[pa.RecordBatch]:
        self._total = RowTotal()
        for batch in self._counted(self._opened(None)):
            self._total = self._total.and_of(_total_of(*_unsigned(batch)))
            yield batch

    def finish(self, prefilter: Prefilter | None) -> None:
        assert prefilter is not None
        if self._disagree():
            self._save(replace(self._memory, unsteady=True, total=None), None)
            raise Unsteady
        learnt = sum(map(len, prefilter.learnt))
        sure = prefilter.everything_matched and learnt == self.rows_read
        memory = replace(self._timed(), total=self._total if sure else None, version=self._version if sure else "")
        known = KnownRows.none() if self._known is None else self._known
        renewed = None
        if not memory.rest and (self._known is None or known.misses(prefilter.learnt)):
            renewed = known.renewed(prefilter.learnt)
        if renewed is not None or memory != self._memory:
            self._save(memory, renewed)

    def _disagree(self) -> bool:
        """Whether the rows that came are others than those whose hashes came first. Some of these may have been taken
        as rows that the snapshot has."""
        if self._large:
            return self._total != self._looked_up
        return self._asked is not None and not self._asked.answered(self._known)

    def _timed(self) -> HashMemory:
        """The memory with what this run says about the use of hashes."""
        seconds = time.monotonic() - self._began
        if self._known is None or not len(self._known):
            return replace(self._memory, seconds=round(seconds, 3))
        slow = self._asked is not None and seconds > max(NOTICED, self._memory.seconds)
        return self._memory.after_lookup(vain=self._large or slow)


@dataclass
class _Asked:
    """The hashes of the rows that are asked for, by those of their keys; and of the rows that came."""

    keys: Hashes
    rows: Hashes
    _answers: list[tuple[Hashes, Hashes]] = field(default_factory=list)

    def noting(self, reading: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The rows that come, whose hashes are noted."""
        for batch in reading:
            self._answers.append(_unsigned(batch))
            yield batch

    def answered(self, known: KnownRows | None) -> bool:
        """Whether the rows that came are those that were asked for, and others of their keys that are known."""
        keys, rows = (np.concatenate([self.keys[:0], *(answer[n] for answer in self._answers)]) for n in (0, 1))
        came, asked = _mixed(keys, rows), _mixed(self.keys, self.rows)
        if not np.isin(asked, came).all():
            return False
        others = ~np.isin(came, asked)
        return known is not None and bool(known.find(keys[others], rows[others])[0].all())


def _mixed(keys: Hashes, rows: Hashes) -> Hashes:
    return keys ^ (rows * np.uint64(_ODD))


def _unsigned(batch: pa.RecordBatch) -> tuple[Hashes, Hashes]:
    keys, rows = (batch.column(name).to_numpy().view(np.uint64) for name in HASH_COLUMNS)
    return keys, rows


def _total_of(keys: Hashes, rows: Hashes) -> RowTotal:
    return RowTotal(len(keys), int(keys.sum(dtype=np.uint64)), int(rows.sum(dtype=np.uint64)))
