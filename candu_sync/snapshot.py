"""The snapshot: what Candu has accepted, row by row, for one sync and partition.

It is kept as Arrow IPC files: a base, and perhaps a delta whose rows stand over the base's rows of the same key. Rows
are never deleted, since Candu forgets nothing: one that left the model is marked ``gone``.

| column               | Arrow type | kinds                                                              |
|----------------------|------------|--------------------------------------------------------------------|
| `key`                | string     | all; for events the only one: a ledger of ids                      |
| `gone`               | bool       | users, groups                                                      |
| `doubt`              | bool       | users, groups: the last message went unanswered (null: false)      |
| `user_id`            | string     | users, groups                                                      |
| `group_id`           | string     | groups                                                             |
| `t0` …               | canonical  | the value that Candu has; null: none. ``Snapshot.traits`` names them |

A row in doubt is the one exception from "what Candu has accepted": Candu may have it as it was or as it was told
last. It holds what was told, and what it held before where that was nothing; the next diff takes it as changed, so that
it is told whole, or told to be gone, until Candu answers.

A trait is a name and a kind: one that was a number and became text has a column of each, at most one of them set.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.ipc as ipc

from candu_sync.engine import scalar
from candu_sync.values import Kind

# A delta over a fifth of its base is folded into it: reading both starts to cost more than one rewrite.
_FOLD_SHARE = 0.2

SQL_TYPE = {Kind.TEXT: "VARCHAR", Kind.NUMBER: "DOUBLE", Kind.BOOLEAN: "BOOLEAN", Kind.INSTANT: "TIMESTAMP_S"}

# The columns beside key and the traits.
_FIXED = {"users": {"gone": "BOOLEAN", "doubt": "BOOLEAN", "user_id": "VARCHAR"},
          "groups": {"gone": "BOOLEAN", "doubt": "BOOLEAN", "user_id": "VARCHAR", "group_id": "VARCHAR"},
          "events": {}}

REJECTED = pa.schema([("key", pa.string()), ("reason", pa.string()), ("status", pa.int32()),
                      ("refused_at", pa.string()), ("run", pa.string()), ("hash", pa.string())])


@dataclass(frozen=True)
class Trait:
    """A trait's name and the kind of its values."""

    name: str
    kind: Kind


@dataclass(frozen=True)
class Snapshot:
    """What Candu has accepted.

    Attributes:
        kind: users, groups or events.
        traits: the columns ``t0``, ``t1``, … of the files.
        base, delta: local Arrow files; None: there is none.
        rejected: a local Arrow file of rows that Candu refused (schema ``REJECTED``).
        newest: the newest value of the cursor's column among the accepted events, UTC.
    """

    kind: str
    traits: tuple[Trait, ...] = ()
    base: Path | None = None
    delta: Path | None = None
    rejected: Path | None = None
    newest: dt.datetime | None = None


