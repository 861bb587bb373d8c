"""A few rows against their snapshot, without the engine: are they the same?

The prefilter answers that by hashes, for any number of rows. Of a few rows the values are read, and compared as they
are. If anything differs, or may, the usual way finds out what.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from candu_sync.diff.trait_rules import nulls_to_replace
from candu_sync.rows import Result, Trait
from candu_sync.snapshot import Snapshot, stored_rows
from candu_sync.syncs import Sync


def matched_few(sync: Sync, snapshot: Snapshot, result: Result, batches: Sequence[pa.RecordBatch]) -> int | None:
    """How many rows of a result match, where all of them do, and no other row of the snapshot is left.

    Args:
        batches: all rows of the result, canonical; a few (``embedded.is_few``).

    Returns:
        Rows, equal ones counted once; None: there may be something to do.
    """
    if not snapshot.has("base"):
        return None if batches else 0
    # A file of more than a few rows has a row index.
    if snapshot.has("base_index"):
        return None
    compared = () if sync.kind == "events" else snapshot.given(result.names)
    stored = stored_rows(snapshot, compared)
    if stored is None or not all(_plain(sync, snapshot, result, batch) for batch in batches):
        return None
    found: set[str] = set()
    for batch in batches:
        for key, row in zip(batch.column("key").to_pylist(), _values(result, compared, batch), strict=True):
            if stored.get(key) != row:
                return None
            found.add(key)
    left = sync.kind != "events" and len(found) < snapshot.rows
    return None if left else len(found)


def _plain(sync: Sync, snapshot: Snapshot, result: Result, batch: pa.RecordBatch) -> bool:
    """Whether equal values mean that there is nothing to do: no row is set aside, none has a value of a new trait, and
    none a null that is to become a constant."""
    if batch.column("reason").null_count < batch.num_rows:
        return False
    known = set(snapshot.traits)
    new = [] if sync.kind == "events" else [trait for trait in result.traits if trait not in known]
    if any(column.null_count < batch.num_rows for column in _columns(result, new, batch)):
        return False
    replaced = nulls_to_replace(sync, snapshot).intersection(result.names)
    columns = [f"t{result.names.index(name)}" for name in replaced]
    return all(name in batch.schema.names and batch.column(name).null_count == 0 for name in columns)


def _columns(result: Result, traits: Sequence[Trait], batch: pa.RecordBatch) -> Iterator[pa.Array]:
    """The columns of these traits; those that the batch does not have are null."""
    there = {trait: f"t{n}" for n, trait in enumerate(result.traits)}
    for trait in traits:
        name = there.get(trait)
        yield batch.column(name) if name in batch.schema.names else pa.nulls(batch.num_rows)


def _values(result: Result, traits: Sequence[Trait], batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    if not traits:
        yield from [()] * batch.num_rows
        return
    yield from zip(*(column.to_pylist() for column in _columns(result, traits, batch)), strict=True)
