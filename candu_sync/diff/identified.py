"""Events and memberships of users of whom no identify was accepted: Candu makes segments of identified users only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

import duckdb

from candu_sync.diff.numbering import close_gaps
from candu_sync.embedded import scalar
from candu_sync.local_time import instant_of
from candu_sync.snapshot import expose, snapshot_of
from candu_sync.state import PartitionState, State, Version, known_syncs
from candu_sync.syncs import Sync

# Bytes of the users' snapshots beyond which nobody is counted, unless rows are held: a run of a few events must not
# read (or, with an object store, fetch) the rows of millions of users.
LARGEST = 64_000_000

_GOES = "message IS NOT NULL AND op IN ('added', 'changed')"


@dataclass(frozen=True, kw_only=True)
class Unidentified:
    """What was found.

    Attributes:
        users: who were never identified, and of whom rows are to be sent or held; None: they were not counted.
        held: rows that were taken out of ``changes``.
        cursor, occurred: the oldest of their cursors and times, UTC; None: there is none.
    """

    users: int | None = None
    held: int = 0
    cursor: dt.datetime | None = None
    occurred: dt.datetime | None = None


def note_unidentified(connection: duckdb.DuckDBPyConnection, state: State, sync: Sync) -> Unidentified:
    """Count the users of the new rows in ``changes`` who were never identified; with ``unidentified: hold`` take their
    rows out.

    Args:
        connection: as ``diff`` left it; gets ``new_users``, ``identified``.

    Raises:
        DamagedState: the snapshot of a sync of users cannot be read.
    """
    if sync.kind == "users" or not scalar(connection, f"SELECT count(*) FROM changes WHERE {_GOES}"):
        return Unidentified()
    versions, hold = _of_users(state), sync.unidentified == "hold"
    if _too_many(versions) and not hold:
        return Unidentified()
    connection.execute(f"""
        CREATE TABLE new_users AS
        SELECT DISTINCT user_id
        FROM changes
        WHERE {_GOES}""")
    users = _count(connection, versions)
    return _held(connection, sync, users) if users and hold else Unidentified(users=users)


def count_unidentified(connection: duckdb.DuckDBPyConnection, state: State, users: Collection[str]) -> int | None:
    """How many of these users were never identified; None: they were not counted.

    Args:
        connection: an empty engine; gets ``new_users``, ``identified``.

    Raises:
        DamagedState: the snapshot of a sync of users cannot be read.
    """
    versions = _of_users(state)
    if _too_many(versions):
        return None
    connection.execute("CREATE TABLE new_users AS SELECT unnest($users) AS user_id", {"users": sorted(users)})
    return _count(connection, versions)


def _of_users(state: State) -> list[tuple[PartitionState, Version]]:
    """The newest versions of all syncs of users."""
    return [(at, at.current()) for name in known_syncs(state) if name.startswith("users/")
            for at in (state.of(name, partition) for partition in state.partitions(name))]


def _too_many(versions: list[tuple[PartitionState, Version]]) -> bool:
    return sum(file.bytes for _, version in versions for file in version.files.values()) > LARGEST


def _count(connection: duckdb.DuckDBPyConnection, versions: list[tuple[PartitionState, Version]]) -> int:
    """How many of ``new_users`` no version has; makes ``identified``."""
    connection.execute("CREATE TABLE identified (user_id VARCHAR)")
    for at, version in versions:
        _note(connection, at, version)
    return scalar(connection, "SELECT count(*) FROM new_users ANTI JOIN identified USING (user_id)")


def _note(connection: duckdb.DuckDBPyConnection, at: PartitionState, version: Version) -> None:
    # A cursor has views of its own.
    with connection.cursor() as cursor:
        expose(cursor, snapshot_of(at, version, "users"))
        cursor.execute("""
            INSERT INTO identified
            SELECT DISTINCT user_id
            FROM snapshot
            SEMI JOIN new_users USING (user_id)""")


def _held(connection: duckdb.DuckDBPyConnection, sync: Sync, users: int) -> Unidentified:
    """Take the new rows of these users out. The messages of the others keep their order, without gaps."""
    theirs = "op = 'added' AND user_id NOT IN (SELECT user_id FROM identified)"
    occurred = "occurred" if sync.kind == "events" else "NULL"
    cursor = "cursor" if sync.cursor is not None else "NULL"
    held, *times = connection.execute(f"""
        SELECT count(*), epoch_us(min({cursor}::TIMESTAMP)), epoch_us(min({occurred}::TIMESTAMP))
        FROM changes
        WHERE {theirs}""").fetchall()[0]
    connection.execute(f"DELETE FROM changes WHERE {theirs}")
    close_gaps(connection)
    oldest, first = (None if time is None else instant_of(time) for time in times)
    return Unidentified(users=users, held=int(held), cursor=oldest, occurred=first)
