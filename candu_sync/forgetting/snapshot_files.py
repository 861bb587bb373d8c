"""A person leaves the snapshot: the files of the next version, without the rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa

from candu_sync.arrow_rows import RowsWriter, read_table
from candu_sync.embedded import Embedded, arrow_file, literal, scalar, write_arrow
from candu_sync.forgetting.keys import Keys
from candu_sync.snapshot import Snapshot, expose, renewed_index


@dataclass
class Cleaned:
    """What became of a version's files.

    Attributes:
        files: role → the new file; None: there is none any more.
        live: rows fewer that are not gone.
        snapshot, refused: rows that were removed.
    """

    files: dict[str, Path | None]
    live: int = 0
    snapshot: int = 0
    refused: int = 0


def clean_snapshot(snapshot: Snapshot, keys: Keys, engine: Embedded, folder: Path) -> Cleaned:
    """Write the files of a snapshot that hold a person again, without that person.

    Args:
        folder: where to write.
    """
    cleaned = Cleaned({})
    with engine.use() as connection:
        if snapshot.base is None and snapshot.delta is None:
            mine = "false"
        else:
            expose(connection, snapshot)
            mine = _condition(connection, snapshot, keys)
            gone = "" if snapshot.kind == "events" else " AND NOT gone"
            cleaned.live = scalar(connection, f"SELECT count(*) FROM snapshot WHERE {mine}{gone}")
        for name, path in (("base", snapshot.base), ("delta", snapshot.delta)):
            if path is not None:
                cleaned.snapshot += _clean_layer(connection, snapshot, name, path, mine, folder, cleaned)
    if snapshot.rejected is not None:
        path = folder / "rejected.arrow"
        cleaned.refused, left = without_keys(snapshot.rejected, keys, path)
        if cleaned.refused:
            cleaned.files["rejected"] = path if left else None
    return cleaned


def _condition(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, keys: Keys) -> str:
    """SQL of the rows that are the person's. The ledger of events has only their keys."""
    if snapshot.kind != "events":
        return f"user_id = {literal(keys.user_id)}"
    suspects = [] if keys.place is None else connection.execute(
        f"SELECT key FROM snapshot WHERE contains(key, {literal(keys.escaped)})").fetchall()
    found = keys.known | {key for (key,) in suspects if keys.name(key)}
    connection.register("forgotten_keys", pa.table({"key": pa.array(sorted(found), pa.string())}))
    return "key IN (SELECT key FROM forgotten_keys)"


def _clean_layer(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, name: str, path: Path, mine: str,
                 folder: Path, cleaned: Cleaned) -> int:
    connection.register(name, arrow_file(path))
    rows = scalar(connection, f"SELECT count(*) FROM {name} WHERE {mine}")
    if rows:
        new = folder / f"{name}.arrow"
        write_arrow(connection, f"FROM {name} WHERE ({mine}) IS NOT TRUE", new)
        index = folder / f"{name}_index.arrow"
        without = replace(snapshot, base=new) if name == "base" else replace(snapshot, delta=new)
        renewed = renewed_index(connection, without, name, index)
        cleaned.files |= {name: new, f"{name}_index": index if renewed else None}
    return rows


def without_keys(path: Path, keys: Keys, new: Path) -> tuple[int, int]:
    """Write an Arrow file with a column ``key`` again, without a person's rows. Returns how many these were, and how
    many are left. If there are none, nothing is written."""
    table = read_table(path)
    mine = pa.array([keys.name(key) for key in table["key"].to_pylist()], pa.bool_())
    left = table.filter(pa.compute.invert(mine))
    if left.num_rows < table.num_rows:
        with RowsWriter(new, table.schema) as writer:
            for batch in left.to_batches():
                writer.write_batch(batch)
    return table.num_rows - left.num_rows, left.num_rows
