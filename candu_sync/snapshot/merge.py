"""Merging the rows that Candu accepted into the snapshot: the files of the next one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from candu_sync.embedded import arrow_file, is_few, scalar, write_arrow
from candu_sync.rows import Trait
from candu_sync.snapshot.index_writer import IndexWriter
from candu_sync.snapshot.row_index import Index, hash_pairs
from candu_sync.snapshot.snapshot import (
    Snapshot,
    expose,
    file_columns,
    hashed_names,
    index_of,
    layout,
    stored_hash,
    trait_types,
)

# A delta over a fifth of its base is folded into it: reading both starts to cost more than one rewrite.
_FOLD_SHARE = 0.2

# So many new rows are kept as a table; more are read from the change set whenever they are needed.
_KEPT = 200_000


@dataclass(frozen=True)
class Merged:
    """The files of the next snapshot that are new; a role that is not named keeps its file, one with None loses it.

    Attributes:
        live: rows of the next snapshot that are not gone.
        staged_as: role → the name of the same file in the change set.
    """

    files: dict[str, Path | None]
    live: int
    staged_as: Mapping[str, str] = field(default_factory=dict)


def lay_over(connection: duckdb.DuckDBPyConnection, old: Snapshot, new: Snapshot, hashed: tuple[Trait, ...],
             folder: Path) -> Merged:
    """Merge the rows of the views ``accepted`` and ``doubtful`` into the old snapshot.

    Args:
        connection: where the views are; gets ``snapshot``, the old one with the new one's columns, and ``overlay``.
        old: the snapshot that the changes were computed from.
        new: its kind and traits afterwards; the traits begin with the old ones.
        hashed: the traits that the row indexes are to be of.
        folder: where to write.
    """
    expose(connection, replace(old, kind=new.kind, traits=new.traits))
    rows = _make_overlay(connection, new)
    if rows == 0:
        return Merged({}, old.rows)
    live = _live(connection, old, new)
    columns = ", ".join(layout(new))
    writer = _Writer(connection, new, hashed, folder)
    if old.base is None or _outgrown(old, rows):
        files = writer.write("base", f"""
            SELECT {columns}
            FROM snapshot
            ANTI JOIN overlay USING (key)
            UNION ALL
            FROM overlay""")
        return Merged({**files, "delta": None, "delta_index": None}, live)
    query = "FROM overlay"
    if old.delta is not None:
        query = f"""
            SELECT {file_columns(connection, new, "delta", old.delta)}
            FROM delta
            ANTI JOIN overlay USING (key)
            UNION ALL
            FROM overlay"""
    return Merged({**writer.write("delta", query), **writer.renew("base", old)}, live)


def _make_overlay(connection: duckdb.DuckDBPyConnection, new: Snapshot) -> int:
    """Make ``overlay``: the accepted and the doubtful rows in the snapshot's columns, one a key. Returns how many."""
    accepted = scalar(connection, "SELECT count(*) FROM accepted")
    # No event is in doubt: it counts as sent or as not sent.
    doubtful = scalar(connection, "SELECT count(*) FROM doubtful") if new.kind != "events" else 0
    # A row in doubt that left without a message stays in doubt.
    silent = scalar(connection, "SELECT count(*) FROM accepted WHERE message IS NULL")
    doubt = "message IS NULL AND key IN (SELECT key FROM snapshot WHERE doubt)" if silent else "false"
    listed = ", ".join(f"{doubt} AS doubt" if column == "doubt" else column for column in layout(new))
    # A few rows are read several times, many are read once.
    form = "TABLE" if accepted + doubtful <= _KEPT else "VIEW"
    connection.execute(f"""
        CREATE TEMP {form} overlay AS
        SELECT {listed}
        FROM accepted
        {_doubtful_part(new) if doubtful else ''}""")
    return accepted + doubtful


def _doubtful_part(new: Snapshot) -> str:
    """The doubtful rows in the snapshot's columns, as a further part of a UNION."""
    columns = {"gone": "false AS gone", "doubt": "true AS doubt",
               **{t: f"coalesce(d.{t}, s.{t}) AS {t}" for t in trait_types(new.traits)}}
    listed = ", ".join(columns.get(name, f"d.{name}") for name in layout(new))
    return f"""
        UNION ALL
        SELECT {listed}
        FROM doubtful d
        LEFT JOIN snapshot s ON s.key = d.key"""


