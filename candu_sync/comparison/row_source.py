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
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from importlib.metadata import version as installed
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from candu_sync.comparison.hashed_source import HashedSource
from candu_sync.comparison.source import RowSource
from candu_sync.diff import nulls_to_replace
from candu_sync.project import Target
from candu_sync.rows import Trait, Unsendable, kind_of, trait_columns
from candu_sync.snapshot import FUNCTION, HashMemory, KnownRows, Snapshot, hashed_names
from candu_sync.state import Version
from candu_sync.syncs import Sync, parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from candu_sync.sql_text import Value

    Hashes = NDArray[np.uint64]

# Below it, a second query costs as much as the rows.
LEAST_ROWS = 10_000

# Bytes of memory for each row, at most, when all are learnt.
_BYTES = 250

UNSTEADY = ("the model gives other rows each time it is read, so that hashes do not help: is there a random() in it, "
            "or a limit without an order?")
VAIN = ("hashes are not tried in this run: in the last ones most rows had changed, or what took long was the query "
        "itself, which runs twice")

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
    sql, values = target.model, parameters(sync, target.partition, snapshot.newest)
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
