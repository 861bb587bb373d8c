"""The snapshot: what Candu has accepted, row by row, for one sync and partition.

It is kept as Arrow IPC files: a base, and perhaps a delta whose rows stand over the base's rows of the same key. Rows
are never deleted, since Candu forgets nothing: one that left the model is marked ``gone``. Beside each file stands its
row index (``index.py``).

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
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.ipc as ipc

from candu_sync.engine import arrow_file, scalar
from candu_sync.index import Index, hashes, row_hash
from candu_sync.values import SQL_TYPE, Trait

# A delta over a fifth of its base is folded into it: reading both starts to cost more than one rewrite.
_FOLD_SHARE = 0.2

# The columns beside key and the traits.
_FIXED = {"users": {"gone": "BOOLEAN", "doubt": "BOOLEAN", "user_id": "VARCHAR"},
          "groups": {"gone": "BOOLEAN", "doubt": "BOOLEAN", "user_id": "VARCHAR", "group_id": "VARCHAR"},
          "events": {}}

# Rows told that a merge keeps at hand, rather than read them from the change set again.
_KEPT = 200_000

REJECTED = pa.schema([("key", pa.string()), ("reason", pa.string()), ("status", pa.int32()),
                      ("refused_at", pa.string()), ("run", pa.string()), ("hash", pa.string())])


@dataclass(frozen=True)
class Snapshot:
    """What Candu has accepted.

    Attributes:
        kind: users, groups or events.
        traits: the columns ``t0``, ``t1``, … of the files.
        rows: how many there are that are not gone.
        base, delta: local Arrow files; None: there is none.
        base_index, delta_index: their row indexes; None: to be made when they are needed.
        rejected: a local Arrow file of rows that Candu refused (schema ``REJECTED``).
        newest: the newest value of the cursor's column among the accepted events, UTC.
    """

    kind: str
    traits: tuple[Trait, ...] = ()
    rows: int = 0
    base: Path | None = None
    delta: Path | None = None
    base_index: Path | None = None
    delta_index: Path | None = None
    rejected: Path | None = None
    newest: dt.datetime | None = None

    def given(self, names: Collection[str]) -> tuple[Trait, ...]:
        """The traits of these names: those that a model with these columns gives, and that its row index is of."""
        return tuple(trait for trait in self.traits if trait.name in names)


def expose(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> None:
    """Make the snapshot readable in the connection, as the views ``snapshot`` and ``rejected``."""
    layers = [f"SELECT {_columns(connection, snapshot, name, path)} FROM {name}"
              for name, path in (("base", snapshot.base), ("delta", snapshot.delta)) if path is not None]
    if len(layers) == 2:
        layers[0] += " ANTI JOIN delta USING (key)"
    nothing = f"SELECT {typed_nulls(snapshot)} LIMIT 0"
    connection.execute(f"CREATE OR REPLACE TEMP VIEW snapshot AS {' UNION ALL '.join(layers) or nothing}")
    expose_rejected(connection, snapshot)


def expose_rejected(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> None:
    """Make the rows that Candu refused readable in the connection, as the view ``rejected``."""
    refused = arrow_file(snapshot.rejected) if snapshot.rejected else REJECTED.empty_table()
    connection.register("rejected", refused)


def _columns(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, name: str, path: Path) -> str:
    """Make a file readable as ``name``; returns the select list that gives it the snapshot's columns."""
    file = arrow_file(path)
    connection.register(name, file)
    return select_list(layout(snapshot), file.schema.names)


def select_list(wanted: dict[str, str], there: Collection[str]) -> str:
    """Columns (name → SQL type) of a file that may have been written before some of them came: null there."""
    return ", ".join(column if column in there else f"NULL::{type_} AS {column}" for column, type_ in wanted.items())


def typed_nulls(snapshot: Snapshot) -> str:
    """A select list of nulls with the snapshot's columns and types."""
    return select_list(layout(snapshot), ())


def layout(snapshot: Snapshot) -> dict[str, str]:
    """Column → SQL type of a snapshot's rows."""
    traits = {} if snapshot.kind == "events" else trait_types(snapshot.traits)
    return {"key": "VARCHAR", **_FIXED[snapshot.kind], **traits}