def _live(connection: duckdb.DuckDBPyConnection, old: Snapshot, new: Snapshot) -> int:
    """How many rows of the next snapshot are not gone: those of before, and those that came or left since."""
    events = new.kind == "events"
    if old.base is None:
        return scalar(connection, f"SELECT count(*) FROM overlay{'' if events else ' WHERE NOT gone'}")
    # A row that changed or stayed was there and still is: the snapshot need not be read for it.
    came_or_left = "op IN ('added', 'removed')"
    connection.execute(f"""
        CREATE TEMP TABLE came_or_left AS
        SELECT key, {'false' if events else 'gone'} AS gone
        FROM accepted
        WHERE {came_or_left}
        UNION ALL
        SELECT key, false
        FROM doubtful
        WHERE {came_or_left} AND {not events}""")
    if scalar(connection, "SELECT count(*) FROM came_or_left") == 0:
        return old.rows
    # A semi-join keeps the few rows in memory and reads the many once. An outer join might do the opposite.
    return (old.rows
            + scalar(connection, "SELECT count(*) FROM came_or_left WHERE NOT gone")
            - scalar(connection, f"""
                SELECT count(*)
                FROM snapshot
                SEMI JOIN came_or_left USING (key)
                {'' if events else 'WHERE NOT gone'}"""))


def write_base(connection: duckdb.DuckDBPyConnection, query: str, snapshot: Snapshot, hashed: tuple[Trait, ...],
               folder: Path) -> dict[str, Path | None]:
    """Write a query's rows as the base of a snapshot, with its row index.

    Args:
        query: with the columns of ``layout``, one row a key.
        snapshot: its kind and traits.
        hashed: the traits that the row index is to be of.

    Returns:
        Role -> file; an index is None where the rows are few.
    """
    return _Writer(connection, snapshot, hashed, folder).write("base", query)


class _Writer:
    """Writes files of a snapshot, each with its row index. A file of a few rows needs none (``few_rows.py``)."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, hashed: tuple[Trait, ...],
                 folder: Path) -> None:
        self._connection, self._snapshot, self._hashed, self._folder = connection, snapshot, hashed, folder

    def write(self, name: str, query: str) -> dict[str, Path | None]:
        """A query's rows as the file ``name``."""
        path = self._folder / f"{name}.arrow"
        columns = stored_hash(self._snapshot, self._hashed, layout(self._snapshot))
        with self._connection.cursor() as cursor, IndexWriter(self._folder) as index:
            rows = write_arrow(self._connection, query, path,
                               lambda batch: index.add(*hash_pairs(cursor, batch, columns)))
            if is_few(rows):
                return {name: path, f"{name}_index": None}
            return {name: path, **self._save(name, index)}

    def renew(self, name: str, old: Snapshot) -> dict[str, Path | None]:
        """A new index for a file that stays, unless its index is of the right traits."""
        stored: Path | None = getattr(old, f"{name}_index")
        if stored is None and is_few(_length(getattr(old, name))):
            return {}
        if stored is not None and Index.load(stored, hashed_names(self._hashed)) is not None:
            return {}
        with self._connection.cursor() as cursor:
            old = replace(old, traits=self._snapshot.traits)
            return self._save(name, index_of(cursor, replace(old, base_index=None), name, self._hashed))

    def _save(self, name: str, index: Index | IndexWriter) -> dict[str, Path | None]:
        path = self._folder / f"{name}_index.arrow"
        index.save(path, hashed_names(self._hashed))
        return {f"{name}_index": path}


def _outgrown(old: Snapshot, rows: int) -> bool:
    return (_length(old.delta) if old.delta else 0) + rows > _FOLD_SHARE * (_length(old.base) if old.base else 0)


def _length(path: Path) -> int:
    """The rows of an Arrow IPC file, by its index of batches."""
    return int(arrow_file(path).count_rows())
