"""Tombstones: the salted hash of an id identifies a forgotten person, whose rows are left out of what is read.

``tombstone_files`` says where they are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from candu_sync.changes import ChangeSet
from candu_sync.embedded import literal
from candu_sync.errors import StaleChanges
from candu_sync.forgetting.tombstone_files import hashes_of_all
from candu_sync.naming import named
from candu_sync.state import State


@dataclass(frozen=True)
class Tombstones:
    """The people who are forgotten.

    Attributes:
        salt: of the hashes.
        hashes: SHA-256 of salt and id, in hexadecimal digits.

    Example:
        >>> from candu_sync.forgetting.tombstone_files import hash_of
        >>> found = Tombstones("salt", frozenset({hash_of("salt", "u1")}))
        >>> rows = pa.record_batch({"user_id": ["u1", "u2"]})
        >>> [batch.to_pylist() for batch in found.left_out(duckdb.connect(), [rows], lambda rows: None)]
        [[{'user_id': 'u2'}]]
    """

    salt: str
    hashes: frozenset[str]

    def left_out(self, connection: duckdb.DuckDBPyConnection, batches: Iterable[pa.RecordBatch],
                 count: Callable[[int], None]) -> Iterator[pa.RecordBatch]:
        """The batches without the rows of these people.

        Args:
            connection: to hash in.
            batches: with a column ``user_id`` (string).
            count: is called with the number of rows that are left out of a batch.
        """
        if not self.hashes:
            yield from batches
            return
        with connection.cursor() as cursor:
            for batch in batches:
                keep = pc.invert(self._forgotten(cursor, batch))
                kept = batch.filter(keep)
                if kept.num_rows < batch.num_rows:
                    count(batch.num_rows - kept.num_rows)
                if kept.num_rows:
                    yield kept

    def _forgotten(self, cursor: duckdb.DuckDBPyConnection, batch: pa.RecordBatch) -> pa.Array:
        cursor.register("rows_to_check", pa.record_batch({"user_id": batch.column("user_id").cast(pa.string())}))
        found = cursor.sql(f"SELECT {self.condition} AS forgotten FROM rows_to_check").to_arrow_table()
        return found.column("forgotten").combine_chunks()

    @property
    def condition(self) -> str | None:
        """SQL of the condition that a row with the column ``user_id`` is of one of these people; None: there are
        none."""
        listed = ", ".join(map(literal, sorted(self.hashes)))
        return f"coalesce(sha256({literal(self.salt)} || user_id) IN ({listed}), false)" if listed else None

    def check(self, changes: ChangeSet) -> None:
        """Refuse a change set that was made before one of these people was forgotten.

        Raises:
            StaleChanges: it was.
        """
        if not self.hashes <= set(changes.forgotten):
            raise StaleChanges(f"{named(changes.sync, changes.partition)}: a person was forgotten since these changes "
                               "were made: make the plan again")


def read_tombstones(state: State, *, lately: bool = False) -> Tombstones:
    """The people who are forgotten now.

    Args:
        lately: it is enough to know of those who were forgotten some seconds ago: nothing is sent or written before the
            others are asked for, too.

    Raises:
        StateError: the state cannot be read.
    """
    return Tombstones(str(state.workspace), hashes_of_all(state, lately=lately))
