"""A diff narrowed to the rows that may differ, by the snapshot's row index.

Rows that Candu has just so are counted and left out while the result streams in; of the snapshot only those rows are
read that no row of the result has met. What both sides then hold is compared by the same SQL as whole tables would be
(``diff.py``), so a row that was met is put back on both sides wherever that SQL must see it: when another row of the
result has its key (they are duplicates), and, of groups, when anything in its group may differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc

from candu_sync.embedded import arrow_file, scalar
from candu_sync.rows import SQL_TYPE, Result, Trait
from candu_sync.snapshot import Index, Snapshot, hashes, index_of, layout, row_hash, select_list, typed_nulls

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]


class Narrowing:
    """Which rows of one result a snapshot has just so, and which not.

    Args:
        connection: the engine of the diff.
        snapshot: with at least one file.
        result: whose batches will go through ``news``.

    Attributes:
        left_out: rows of the result, equal ones counted once, that are in neither table; known after ``rest``.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, result: Result) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._snapshot = snapshot
        self._result = result
        self._hashed = snapshot.given(result.names)
        self._files = {name: path for name, path in (("base", snapshot.base), ("delta", snapshot.delta)) if path}
        self._indexes = {name: index_of(self._cursor, snapshot, name, self._hashed) for name in self._files}
        if "delta" in self._indexes:
            self._indexes["base"].cover(self._indexes["delta"].key_hashes)
        self._news = [np.empty(0, np.uint64)]
        self.left_out = 0

    def news(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The rows of the result's batches that the snapshot has not just so; batches without one are left out."""
        for batch in batches:
            found = hashes(self._cursor, batch, self._columns(batch))
            key_hash, row_hashes, apart = (column.to_numpy() for column in found.columns)
            met = np.zeros(batch.num_rows, np.bool_)
            together = ~apart
            for index in self._indexes.values():
                met[together] |= index.meet(key_hash[together], row_hashes[together])
            if not met.all():
                self._news.append(key_hash[~met])
                yield batch.filter(pa.array(~met))

    def _columns(self, batch: pa.RecordBatch) -> str:
        """The row hash of a result's batch, of the snapshot's traits; and which rows cannot be in the snapshot, since
        they are set aside or have a value of a trait that it does not know."""
        columns: dict[Trait, str] = {} if self._snapshot.kind == "events" else self._columns_of(batch)
        values = [columns.pop(trait, f"NULL::{SQL_TYPE[trait.kind]}") for trait in self._hashed]
        apart = " OR ".join(["reason IS NOT NULL", *(f"{column} IS NOT NULL" for column in columns.values())])
        return f"{row_hash(values)} AS row_hash, ({apart}) AS apart"

    def _columns_of(self, batch: pa.RecordBatch) -> dict[Trait, str]:
        return {trait: f"t{j}" for j, trait in enumerate(self._result.traits) if f"t{j}" in batch.schema.names}

    def rest(self) -> None:
        """Make the table ``snapshot``: the rows that were not met, and those that are put back, into the table
        ``result`` too. Call it once, when the result is loaded."""
        self._connection.execute(f"CREATE TEMP TABLE snapshot AS SELECT {typed_nulls(self._snapshot)}, "
                                 "false AS met LIMIT 0")
        news = np.concatenate(self._news)
        met = sum(index.met for index in self._indexes.values())
        # Of events there is nothing to compare or to remove, and a row that is gone needs no second farewell.
        if self._snapshot.kind != "events" and (len(news) or met < self._snapshot.rows):
            self._read(lambda index: ~index.met_rows() | index.met_rows(news))
            if self._snapshot.kind == "groups":
                self._connection.execute("CREATE TEMP TABLE touched AS SELECT group_id FROM result "
                                         "WHERE group_id IS NOT NULL UNION SELECT group_id FROM snapshot")
                self._read(lambda index: index.met_rows() & ~index.met_rows(news),
                           "group_id IN (SELECT group_id FROM touched)")
            self._put_back()
        self.left_out = met - scalar(self._connection, "SELECT count(*) FROM snapshot WHERE met")

    def _read(self, choose: Callable[[Index], Mask], where: str = "true") -> None:
        """Add the chosen rows of the snapshot's files to the table ``snapshot``; of those of the base that the delta
        has too, the delta's."""
        for name, path in self._files.items():
            index = self._indexes[name]
            take = choose(index)
            if not take.any():
                continue
            rows = pa.RecordBatchReader.from_batches(*_chosen(path, take, index.met_rows()))
            self._connection.register("rest_of_file", rows)
            listed = select_list(layout(self._snapshot), rows.schema.names)
            covered = ""
            if name == "base" and "delta" in self._files:
                self._connection.register("covering", arrow_file(self._files["delta"]))
                covered = " ANTI JOIN covering USING (key)"
            self._connection.execute(f"INSERT INTO snapshot SELECT {listed}, met FROM rest_of_file{covered} "
                                     f"WHERE {where}")
            self._connection.unregister("rest_of_file")

    def _put_back(self) -> None:
        """Into the result, the rows that were met and must be seen all the same: they are as the snapshot has them."""
        traits = self._result.traits
        stored = {f"t{i}": f"t{traits.index(trait)}" for i, trait in enumerate(self._snapshot.traits)
                  if trait in traits}
        ids = ["key", "user_id", *(["group_id"] if self._snapshot.kind == "groups" else [])]
        listed = ", ".join([*ids, *(f"{i} AS {j}" for i, j in stored.items())])
        self._connection.execute(f"INSERT INTO result BY NAME SELECT {listed} FROM snapshot WHERE met")


def _chosen(path: Path, take: Mask, met: Mask) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The rows ``take`` of an Arrow file, with a column ``met``."""
    # Not mapped: each batch is read once, and would else stay in the process's memory until its end.
    reader = ipc.open_file(pa.OSFile(str(path)))
    schema = reader.schema.append(pa.field("met", pa.bool_()))

    def batches() -> Iterator[pa.RecordBatch]:
        start = 0
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            part = slice(start, start + batch.num_rows)
            start += batch.num_rows
            if take[part].any():
                flagged = pa.RecordBatch.from_arrays([*batch.columns, pa.array(met[part])], schema=schema)
                yield flagged.filter(pa.array(take[part]))

    return schema, batches()
