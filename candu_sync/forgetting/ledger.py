"""A person leaves the ledger: its files are written again without the rows, each in one step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from candu_sync.forgetting.keys import Keys
from candu_sync.history import FOLDER, ROW_GROUP, parquet_options
from candu_sync.state import PartitionState, remove_folder

if TYPE_CHECKING:
    import pyarrow.parquet as parquet


def keys_in_ledger(state: PartitionState, user_id: str) -> frozenset[str]:
    """The keys of the rows that were sent for a person; for events, their ids."""
    found: set[str] = set()
    for _, file in _files(state):
        for number in range(file.metadata.num_row_groups):
            table = file.read_row_group(number, columns=["user_id", "key"])
            mine = table.filter(pc.equal(table["user_id"], user_id))
            found |= {key for key in mine["key"].to_pylist() if key is not None}
    return frozenset(found)


def leave_ledger(state: PartitionState, keys: Keys) -> int:
    """Remove the rows of a person; returns how many there were."""
    gone = 0
    for name, file in _files(state):
        rows = [int(pc.sum(mask).as_py() or 0) for _, mask in _groups(file, keys, ["user_id", "key"])]
        if not sum(rows):
            continue
        gone += sum(rows)
        if sum(rows) == file.metadata.num_rows:
            state.store.delete(name)
        else:
            _rewrite(state, name, file, keys)
    return gone


def _files(state: PartitionState) -> Iterator[tuple[str, parquet.ParquetFile]]:
    # Loading this takes as long as most commands.
    import pyarrow.parquet as parquet

    for name in state.store.list(state.name(FOLDER) + "/"):
        path = state.store.local(name) if name.endswith(".parquet") else None
        if path is not None:
            yield name, parquet.ParquetFile(path)


def _groups(file: parquet.ParquetFile, keys: Keys, columns: list[str] | None = None,
            ) -> Iterator[tuple[pa.Table, pa.Array]]:
    """The row groups, each with a mask of the person's rows."""
    for number in range(file.metadata.num_row_groups):
        table = file.read_row_group(number, columns=columns)
        mine = pc.fill_null(pc.equal(table["user_id"], keys.user_id), False)
        # An invalid row may have no user.
        strangers = pc.and_(pc.is_null(table["user_id"]), pc.is_valid(table["key"]))
        if pc.any(strangers).as_py():
            named = pa.array([keys.name(key) for key in table["key"].to_pylist()])
            mine = pc.or_(mine, pc.and_(strangers, pa.chunked_array([named])))
        yield table, mine


def _rewrite(state: PartitionState, name: str, file: parquet.ParquetFile, keys: Keys) -> None:
    import pyarrow.parquet as parquet

    folder = state.store.scratch()
    try:
        path = folder / Path(name).name
        schema = file.schema_arrow
        with parquet.ParquetWriter(path, schema, **parquet_options(schema.names)) as writer:
            for table, mine in _groups(file, keys):
                writer.write_table(table.filter(pc.invert(mine)), row_group_size=ROW_GROUP)
        state.store.add(name, path)
    finally:
        remove_folder(folder)
