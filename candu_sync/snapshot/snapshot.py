"""The snapshot: what Candu has accepted, row by row, for one sync and partition.

It is kept as Arrow IPC files: a base, and perhaps a delta whose rows replace the base's rows of the same key. Rows are
never deleted, since Candu forgets nothing: a row that left the model is marked ``gone``. Each file has a row index
(``row_index.py``).

| column               | Arrow type | kinds                                                               |
|----------------------|------------|---------------------------------------------------------------------|
| `key`                | string     | all; for events the only one: the file is a ledger of ids           |
| `gone`               | bool       | users, groups                                                       |
| `doubt`              | bool       | users, groups: the last message went unanswered (null: false)       |
| `user_id`            | string     | users, groups                                                       |
| `group_id`           | string     | groups                                                              |
| `t0` …               | canonical  | the value that Candu has; null: none. ``Snapshot.traits`` has names |

A row in doubt is the only exception from "what Candu has accepted": Candu may have it as it was before the last message
or after it. Its columns hold what the message said, and the value before where the message said nothing. The next diff
takes the row as changed and sends it whole, or its constants of ``removed``, until Candu answers.

A trait that the model no longer gives is forgotten: its column stays in the files without a name (``FORGOTTEN``), and
when the trait comes back it gets a new column, so that it is sent again. Meanwhile another sync may have changed it.

A trait is a name and a kind: one that was a number and became text has a column of each, at most one of them set.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa

from candu_sync.arrow_rows import read_batches, read_schema
from candu_sync.embedded import arrow_file
from candu_sync.rows import SQL_TYPE, Trait
from candu_sync.snapshot.index_writer import IndexWriter
from candu_sync.snapshot.local_file import LocalFile
from candu_sync.snapshot.row_index import Index, hash_pairs, row_hash

# The columns other than key and the traits.
_FIXED = {"users": {"gone": "BOOLEAN", "doubt": "BOOLEAN", "user_id": "VARCHAR"},
          "groups": {"gone": "BOOLEAN", "doubt": "BOOLEAN", "user_id": "VARCHAR", "group_id": "VARCHAR"},
          "events": {}}

REJECTED = pa.schema([("key", pa.string()), ("reason", pa.string()), ("status", pa.int32()),
                      ("refused_at", pa.string()), ("run", pa.string()), ("hash", pa.string())])


# The name of a column whose trait the model no longer gives. No column of a query can have it.
FORGOTTEN = "\0"


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What Candu has accepted.

    Attributes:
        kind: users, groups or events.
        traits: the columns ``t0``, ``t1``, … of the files.
        rows: how many there are that are not gone.
        base, delta: local Arrow files; None: there is none. ``has`` answers that without fetching one.
        base_index, delta_index: their row indexes; None: to be made when they are needed.
        rejected: a local Arrow file of rows that Candu refused (schema ``REJECTED``).
        newest: the newest value of the cursor's column among the accepted events, UTC.
        nulled: names of traits of which Candu may hold a null that was sent. Where a row has a null of them, it was
            sent, or the trait never had a value.
        dropped: names of traits that an earlier version had, and that the model no longer gives.
        arriving: names of new traits that have not been sent for all rows yet, or of which no row had a value.
    """

    kind: str
    traits: tuple[Trait, ...] = ()
    rows: int = 0
    base: LocalFile = LocalFile()
    delta: LocalFile = LocalFile()
    base_index: LocalFile = LocalFile()
    delta_index: LocalFile = LocalFile()
    rejected: LocalFile = LocalFile()
    newest: dt.datetime | None = None
    nulled: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()
    arriving: frozenset[str] = frozenset()

    def has(self, name: str) -> bool:
        """Whether there is a file: "base", "delta" …"""
        return LocalFile.is_there(self, name)

    def given(self, names: Collection[str]) -> tuple[Trait, ...]:
        """The traits of these names: those that a model with these columns gives, and that its row index is of."""
        return tuple(trait for trait in self.traits if trait.name in names)

    def new_traits(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of the names that no version had before, and those that were new in a run which did not send all of
        them. Where no row is known, every row is new, and no trait is.

        Example:
            >>> known = Snapshot(kind="users", base=Path("base.arrow"), dropped=frozenset({"plan"}))
            >>> known.new_traits(["plan", "tier"])
            ('tier',)
        """
        if not self.has("base") or self.kind == "events":
            return ()
        known = ({trait.name for trait in self.traits} | self.dropped) - self.arriving
        return tuple(name for name in names if name not in known)


def expose(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> None:
    """Make the views ``snapshot`` and ``refused_before`` in the connection."""
    layers = [f"SELECT {file_columns(connection, snapshot, name, path)}\nFROM {name}"
              for name, path in (("base", snapshot.base), ("delta", snapshot.delta)) if path is not None]
    if len(layers) == 2:
        layers[0] += "\nANTI JOIN delta USING (key)"
    rows = "\nUNION ALL\n".join(layers) or f"SELECT {typed_nulls(snapshot)}\nLIMIT 0"
    connection.execute(f"CREATE OR REPLACE TEMP VIEW snapshot AS\n{rows}")
    expose_refused(connection, snapshot)


def expose_refused(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> None:
    """Make the view ``refused_before`` in the connection: the rows that Candu refused in earlier runs."""
    refused = arrow_file(snapshot.rejected) if snapshot.rejected else REJECTED.empty_table()
    connection.register("refused_before", refused)


def file_columns(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, name: str, path: Path) -> str:
    """Make a file readable as ``name``; returns the select list that gives it the snapshot's columns."""
    file = arrow_file(path)
    connection.register(name, file)
    return select_list(layout(snapshot), file.schema.names)


def select_list(wanted: dict[str, str], there: Collection[str]) -> str:
    """A select list of columns (name → SQL type); those that are not ``there`` are null.

    A file may have been written before some of the columns came.

    Example:
        >>> select_list({"key": "VARCHAR", "t0": "DOUBLE"}, ["key"])
        'key, NULL::DOUBLE AS t0'
    """
    return ", ".join(column if column in there else f"NULL::{type_} AS {column}" for column, type_ in wanted.items())


def typed_nulls(snapshot: Snapshot) -> str:
    """A select list of nulls with the snapshot's columns and types."""
    return select_list(layout(snapshot), ())


def layout(snapshot: Snapshot) -> dict[str, str]:
    """Column → SQL type of a snapshot's rows.

    Example:
        >>> layout(Snapshot(kind="events"))
        {'key': 'VARCHAR'}
    """
    traits = {} if snapshot.kind == "events" else trait_types(snapshot.traits)
    return {"key": "VARCHAR", **_FIXED[snapshot.kind], **traits}


def trait_types(traits: tuple[Trait, ...]) -> dict[str, str]:
    """Column → SQL type of the traits' columns."""
    return {f"t{i}": SQL_TYPE[trait.kind] for i, trait in enumerate(traits)}


def index_of(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, name: str,
             hashed: tuple[Trait, ...]) -> Index:
    """The row index of the file ``name`` ("base" or "delta"), of these traits.

    It is the stored one; where that is missing, or of other traits, it is made of the file's rows.
    """
    stored: Path | None = getattr(snapshot, f"{name}_index")
    found = Index.load(stored, hashed_names(hashed)) if stored is not None else None
    if found is not None:
        return found
    path: Path = getattr(snapshot, name)
    columns = stored_hash(snapshot, hashed, read_schema(path).names)
    with IndexWriter() as writer, closing(read_batches(path)) as batches:
        for batch in batches:
            writer.add(*hash_pairs(connection, batch, columns))
        return writer.index()


def renewed_index(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, name: str, path: Path) -> bool:
    """Write the row index of a file that was written again: of the traits that its old index is of.

    Args:
        snapshot: with the new file and the old index.
        name: "base" or "delta".
        path: where to write.

    Returns:
        False: there is no index of these traits, and none was written.
    """
    stored: Path | None = getattr(snapshot, f"{name}_index")
    known = {(trait.name, str(trait.kind)): trait for trait in snapshot.traits}
    names = Index.traits_of(stored) if stored is not None else None
    if names is None or not set(names) <= set(known):
        return False
    hashed = tuple(known[pair] for pair in names)
    bare = replace(snapshot, base_index=None) if name == "base" else replace(snapshot, delta_index=None)
    index_of(connection, bare, name, hashed).save(path, names)
    return True


def hashed_names(hashed: tuple[Trait, ...]) -> list[tuple[str, str]]:
    """Traits as an index names them."""
    return [(trait.name, str(trait.kind)) for trait in hashed]


def stored_hash(snapshot: Snapshot, hashed: tuple[Trait, ...], there: Collection[str]) -> str:
    """The row hash of a file's rows, SQL. Rows that are gone or in doubt get one that no row of a result has."""
    if snapshot.kind == "events":
        return f"{row_hash([])} AS row_hash"
    columns = {trait: f"t{i}" for i, trait in enumerate(snapshot.traits)}
    values = [columns[trait] if columns[trait] in there else f"NULL::{SQL_TYPE[trait.kind]}" for trait in hashed]
    return f"CASE WHEN gone OR doubt THEN hash('no match', key) ELSE {row_hash(values)} END AS row_hash"
