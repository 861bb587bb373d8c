"""A snapshot of a few rows, without the engine: its first file, and its rows to compare with.

A file of a few rows (``embedded.is_few``) has no row index: to read the rows themselves is as fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa

from candu_sync.arrow_rows import read_batches, read_schema
from candu_sync.embedded import is_few, write_table
from candu_sync.rows import Trait
from candu_sync.snapshot.merge import Merged
from candu_sync.snapshot.snapshot import Snapshot, layout


def first_files(rows: pa.Table, snapshot: Snapshot, folder: Path) -> Merged:
    """Write the base, the same as ``merge.py`` writes.

    Args:
        rows: of users or groups, as the table ``changes`` has them; all were accepted, none left.
        snapshot: its kind and traits.
        folder: where to write.
    """
    if not rows.num_rows:
        return Merged({}, 0)
    no = pa.array([False] * rows.num_rows)
    there = dict(zip(rows.schema.names, rows.columns, strict=True)) | {"gone": no, "doubt": no}
    path = folder / "base.arrow"
    write_table(pa.table({name: there[name] for name in layout(snapshot)}), path)
    return Merged({"base": path, "base_index": None, "delta": None, "delta_index": None}, rows.num_rows)


def stored_rows(snapshot: Snapshot, traits: Sequence[Trait]) -> dict[str, tuple[Any, ...] | None] | None:
    """Read the rows of a snapshot.

    Args:
        traits: some of its traits.

    Returns:
        Key → the values of these traits; of a row that has left or is in doubt None. None instead of all: there are
        more than a few rows.
    """
    columns = [f"t{snapshot.traits.index(trait)}" for trait in traits]
    found: dict[str, tuple[Any, ...] | None] = {}
    for path in (snapshot.base, snapshot.delta):
        if path is None:
            continue
        rows = _read_few(path)
        if rows is None:
            return None
        values = zip(*(_column(rows, name) for name in columns), strict=True) if columns else [()] * rows.num_rows
        for key, gone, doubt, row in zip(*(_column(rows, name) for name in ("key", "gone", "doubt")), values,
                                         strict=True):
            found[key] = None if gone or doubt else row
    return found


def _read_few(path: Path) -> pa.Table | None:
    """The rows of a file; None: they are too many."""
    batches, rows = [], 0
    with closing(read_batches(path)) as reading:
        for batch in reading:
            batches.append(batch)
            rows += batch.num_rows
            if not is_few(rows):
                return None
    return pa.Table.from_batches(batches, read_schema(path))


def _column(rows: pa.Table, name: str) -> list[Any]:
    """Its values. A file may have been written before some of the columns came, and events have only a key."""
    return rows.column(name).to_pylist() if name in rows.schema.names else [None] * rows.num_rows
