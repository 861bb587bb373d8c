"""Tombstones: the salted hash of an id identifies a forgotten person, whose rows are left out of what is read.

One is the object ``forgotten/<hash>.json`` at the root of the state, with the time when it was put and when the
forgetting was finished (null: it was interrupted). The salt is the state's id: a person who has the state can test a
guess, but cannot read an id.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from candu_sync.changes import ChangeSet
from candu_sync.embedded import literal
from candu_sync.errors import StaleChanges
from candu_sync.naming import named
from candu_sync.state import State

_FOLDER = "forgotten/"
_CERTIFICATES = f"{_FOLDER}certificates/"


@dataclass(frozen=True)
class Tombstones:
    """The people who are forgotten.

    Attributes:
        salt: of the hashes.
        hashes: SHA-256 of salt and id, in hexadecimal digits.

    Example:
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


def hash_of(salt: str, user_id: str) -> str:
    """The hash of a person's id."""
    return hashlib.sha256((salt + user_id).encode()).hexdigest()


def read_tombstones(state: State, *, lately: bool = False) -> Tombstones:
    """The people who are forgotten now.

    Args:
        lately: it is enough to know of those who were forgotten some seconds ago: nothing is sent or written before the
            others are asked for, too.

    Raises:
        StateError: the state cannot be read.
    """
    # On a disk, the folder itself is looked at sooner than all others.
    if lately and state.store.folder is None and _FOLDER.rstrip("/") not in state.root.folders():
        return Tombstones(str(state.workspace), frozenset())
    names = [name for name in state.store.list(_FOLDER) if not name.startswith(_CERTIFICATES)]
    return Tombstones(str(state.workspace), frozenset(PurePosixPath(name).stem for name in names))


def is_forgotten(state: State, user_id: str) -> bool:
    """Whether a person is forgotten, by the id.

    Raises:
        StateError: the state cannot be read.
    """
    return state.store.get(_name(state, user_id)) is not None


def unfinished(state: State) -> int:
    """How many people are being forgotten, or were when that was interrupted.

    Raises:
        StateError: the state cannot be read.
    """
    bodies = (state.store.get(name) for name in state.store.list(_FOLDER) if not name.startswith(_CERTIFICATES))
    return sum(json.loads(body)["finished"] is None for body in bodies if body)


def put_tombstone(state: State, user_id: str, *, finished: bool) -> None:
    """Put a person's tombstone, or write down that the forgetting is finished."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    state.store.put(_name(state, user_id), json.dumps({"at": now, "finished": now if finished else None}).encode())


def lift_tombstone(state: State, user_id: str) -> bool:
    """Remove a person's tombstone; False: there is none."""
    if not is_forgotten(state, user_id):
        return False
    state.store.delete(_name(state, user_id))
    return True


def keep_certificate(state: State, certificate: dict[str, object], run_id: str) -> str:
    """Write down what was removed from where; returns where that is."""
    name = f"{_CERTIFICATES}{run_id}.json"
    state.store.put(name, json.dumps(certificate, indent=1).encode())
    return state.store.place(name)


def _name(state: State, user_id: str) -> str:
    return f"{_FOLDER}{hash_of(str(state.workspace), user_id)}.json"
