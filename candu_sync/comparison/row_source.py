"""How a plan gets the rows of its model: all of them, or only those that are not known by their hashes.

    row_source ─┬► RowSource      all rows come
                ├► IndexedSource  DuckDB computes the hashes of the row index (``index_sql.py``)
                │    0. of shards: one total of all hashes of each, in one query (``shard_totals.py``)
                │    1. the hashes of each row: the row index says whether Candu has these rows as they are
                │    2. the other rows, by the hash of their key, in the same transaction
                └► HashedSource   the warehouse computes hashes of its own
                     1. one total of all hashes: it is as it was when Candu had all rows, and nothing changed
                     2. the hashes of each row: those of rows that were read before are known (``KnownRows``), and the
                        row index says whether Candu has these rows as they are
                     3. the other rows, by the hash of their key, in the same transaction. Where there is none, each row
                        comes with its hashes again: if they are not those of 2, all rows are read by one query

The rows of the last query go the same way as all rows go otherwise, so that the diff sees no difference. Where hashes
do not help, all rows are read: at first, where too many rows changed, and where a model gives other rows each time it
is read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from candu_sync.comparison.hashed_source import HashedSource
from candu_sync.comparison.index_sql import index_sql
from candu_sync.comparison.indexed_source import MOST_CHANGED, IndexedSource
from candu_sync.comparison.shard_totals import ShardTotals
from candu_sync.comparison.source import UNSTEADY, RowSource
from candu_sync.diff import nulls_to_replace
from candu_sync.errors import StateError
from candu_sync.forgetting import Tombstones
from candu_sync.rows import Trait, Unsendable, kind_of, trait_columns
from candu_sync.snapshot import FUNCTION, HashMemory, KnownRows, LearntRows, Snapshot, hashed_names, traits_of
from candu_sync.sql_text import Value
from candu_sync.state import Version
from candu_sync.syncs import Sync, parameters
from candu_sync.target import Target
from candu_sync.warehouse import HashedModel, IndexedModel, NotHashed, RowTotal

if TYPE_CHECKING:
    from candu_sync.comparison.shard_totals import Each

    Hashed = IndexedModel | HashedModel

# Below it, a second query costs as much as the rows.
LEAST_ROWS = 10_000

VAIN = ("hashes are not tried in this run: in the last ones many rows had changed, rows changed between two queries, "
        "or what took long was the query itself, which runs twice")


@contextmanager
def row_source(target: Target, snapshot: Snapshot, version: Version, *, tombstones: Tombstones, hashes: bool,
               save_as: str | None, note: str = "") -> Iterator[RowSource]:
    """The rows of a target's model.

    Args:
        version: the one that the snapshot is of.
        tombstones: of people whose rows are left out.
        hashes: whether it is enough to have the rows that the snapshot does not have.
        save_as: the run that may remember hashes in the state; None: nothing is written.
        note: why all rows are read, where that is known.

    Raises:
        ModelError, WarehouseError: as ``Warehouse.read``.
        StateError: the state cannot be read or written.
    """
    sync = target.sync
    model = _Model(target=target, sql=target.model, snapshot=snapshot, version=version,
                   values=parameters(sync, target.partition, snapshot.newest), tombstones=tombstones, save_as=save_as)
    with ExitStack() as stack:
        source = _by_hashes(model, stack) if hashes and _helps(sync, snapshot) else note
        yield stack.enter_context(_by_value(model, source)) if isinstance(source, str) else source


@dataclass(frozen=True, kw_only=True)
class _Model:
    """The query of a target, and what its rows are compared with."""

    target: Target
    sql: str
    values: Mapping[str, Value]
    snapshot: Snapshot
    version: Version
    tombstones: Tombstones
    save_as: str | None

    @property
    def options(self) -> dict[str, Any]:
        """What each query of it says to the warehouse."""
        sync = self.target.sync
        return {"timezone": sync.timezone, "clock": sync.clock, "tag": sync.name}

    def indexed(self, sql: str) -> IndexedModel:
        """A query of the model with the row index's hashes. Raises ``NotHashed``."""
        make = partial(index_sql, self.target.sync, self.snapshot, unless=self.tombstones.condition)
        return self.target.project.warehouse.indexed(sql, self.values, make, **self.options)

    def hashed(self, sql: str) -> HashedModel:
        """A query of the model with hashes of the warehouse's own. Raises ``NotHashed``."""
        sync = self.target.sync
        return self.target.project.warehouse.hashed(
            sql, self.values, key=sync.key, ignored=set(sync.omit) - {*sync.required_columns}, **self.options)

    def save(self, memory: HashMemory, learnt: LearntRows | None = None) -> None:
        if self.save_as is not None:
            memory.write(self.target.state, self.save_as, learnt)


@contextmanager
def _by_value(model: _Model, note: str) -> Iterator[RowSource]:
    target = model.target
    read = target.project.warehouse.empty if target.ended else target.project.warehouse.read
    with read(model.sql, model.values, **model.options) as reading:
        yield RowSource(reading, note)


