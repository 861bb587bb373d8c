"""The files of a first snapshot of a few rows: the same as ``merge.py`` makes. Only the hashes are the engine's."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from candu_sync.embedded import Embedded, write_table
from candu_sync.rows import Trait
from candu_sync.snapshot.merge import Merged
from candu_sync.snapshot.row_index import Index, hashes
from candu_sync.snapshot.snapshot import Snapshot, hashed_names, layout, stored_hash


def first_files(rows: pa.Table, snapshot: Snapshot, hashed: tuple[Trait, ...], engine: Embedded,
                folder: Path) -> Merged:
    """Write the base and its index.

    Args:
        rows: of users or groups, as the table ``changes`` has them; all were accepted, none left.
        snapshot: its kind and traits.
        hashed: the traits that the row index is to be of.
        folder: where to write.
    """
    if not rows.num_rows:
        return Merged({}, 0)
    no = pa.array([False] * rows.num_rows)
    there = dict(zip(rows.schema.names, rows.columns, strict=True)) | {"gone": no, "doubt": no}
    columns = layout(snapshot)
    base = pa.table({name: there[name] for name in columns})
    path, index = folder / "base.arrow", folder / "base_index.arrow"
    write_table(base, path)
    with engine.use() as connection:
        found = [hashes(connection, batch, stored_hash(snapshot, hashed, columns)) for batch in base.to_batches()]
        Index.of(found).save(index, hashed_names(hashed))
    return Merged({"base": path, "base_index": index, "delta": None, "delta_index": None}, rows.num_rows)
