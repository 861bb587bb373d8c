"""The prefilter: it leaves to the diff only the rows that may differ, by the snapshot's row index.

Rows that Candu already has as they are *match* a row of the snapshot: they are counted and left out while the result
streams in. Of the snapshot, only the rows that nothing matched are read. Both sides are then compared by the same SQL
as whole tables would be (``changed_rows.py``). So a matched row is put back on both sides wherever that SQL must see
it: when another row of the result has its key (they are duplicates), when it shares its group, or its user, with a row
that may differ (``shared_id``), and when it is its turn to be refreshed (``refresh.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa

from candu_sync.arrow_rows import plain, read_schema, stored_batches
from candu_sync.diff.refresh import Refresh
from candu_sync.diff.trait_rules import nulls_to_replace
from candu_sync.embedded import arrow_file, give_memory_back, scalar
from candu_sync.rows import SQL_TYPE, Result, Trait
from candu_sync.snapshot import (
    Index,
    RowPairs,
    Snapshot,
    hashes,
    index_of,
    key_hash,
    layout,
    row_hash,
    select_list,
    typed_nulls,
)
from candu_sync.syncs import Sync

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]
    Mask = NDArray[np.bool_]


# Two hashes are made one by it.
_ODD = 0x9E3779B97F4A7C15


def shared_id(sync: Sync) -> str | None:
    """The id that several rows of a result may share: a group's, or a user's when the key has further columns.

    Rows that share it must agree on its traits, and the constants of ``removed`` wait until the last of them left.
    None: every row has an id of its own.

    Example:
        >>> shared_id(sync), shared_id(sync.model_copy(update={"key": ("user_id", "org")}))
        (None, 'user_id')
    """
    if sync.kind == "groups":
        return "group_id"
    return "user_id" if sync.kind == "users" and len(sync.key) > 1 else None


class Prefilter:
    """Which rows of one result a snapshot has as they are, and which not.

    Args:
        connection: the engine of the diff.
        sync: whose rows these are.
        snapshot: with at least one file.
        result: whose batches will go through ``unmatched``.
        chosen: SQL of a condition: rows that meet it count as not matched, for they are sent as they are.
        refresh: whose turn it is to be sent as they are; None: no row's.
        theirs: the names of two columns that the batches carry, the warehouse's hashes of key and row; empty: none.
        learn: is called with the rows that go through ``unmatched`` with hashes of the warehouse, and that nothing but
            their hashes decides about; None: nobody wants to know.

    Attributes:
        left_out: rows of the result that match, equal ones counted once, and that are in neither table; known after
            ``make_previous``.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, sync: Sync, snapshot: Snapshot,
                 result: Result, chosen: str | None = None, refresh: Refresh | None = None,
                 theirs: Sequence[str] = (), learn: Callable[[RowPairs], None] | None = None) -> None:
        # An event that was sent is never sent again, also when it is named.
        self._chosen = None if sync.kind == "events" else chosen
        self._due = "false" if refresh is None else refresh.due()
        self._shared = shared_id(sync)
        self._connection = connection
        self._cursor = connection.cursor()
        self._snapshot = snapshot
        self._result = result
        self._hashed = snapshot.given(result.names)
        self._replaced = sorted(nulls_to_replace(sync, snapshot).intersection(result.names))
        self._files = [name for name in ("base", "delta") if snapshot.has(name)]
        self._indexes = {name: index_of(self._cursor, snapshot, name, self._hashed) for name in self._files}
        if "delta" in self._indexes:
            self._indexes["base"].mark_replaced(self._indexes["delta"].key_hashes)
        self._unmatched_keys = [np.empty(0, np.uint64)]
        self._due_keys = [np.empty(0, np.uint64)]
        self._theirs, self._learn = tuple(theirs), learn
        self._missing = np.empty(0, np.uint64)
        self.left_out = 0

    def match(self, key_hashes: Hashes, row_hashes: Hashes) -> Mask:
        """Which rows, given by the row index's hashes, the snapshot has as they are. They count as rows of the result
        that went through ``unmatched``."""
        matched = np.zeros(len(key_hashes), np.bool_)
        for index in self._indexes.values():
            matched |= index.match(key_hashes, row_hashes)
        return matched

    def match_total(self, total: tuple[int, int, int]) -> bool:
        """Whether the rows of a result are those of the snapshot, by how many they are and the sums of their two
        hashes, modulo 2^64. If so, all rows of the snapshot count as matched."""
        parts = [index.counted() for index in self._indexes.values()]
        rows, keys, values = (sum(part[n] for part in parts) for n in range(3))
        # A row that is gone is in its file still: then nothing is said.
        if rows != self._snapshot.rows or (rows, keys % 2**64, values % 2**64) != total:
            return False
        for index in self._indexes.values():
            index.match_all()
        return True

    def note_missing(self, key_hashes: Hashes, row_hashes: Hashes) -> None:
        """Rows that ``match`` did not find. When they come they are not looked up again, which would bring all of the
        index back into memory. A row that is taken for one of them is compared by value, as they are."""
        self._missing = np.unique(_mixed(key_hashes, row_hashes))

    def give_back(self) -> None:
        """Let the system have the memory that look-ups took: most rows were looked up."""
        for index in self._indexes.values():
            index.give_back()

    def unmatched(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The rows of the result's batches that match no row of the snapshot, or are to be refreshed; batches without
        such rows are dropped."""
        for batch in batches:
            found = hashes(self._cursor, batch, self._columns(batch))
            key_hashes, row_hashes, unknown, due = (column.to_numpy() for column in found.columns)
            matched = np.zeros(batch.num_rows, np.bool_)
            known = ~unknown
            asked = known & ~np.isin(_mixed(key_hashes, row_hashes), self._missing)
            matched[asked] = self.match(key_hashes[asked], row_hashes[asked])
            if self._theirs:
                if self._learn is not None:
                    self._learn(self._pairs(batch, known, key_hashes, row_hashes))
                batch = batch.drop_columns(list(self._theirs))
            if not matched.all():
                self._unmatched_keys.append(key_hashes[~matched])
            due = due & matched
            if due.any():
                self._due_keys.append(key_hashes[due])
            taken = ~matched | due
            if taken.any():
                yield batch.filter(pa.array(taken))

    def _pairs(self, batch: pa.RecordBatch, known: Mask, key_hashes: Hashes, row_hashes: Hashes) -> RowPairs:
        keys, rows = (batch.column(name) for name in self._theirs)
        sure = known & keys.is_valid().to_numpy(zero_copy_only=False)
        their_key, their_row = (column.fill_null(0).to_numpy().view(np.uint64)[sure] for column in (keys, rows))
        return RowPairs(their_key, their_row, key_hashes[sure], row_hashes[sure])

    def _columns(self, batch: pa.RecordBatch) -> str:
        """The row hash of a result's batch, of the snapshot's traits; and which rows must be compared: those that are
        set aside, those with a value of a new trait, and those whose null is to become a constant; and whose turn it is
        to be refreshed."""
        columns: dict[Trait, str] = {} if self._snapshot.kind == "events" else self._columns_of(batch)
        values = [columns.pop(trait, f"NULL::{SQL_TYPE[trait.kind]}") for trait in self._hashed]
        unknown = " OR ".join(["reason IS NOT NULL", *(f"{column} IS NOT NULL" for column in columns.values()),
                               *([] if self._chosen is None else [f"coalesce({self._chosen}, false)"]),
                               *self._nulls_to_replace(batch)])
        return f"{row_hash(values)} AS row_hash, ({unknown}) AS unknown, {self._due} AS due"

    def _nulls_to_replace(self, batch: pa.RecordBatch) -> Iterator[str]:
        """Tests for the rows with a null that is to become a constant: the snapshot has them as they are."""
        for name in self._replaced:
            column = f"t{self._result.names.index(name)}"
            yield f"{column} IS NULL" if column in batch.schema.names else "true"

    def _columns_of(self, batch: pa.RecordBatch) -> dict[Trait, str]:
        return {trait: f"t{j}" for j, trait in enumerate(self._result.traits) if f"t{j}" in batch.schema.names}

    @property
    def matched(self) -> int:
        """Rows of the snapshot that a row of the result matched so far."""
        return sum(index.matched for index in self._indexes.values())

    @property
    def everything_matched(self) -> bool:
        """Whether there is nothing to compare: each row of the result matched, and of users and groups, each row of
        the snapshot that has not left. Known when all batches were read."""
        gone = self._snapshot.kind != "events" and self.matched < self._snapshot.rows
        return len(self._unmatched_keys) == len(self._due_keys) == 1 and not gone

    def make_previous(self) -> None:
        """Make the table ``previous``: the snapshot's rows that nothing matched, and those that are put back, the
        latter into the table ``result`` too. Call it once, when the result is loaded."""
        self._connection.execute(f"""
            CREATE TEMP TABLE previous AS
            SELECT {typed_nulls(self._snapshot)}, false AS matched
            LIMIT 0""")
        keys = np.concatenate(self._unmatched_keys)
        matched = self.matched
        self.give_back()
        # Events are neither compared nor removed, and a row that is gone is not removed again.
        if self._snapshot.kind != "events" and (len(keys) or matched < self._snapshot.rows):
            self._read(lambda index, matched: _with(~matched, index.matched_among(keys)))
            if self._shared is not None:
                self._read_shared(keys, self._shared)
            self._put_back()
        if len(self._due_keys) > 1:
            self._read_due(np.concatenate(self._due_keys))
        give_memory_back()
        self.left_out = matched - scalar(self._connection, "SELECT count(*) FROM previous WHERE matched")

    def _read_shared(self, keys: NDArray[np.uint64], id_: str) -> None:
        """Add the matched rows that share their id with a row that may differ."""
        self._connection.execute(f"""
            CREATE TEMP TABLE ids_to_compare AS
            SELECT {id_} AS id
            FROM result
            WHERE {id_} IS NOT NULL{self._may_differ(keys)}
            UNION
            SELECT {id_}
            FROM previous""")
        self._read(lambda index, matched: _with(matched.copy(), index.matched_among(keys), chosen=False),
                   f"WHERE {id_} IN (FROM ids_to_compare)")

    def _may_differ(self, keys: NDArray[np.uint64]) -> str:
        """A further condition, SQL: the row is not in the result for its turn only. The others of its group, or user,
        are then as the snapshot has them, too."""
        if len(self._due_keys) == 1:
            return ""
        self._connection.register("unmatched_keys", pa.table({"key_hash": keys}))
        return f" AND (NOT {self._due} OR {key_hash()} IN (FROM unmatched_keys))"

    def _read_due(self, keys: NDArray[np.uint64]) -> None:
        """Add the matched rows that are to be refreshed: the result has them already."""
        self._read(lambda index, matched: _with(np.zeros_like(matched), index.matched_among(keys)), f"""
                WHERE {self._due} AND key NOT IN (
                    SELECT key
                    FROM previous
                )""")

    def _read(self, choose: Callable[[Index, Mask], Mask], where: str = "") -> None:
        """Add the chosen rows of the snapshot's files to the table ``previous``; of rows of the base that the delta
        has too, the delta's.

        Args:
            choose: which rows of a file, by its index and which of its rows were matched.
        """
        for name in self._files:
            index = self._indexes[name]
            matched = index.matched_rows()
            take = choose(index, matched)
            index.give_back()
            path = getattr(self._snapshot, name) if take.any() else None
            if path is None:
                continue
            rows = pa.RecordBatchReader.from_batches(*_chosen(path, take, matched))
            self._connection.register("chosen_rows", rows)
            replaced = ""
            if name == "base" and "delta" in self._files:
                assert self._snapshot.delta is not None
                self._connection.register("delta", arrow_file(self._snapshot.delta))
                replaced = "ANTI JOIN delta USING (key)"
            self._connection.execute(f"""
                INSERT INTO previous
                SELECT {select_list(layout(self._snapshot), rows.schema.names)}, matched
                FROM chosen_rows
                {replaced}
                {where}""")
            self._connection.unregister("chosen_rows")

    def _put_back(self) -> None:
        """Add to the result the matched rows that the SQL must see: they are as the snapshot has them."""
        traits = self._result.traits
        stored = {f"t{i}": f"t{traits.index(trait)}" for i, trait in enumerate(self._snapshot.traits)
                  if trait in traits}
        ids = ["key", "user_id", *(["group_id"] if self._snapshot.kind == "groups" else [])]
        listed = ", ".join([*ids, *(f"{i} AS {j}" for i, j in stored.items())])
        self._connection.execute(f"""
            INSERT INTO result BY NAME
            SELECT {listed}
            FROM previous
            WHERE matched{'' if len(self._due_keys) == 1 else f' AND NOT {self._due}'}""")


def _mixed(keys: Hashes, rows: Hashes) -> Hashes:
    """The hashes of key and row in one."""
    return keys ^ (rows * np.uint64(_ODD))


def _with(rows: Mask, numbers: NDArray[np.uint32], *, chosen: bool = True) -> Mask:
    """The rows, in which those of these numbers are chosen, or are not."""
    rows[numbers] = chosen
    return rows


def _chosen(path: Path, take: Mask, matched: Mask) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The rows ``take`` of an Arrow file, with a column ``matched``."""
    schema = read_schema(path).append(pa.field("matched", pa.bool_()))

    def batches() -> Iterator[pa.RecordBatch]:
        start = 0
        for batch in stored_batches(path):
            part = slice(start, start + batch.num_rows)
            start += batch.num_rows
            if take[part].any():
                # Dictionaries are for the rows that are left.
                chosen = plain(batch.filter(pa.array(take[part])))
                yield pa.RecordBatch.from_arrays([*chosen.columns, pa.array(matched[part][take[part]])], schema=schema)

    return schema, batches()