def trait_types(traits: tuple[Trait, ...]) -> dict[str, str]:
    """Column → SQL type of the traits' columns."""
    return {f"t{i}": SQL_TYPE[trait.kind] for i, trait in enumerate(traits)}


def write_arrow(connection: duckdb.DuckDBPyConnection, query: str, path: Path,
                look: Callable[[pa.RecordBatch], None] = lambda _: None) -> int:
    """Write a query's rows, in order, to an Arrow IPC file (zstd), batch by batch; ``look`` is shown each. Returns the
    number of rows."""
    reader = connection.sql(query).to_arrow_reader(100_000)
    rows = 0
    with ipc.new_file(str(path), reader.schema, options=ipc.IpcWriteOptions(compression="zstd")) as writer:
        for batch in reader:
            rows += batch.num_rows
            look(batch)
            writer.write_batch(batch)
    return rows


def index_of(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, name: str,
             hashed: tuple[Trait, ...]) -> Index:
    """The row index of the file ``name`` ("base" or "delta"), of these traits: the stored one, or one that is made of
    the file's rows."""
    stored: Path | None = getattr(snapshot, f"{name}_index")
    found = Index.load(stored, hashed_names(hashed)) if stored is not None else None
    if found is not None:
        return found
    path: Path = getattr(snapshot, name)
    reader = ipc.open_file(pa.OSFile(str(path)))
    batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
    columns = _stored_hash(snapshot, hashed, reader.schema.names)
    return Index.of([hashes(connection, batch, columns) for batch in batches])


def hashed_names(hashed: tuple[Trait, ...]) -> list[tuple[str, str]]:
    """Traits as an index names them."""
    return [(trait.name, str(trait.kind)) for trait in hashed]


def _stored_hash(snapshot: Snapshot, hashed: tuple[Trait, ...], there: Collection[str]) -> str:
    """The row hash of a file's rows, SQL; one that no row of a result has for those that are gone, or in doubt."""
    if snapshot.kind == "events":
        return f"{row_hash([])} AS row_hash"
    columns = {trait: f"t{i}" for i, trait in enumerate(snapshot.traits)}
    values = [columns[trait] if columns[trait] in there else f"NULL::{SQL_TYPE[trait.kind]}" for trait in hashed]
    return f"CASE WHEN gone OR doubt THEN hash('not so', key) ELSE {row_hash(values)} END AS row_hash"


@dataclass(frozen=True)
class Merged:
    """The files of the next snapshot that are new; a role that is not named keeps its file, one with None loses it."""

    files: dict[str, Path | None]
    live: int


def merge(connection: duckdb.DuckDBPyConnection, old: Snapshot, new: Snapshot, hashed: tuple[Trait, ...],
          folder: Path) -> Merged:
    """Lay the accepted rows (the view ``accepted``, in the new snapshot's layout) and the doubtful ones (the view
    ``doubtful``) over the old snapshot.

    Args:
        connection: where the views are.
        old: the snapshot that the changes were computed from.
        new: its kind and traits as they shall be; the traits begin with the old ones.
        hashed: those that the row indexes are to be of.
        folder: where to write.
    """
    expose(connection, replace(old, kind=new.kind, traits=new.traits))
    told = _lay_out_told(connection, new)
    if told == 0:
        return Merged({}, old.rows)
    live = _live(connection, old, new)
    columns = ", ".join(layout(new))
    writer = _Writer(connection, new, hashed, folder)
    if old.base is None or _outgrown(old, told):
        over = " ANTI JOIN told_rows USING (key)"
        files = writer.write("base", f"SELECT {columns} FROM snapshot{over} UNION ALL FROM told_rows")
        return Merged({**files, "delta": None, "delta_index": None}, live)
    over = "FROM told_rows"
    if old.delta is not None:
        kept = _columns(connection, new, "delta", old.delta)
        over = f"SELECT {kept} FROM delta ANTI JOIN told_rows USING (key) UNION ALL {over}"
    return Merged({**writer.write("delta", over), **writer.mend("base", old)}, live)


