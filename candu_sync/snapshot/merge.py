"""Laying what Candu accepted over the snapshot: the files of the next one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa

from candu_sync.embedded import arrow_file, scalar, write_arrow
from candu_sync.rows import Trait
from candu_sync.snapshot.row_index import Index, hashes
from candu_sync.snapshot.snapshot import (
    Snapshot,
    _columns,
    _stored_hash,
    expose,
    hashed_names,
    index_of,
    layout,
    trait_types,
)

# A delta over a fifth of its base is folded into it: reading both starts to cost more than one rewrite.
_FOLD_SHARE = 0.2

# Rows told that a merge keeps at hand, rather than read them from the change set again.
_KEPT = 200_000


@dataclass(frozen=True)
class Merged:
    """The files of the next snapshot that are new; a role that is not named keeps its file, one with None loses it."""

    files: dict[str, Path | None]
    live: int


def lay_over(connection: duckdb.DuckDBPyConnection, old: Snapshot, new: Snapshot, hashed: tuple[Trait, ...],
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