def expose(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> None:
    """Make the snapshot readable in the connection, as the views ``snapshot`` and ``rejected``."""
    layers = [f"SELECT {_columns(connection, snapshot, name, path)} FROM {name}"
              for name, path in (("base", snapshot.base), ("delta", snapshot.delta)) if path is not None]
    if len(layers) == 2:
        layers[0] += " ANTI JOIN delta USING (key)"
    nothing = f"SELECT {_typed_nulls(snapshot)} LIMIT 0"
    connection.execute(f"CREATE OR REPLACE TEMP VIEW snapshot AS {' UNION ALL '.join(layers) or nothing}")
    expose_rejected(connection, snapshot)


def expose_rejected(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> None:
    """Make the rows that Candu refused readable in the connection, as the view ``rejected``."""
    refused = ds.dataset(snapshot.rejected, format="ipc") if snapshot.rejected else REJECTED.empty_table()
    connection.register("rejected", refused)


def _columns(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, name: str, path: Path) -> str:
    """The select list that gives a file the snapshot's columns, also those that came after it was written."""
    file = ds.dataset(path, format="ipc")
    connection.register(name, file)
    there = set(file.schema.names)
    return ", ".join(column if column in there else f"NULL::{type_} AS {column}"
                     for column, type_ in _layout(snapshot).items())


def _typed_nulls(snapshot: Snapshot) -> str:
    return ", ".join(f"NULL::{type_} AS {column}" for column, type_ in _layout(snapshot).items())


def _layout(snapshot: Snapshot) -> dict[str, str]:
    traits = {} if snapshot.kind == "events" else trait_types(snapshot.traits)
    return {"key": "VARCHAR", **_FIXED[snapshot.kind], **traits}


def trait_types(traits: tuple[Trait, ...]) -> dict[str, str]:
    """Column → SQL type of the traits' columns."""
    return {f"t{i}": SQL_TYPE[trait.kind] for i, trait in enumerate(traits)}


def write_arrow(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> int:
    """Write a query's rows to an Arrow IPC file (zstd), batch by batch; returns the number of rows."""
    reader = connection.sql(query).to_arrow_reader(100_000)
    rows = 0
    with ipc.new_file(str(path), reader.schema, options=ipc.IpcWriteOptions(compression="zstd")) as writer:
        for batch in reader:
            rows += batch.num_rows
            writer.write_batch(batch)
    return rows


@dataclass(frozen=True)
class Merged:
    """The files of the next snapshot that are new; a role that is not named keeps its file, one with None loses it."""

    files: dict[str, Path | None]
    live: int


def merge(connection: duckdb.DuckDBPyConnection, old: Snapshot, new: Snapshot, folder: Path) -> Merged:
    """Lay the accepted rows (the view ``accepted``, in the new snapshot's layout) and the doubtful ones (the view
    ``doubtful``) over the old snapshot.

    Args:
        connection: where the views are.
        old: the snapshot that the changes were computed from.
        new: its kind and traits as they shall be; the traits begin with the old ones.
        folder: where to write.
    """
    expose(connection, Snapshot(new.kind, new.traits, old.base, old.delta))
    columns = ", ".join(_layout(new))
    # A row in doubt that left without a word to Candu stays in doubt.
    doubt = "message IS NULL AND key IN (SELECT key FROM snapshot WHERE doubt) AS doubt"
    listed = ", ".join(doubt if column == "doubt" else column for column in _layout(new))
    connection.execute(f"CREATE OR REPLACE TEMP VIEW told_rows AS SELECT {listed} FROM accepted{_doubtful(new)}")
    over = "FROM told_rows"
    live = "" if new.kind == "events" else " WHERE NOT gone"
    everything = f"SELECT {columns} FROM snapshot ANTI JOIN told_rows USING (key) UNION ALL {over}"
    count = scalar(connection, f"SELECT count(*) FROM ({everything}){live}")
    if scalar(connection, "SELECT count(*) FROM told_rows") == 0:
        return Merged({}, count)
    if old.base is None or _outgrown(connection, old):
        write_arrow(connection, everything, folder / "base.arrow")
        return Merged({"base": folder / "base.arrow", "delta": None}, count)
    if old.delta is not None:
        kept = _columns(connection, Snapshot(new.kind, new.traits), "delta", old.delta)
        over = f"SELECT {kept} FROM delta ANTI JOIN told_rows USING (key) UNION ALL {over}"
    write_arrow(connection, over, folder / "delta.arrow")
    return Merged({"delta": folder / "delta.arrow"}, count)


def _outgrown(connection: duckdb.DuckDBPyConnection, old: Snapshot) -> bool:
    base = scalar(connection, "SELECT count(*) FROM base")
    delta = scalar(connection, "SELECT count(*) FROM delta") if old.delta else 0
    return delta + scalar(connection, "SELECT count(*) FROM told_rows") > _FOLD_SHARE * base


def _doubtful(new: Snapshot) -> str:
    """The doubtful rows in the snapshot's layout, as a further part of a UNION; events have none: each is told once."""
    if new.kind == "events":
        return ""
    columns = {"gone": "false AS gone", "doubt": "true AS doubt",
               **{t: f"coalesce(d.{t}, s.{t}) AS {t}" for t in trait_types(new.traits)}}
    listed = ", ".join(columns.get(name, f"d.{name}") for name in _layout(new))
    return f" UNION ALL SELECT {listed} FROM doubtful d LEFT JOIN snapshot s ON s.key = d.key"