def _by_hashes(model: _Model, stack: ExitStack) -> RowSource | str:
    """The rows by their hashes; a text: why not, where that is worth saying."""
    warehouse = model.target.project.warehouse
    if warehouse.hashes_left_out:
        return _left_out(model.target.project.settings.row_hashes, warehouse.dialect)
    if not warehouse.can_hash and not warehouse.can_index:
        return ""
    memory = _memory(model.target, model.snapshot.traits, model.tombstones)
    if memory.rest:
        model.save(replace(memory, rest=memory.rest - 1))
        return UNSTEADY if memory.unsteady else VAIN
    try:
        return _hashed(model, memory, stack) if warehouse.can_hash else _indexed(model, memory, stack)
    except NotHashed as no:
        return f"no row hashes: {no}"


def _left_out(used: str, dialect: str) -> str:
    return f"no row hashes: CANDU_ROW_HASHES is {used}" + ("" if used == "none" else f", which leaves {dialect} out")


def _indexed(model: _Model, memory: HashMemory, stack: ExitStack) -> IndexedSource:
    """The model with the row index's own hashes. Raises ``NotHashed``."""
    sync, project, snapshot = model.target.sync, model.target.project, model.snapshot
    opened = stack.enter_context(model.indexed(model.sql))
    memory = memory.of(_fingerprint(memory, opened))

    def each(sql: str, count: int) -> dict[int, RowTotal] | None:
        with model.indexed(sql) as every:
            return every.shard_totals(sync.shard_column, count) if every.function == opened.function else None

    source = IndexedSource(opened, memory, MOST_CHANGED * snapshot.rows, _id(model.version),
                           _settled(sync, opened.schema, snapshot), project.cancel_queries, model.save,
                           _shared(model, opened, model.indexed, each))
    return stack.enter_context(closing(source))


def _hashed(model: _Model, memory: HashMemory, stack: ExitStack) -> HashedSource:
    """The model with hashes of the warehouse's own. Raises ``NotHashed``."""
    opened = stack.enter_context(model.hashed(model.sql))
    settled = _settled(model.target.sync, opened.schema, model.snapshot)
    fingerprint = _fingerprint(memory, opened)
    if memory.fingerprint != fingerprint:
        memory = HashMemory(local=memory.local, fingerprint=fingerprint)
    known = memory.known(model.target.state) or KnownRows.none()
    learnt = None if model.save_as is None else stack.enter_context(closing(
        LearntRows(known, model.target.state.store.scratch)))
    source = HashedSource(opened, memory, known, learnt, _id(model.version), settled,
                          model.target.project.cancel_queries, model.save, _shared(model, opened, model.hashed))
    return stack.enter_context(closing(source))


def _shared(model: _Model, opened: Hashed, open_other: Callable[[str], Hashed], each: Each = lambda *_: None,
            ) -> ShardTotals | None:
    """What the command asks for all shards of a model at once; None: it compares no others."""
    if model.target.name not in model.target.project.at_once:
        return None

    def known(shard: Target) -> RowTotal | None:
        try:
            version = shard.state.current()
            memory = _memory(shard, traits_of(version), model.tombstones)
        except StateError:
            # That shard says what is wrong. The others go on.
            return None
        stands = memory.version == _id(version) and memory.fingerprint == _fingerprint(memory, opened)
        return RowTotal(*memory.total) if stands and memory.total is not None else None

    def whole(sql: str) -> RowTotal | None:
        try:
            with open_other(sql) as every:
                return every.total() if every.function == opened.function else None
        except NotHashed:
            return None

    return ShardTotals(model.target, model.values, opened.function, known=known, whole=whole, each=each)


def _helps(sync: Sync, snapshot: Snapshot) -> bool:
    """Whether a row that the snapshot has may stay where it is."""
    return (snapshot.rows >= LEAST_ROWS and sync.kind != "events" and sync.refresh is None
            and snapshot.has("base") and not nulls_to_replace(sync, snapshot))


def _settled(sync: Sync, schema: pa.Schema, snapshot: Snapshot) -> tuple[Trait, ...]:
    """The traits that rows of the snapshot have values of, by the types of the columns. Raises ``NotHashed``: a column
    cannot be sent."""
    there = snapshot.given(schema.names if not sync.rename else [sync.rename.get(n, n) for n in schema.names])
    try:
        traits = [Trait(name, kind_of(schema.field(column).type))
                  for column, name in trait_columns(sync, schema.names).items()]
    except Unsendable:
        raise NotHashed("a column cannot be sent") from None
    return tuple(trait for trait in traits if trait in there)


def _memory(target: Target, traits: tuple[Trait, ...], forgotten: Tombstones) -> HashMemory:
    """What the last runs of a target learnt.

    Args:
        traits: of its snapshot.
    """
    # What a row's canonical form and its hash depend on, besides the row and the warehouse.
    settings = target.sync.model_dump_json(exclude={"path", "node", "sql", "description", "owners", "tags"})
    local = _digest([target.model, settings, hashed_names(traits), FUNCTION, installed("candu-sync"), pa.__version__,
                     sorted(forgotten.hashes)])
    return HashMemory.read(target.state, local)


def _fingerprint(memory: HashMemory, opened: Hashed) -> str:
    """A digest of what the hashes depend on, with what the warehouse says."""
    return _digest([memory.local, opened.function])


def _id(version: Version) -> str:
    return f"{version.number} {version.run_id}"


def _digest(parts: list[object]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
