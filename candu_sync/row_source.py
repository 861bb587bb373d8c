"""How a plan gets the rows of its model: all of them, or only those that are not known by their hashes.

    row_source ──► RowSource     all rows come
               └─► HashedSource  the warehouse computes a hash of each row
                     1. one total of all hashes: it is as it was when Candu had all rows, and nothing changed
                     2. the hashes of each row: those of rows that were read before are known (``KnownRows``), and the
                        row index says whether Candu has these rows as they are
                     3. the other rows, by the hash of their key, in the same transaction

The rows of 3 go the same way as all rows go otherwise, so that the diff sees no difference. Where hashes do not help,
all rows are read: at first, where too many rows changed, and where a model gives other rows each time it is read.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version as installed
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from candu_sync.diff import Prefilter, nulls_to_replace
from candu_sync.prefetch import ahead
from candu_sync.project import Target
from candu_sync.rows import Trait, Unsendable, kind_of, trait_columns
from candu_sync.snapshot import FUNCTION, HashMemory, KnownRows, Snapshot, hashed_names
from candu_sync.state import Version
from candu_sync.syncs import Sync, parameters
from candu_sync.warehouse import HASH_COLUMNS, RowTotal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from candu_sync.sql_text import Value
    from candu_sync.warehouse import HashedModel, Reading

    Hashes = NDArray[np.uint64]

# Below it, a second query costs as much as the rows.
LEAST_ROWS = 10_000

# Bytes of memory for each row, at most, when all are learnt.
_BYTES = 250

# Beyond it, all rows come: as a share of the rows, and as a number, since the keys' hashes are a part of the query.
MOST_CHANGED, MOST_KEYS = 0.3, 1_000_000

# Two hashes are made one by it.
_ODD = 0x9E3779B97F4A7C15

UNSTEADY = ("the model gives other rows each time it is read, so that hashes do not help: is there a random() in it, "
            "or a limit without an order?")
LARGE = "most rows had changed by their hashes, so that all are read"
VAIN = ("hashes are not tried in this run: in the last ones most rows had changed, or what took long was the query "
        "itself, which runs twice")

# Seconds below which it does not matter that a query runs twice.
NOTICED = 5.0


class Unsteady(Exception):
    """Two queries of one transaction disagree. The rows that were read are of no use."""


class RowSource:
    """All rows of a reading.

    Attributes:
        names: the model's columns.
        declared: as a reading has them.
        settled: traits whose kind is known without a row.
        carried: columns that the batches have in addition.
        path: how the warehouse was read; known at the end.
        known: rows of the model that did not come, since they are known.
        rows_read, bytes_read: what came from the warehouse: whole rows, and the bytes of all batches in Arrow's form.
    """

    def __init__(self, reading: Reading, note: str = "") -> None:
        self.names: list[str] = reading.names
        self.declared: Mapping[str, pa.DataType] = reading.declared
        self.settled: tuple[Trait, ...] = ()
        self.carried: tuple[str, ...] = ()
        self.path = f"{reading.path} ({note})" if note else reading.path
        self.known = self.rows_read = self.bytes_read = 0
        self._reading: Reading | None = reading

    def unchanged(self) -> bool:
        """Whether the warehouse says that all rows are as they were when Candu had all of them, of this version."""
        return False

    def rows(self, prefilter: Prefilter | None) -> Iterator[pa.RecordBatch]:
        """The batches, to be taken in any thread.

        Args:
            prefilter: is asked which rows the snapshot has; None: there is no snapshot, and all rows come.
        """
        return iter(()) if self._reading is None else self._counted(self._reading)

    def finish(self, prefilter: Prefilter | None) -> None:
        """Remember what was learnt, when all rows have been taken. Raises ``Unsteady``."""

    def close(self) -> None:
        """Close the reading; a second call does nothing."""
        if self._reading is not None:
            self._reading.close()

    def _counted(self, reading: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in reading:
            self.rows_read += batch.num_rows
            self.bytes_read += batch.nbytes
            yield batch


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


@contextmanager
def row_source(target: Target, snapshot: Snapshot, version: Version, *, forgotten: Collection[str], hashes: bool,
               save_as: str | None, note: str = "") -> Iterator[RowSource]:
    """The rows of a target's model.

    Args:
        version: the one that the snapshot is of.
        forgotten: the tombstones of people whose rows are left out.
        hashes: whether it is enough to have the rows that the snapshot does not have.
        save_as: the run that may remember hashes in the state; None: nothing is written.
        note: why all rows are read, where that is known.

    Raises:
        ModelError, WarehouseError: as ``Warehouse.read``.
        StateError: the state cannot be read or written.
    """
    project, sync, warehouse = target.project, target.sync, target.project.warehouse
    sql, values = project.model(sync), parameters(sync, target.partition, snapshot.newest)
    if hashes and warehouse.can_hash and _helps(sync, snapshot, project.settings.memory):
        memory = HashMemory.read(target.state, _local(sync, sql, snapshot, forgotten))
        note = UNSTEADY if memory.unsteady else VAIN if memory.rest else ""
        if memory.rest and save_as is not None:
            replace(memory, rest=memory.rest - 1).write(target.state, save_as)
        if not note:
            with _hashed(target, sql, values, snapshot, version, memory, save_as) as source:
                if source is not None:
                    yield source
                    return
    read = warehouse.empty if target.ended else warehouse.read
    with read(sql, values, timezone=sync.timezone, clock=sync.clock, tag=sync.name) as reading:
        yield RowSource(reading, note)


@contextmanager
def _hashed(target: Target, sql: str, values: Mapping[str, Value], snapshot: Snapshot, version: Version,
            memory: HashMemory, save_as: str | None) -> Iterator[HashedSource | None]:
    """The model with row hashes; None: it has none, or cannot be sent as a whole, which a reading of all rows tells."""
    project, sync, state = target.project, target.sync, target.state
    ignored = set(sync.omit) - {*sync.required_columns}
    model = project.warehouse.hashed(sql, values, key=sync.key, ignored=ignored, timezone=sync.timezone,
                                     clock=sync.clock, tag=sync.name)
    if model is None:
        yield None
        return

    def save(memory: HashMemory, known: KnownRows | None) -> None:
        if save_as is not None:
            memory.write(state, save_as, known)

    with model:
        settled = _settled(sync, model.schema, snapshot)
        if settled is None:
            yield None
            return
        fingerprint = _digest([memory.local, model.function])
        if memory.fingerprint != fingerprint:
            memory = HashMemory(local=memory.local, fingerprint=fingerprint)
        with closing(HashedSource(model, memory, memory.known(state), f"{version.number} {version.run_id}", settled,
                                  project.cancel_queries, save)) as source:
            yield source


def _helps(sync: Sync, snapshot: Snapshot, memory: int) -> bool:
    """Whether a row that the snapshot has may stay where it is, and what is learnt fits into the memory."""
    fits = LEAST_ROWS <= snapshot.rows <= memory // _BYTES
    return (fits and sync.kind != "events" and sync.refresh is None and snapshot.base is not None
            and not nulls_to_replace(sync, snapshot))


def _settled(sync: Sync, schema: pa.Schema, snapshot: Snapshot) -> tuple[Trait, ...] | None:
    """The traits that rows of the snapshot have values of, by the types of the columns; None: a column cannot be
    sent."""
    there = snapshot.given(schema.names if not sync.rename else [sync.rename.get(n, n) for n in schema.names])
    try:
        traits = [Trait(name, kind_of(schema.field(column).type))
                  for column, name in trait_columns(sync, schema.names).items()]
    except Unsendable:
        return None
    return tuple(trait for trait in traits if trait in there)


def _local(sync: Sync, sql: str, snapshot: Snapshot, forgotten: Collection[str]) -> str:
    """A digest of what a row's canonical form and its hash depend on, besides the row and the warehouse."""
    settings = sync.model_dump_json(exclude={"path", "node", "sql", "description", "owners", "tags"})
    return _digest([sql, settings, hashed_names(snapshot.traits), FUNCTION, installed("candu-sync"), pa.__version__,
                    sorted(forgotten)])


def _digest(parts: list[object]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