def _lay_out_told(connection: duckdb.DuckDBPyConnection, new: Snapshot) -> int:
    """Make ``told_rows``: what was told, in the snapshot's layout, a row a key. Returns how many they are."""
    accepted = scalar(connection, "SELECT count(*) FROM accepted")
    # Of events none is in doubt: each is told once.
    doubtful = scalar(connection, "SELECT count(*) FROM doubtful") if new.kind != "events" else 0
    # A row in doubt that left without a word to Candu stays in doubt.
    silent = scalar(connection, "SELECT count(*) FROM accepted WHERE message IS NULL")
    doubt = "message IS NULL AND key IN (SELECT key FROM snapshot WHERE doubt)" if silent else "false"
    listed = ", ".join(f"{doubt} AS doubt" if column == "doubt" else column for column in layout(new))
    # Few rows are looked at several times, many are passed on.
    form = "TABLE" if accepted + doubtful <= _KEPT else "VIEW"
    connection.execute(f"CREATE TEMP {form} told_rows AS SELECT {listed} FROM accepted"
                       + (_doubtful(new) if doubtful else ""))
    return accepted + doubtful


def _live(connection: duckdb.DuckDBPyConnection, old: Snapshot, new: Snapshot) -> int:
    """Rows that will not be gone: those of before, less those that were told anew, and those told that are there."""
    if old.base is None:
        return scalar(connection, f"SELECT count(*) FROM told_rows{'' if new.kind == 'events' else ' WHERE NOT gone'}")
    # A row that changed, or stayed, was there and still is: for it the snapshot need not be read.
    moved = "op IN ('added', 'removed')"
    gone, there = ("false", "") if new.kind == "events" else ("gone", " WHERE NOT gone")
    connection.execute(f"CREATE TEMP TABLE moved AS SELECT key, {gone} AS gone FROM accepted WHERE {moved} "
                       f"UNION ALL SELECT key, false FROM doubtful WHERE {moved} AND {new.kind != 'events'}")
    if scalar(connection, "SELECT count(*) FROM moved") == 0:
        return old.rows
    # A semi-join keeps the few rows at hand and lets the many go by; an outer join might do it the other way round.
    return (old.rows + scalar(connection, "SELECT count(*) FROM moved WHERE NOT gone")
            - scalar(connection, f"SELECT count(*) FROM snapshot SEMI JOIN moved USING (key){there}"))


class _Writer:
    """Writes files of a snapshot, each with its row index."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, hashed: tuple[Trait, ...],
                 folder: Path) -> None:
        self._connection, self._snapshot, self._hashed, self._folder = connection, snapshot, hashed, folder

    def write(self, name: str, query: str) -> dict[str, Path | None]:
        """A query's rows as the file ``name``."""
        path = self._folder / f"{name}.arrow"
        parts: list[pa.Table] = []
        columns = _stored_hash(self._snapshot, self._hashed, layout(self._snapshot))
        with self._connection.cursor() as cursor:
            write_arrow(self._connection, query, path, lambda batch: parts.append(hashes(cursor, batch, columns)))
        return {name: path, **self._save(name, Index.of(parts))}

    def mend(self, name: str, old: Snapshot) -> dict[str, Path | None]:
        """Nothing when the index of a file that stays is of the right traits; else a new one."""
        stored: Path | None = getattr(old, f"{name}_index")
        if stored is not None and Index.load(stored, hashed_names(self._hashed)) is not None:
            return {}
        with self._connection.cursor() as cursor:
            old = replace(old, traits=self._snapshot.traits)
            return self._save(name, index_of(cursor, replace(old, base_index=None), name, self._hashed))

    def _save(self, name: str, index: Index) -> dict[str, Path | None]:
        path = self._folder / f"{name}_index.arrow"
        index.save(path, hashed_names(self._hashed))
        return {f"{name}_index": path}


def _outgrown(old: Snapshot, told: int) -> bool:
    return (_length(old.delta) if old.delta else 0) + told > _FOLD_SHARE * (_length(old.base) if old.base else 0)


def _length(path: Path) -> int:
    """The rows of an Arrow IPC file, by its index of batches."""
    return int(arrow_file(path).count_rows())


def _doubtful(new: Snapshot) -> str:
    """The doubtful rows in the snapshot's layout, as a further part of a UNION."""
    columns = {"gone": "false AS gone", "doubt": "true AS doubt",
               **{t: f"coalesce(d.{t}, s.{t}) AS {t}" for t in trait_types(new.traits)}}
    listed = ", ".join(columns.get(name, f"d.{name}") for name in layout(new))
    return f" UNION ALL SELECT {listed} FROM doubtful d LEFT JOIN snapshot s ON s.key = d.key"


