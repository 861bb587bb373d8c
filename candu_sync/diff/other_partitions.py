"""A row that left one partition and is in another of the same sync: the traits that the other one set stay.

A user who moves from one segment to another is removed in the first and added in the second. In any order of the two,
the trait must end with the value of the new segment. If the first one is sent first, the constant of ``removed`` goes
out, and the row of the second follows it, whole. If the second one is sent first, the constant would undo it: so it is
left out for the traits that the second partition has sent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import duckdb

from candu_sync.diff.changed_rows import Diff
from candu_sync.diff.numbering import close_gaps
from candu_sync.embedded import literal, scalar
from candu_sync.snapshot import Snapshot, expose, snapshot_of
from candu_sync.state import State
from candu_sync.syncs import Sync, is_present

_ID = {"users": "user_id", "groups": "group_id"}

# Rows that left, and for which something is sent.
_LEFT = "op = 'removed' AND message IS NOT NULL"


def keep_what_others_set(connection: duckdb.DuckDBPyConnection, state: State, sync: Sync, partition: str | None,
                         diff: Diff, segments: Callable[[], Collection[str] | None]) -> None:
    """Take the constants of ``removed`` out of ``changes`` for users, or groups, that are in the snapshot of another
    partition with a value of that trait. A partition that has ended keeps nobody: its rows are to be removed, too.

    Args:
        connection: as ``diff`` left it.
        partition: the one whose changes these are; None: the sync has none, and nothing happens.
        segments: gives those that there are now (``present_segments``). It is called when a row left, for it may ask
            the warehouse.

    Raises:
        DamagedState: another partition's snapshot cannot be read.
    """
    if partition is None or not isinstance(sync.removed, dict) or not scalar(connection, f"""
            SELECT count(*)
            FROM changes
            WHERE {_LEFT}"""):
        return
    connection.execute("CREATE TABLE set_by_others (id VARCHAR, trait VARCHAR)")
    present = segments()
    for other in state.partitions(sync.name):
        if other != partition and is_present(sync, other, present):
            at = state.of(sync.name, other)
            _note(connection, sync, snapshot_of(at, at.current(), sync.kind))
    if scalar(connection, "SELECT count(*) FROM set_by_others"):
        _leave_out(connection, sync, diff)


def _note(connection: duckdb.DuckDBPyConnection, sync: Sync, snapshot: Snapshot) -> None:
    """Add to ``set_by_others``: which of those that left are in another partition's snapshot, with which traits."""
    constants = sync.removed if isinstance(sync.removed, dict) else {}
    id_ = _ID[sync.kind]
    # A cursor has views of its own.
    with connection.cursor() as cursor:
        expose(cursor, snapshot)
        for index, trait in enumerate(snapshot.traits):
            if trait.name in constants:
                cursor.execute(f"""
                    INSERT INTO set_by_others
                    SELECT DISTINCT {id_}, {literal(trait.name)}
                    FROM snapshot
                    WHERE NOT gone AND t{index} IS NOT NULL AND {id_} IN (
                        SELECT {id_}
                        FROM changes
                        WHERE {_LEFT}
                    )""")


def _leave_out(connection: duckdb.DuckDBPyConnection, sync: Sync, diff: Diff) -> None:
    """Take the traits of ``set_by_others`` out of the messages. What is not sent stays in the snapshot as it was."""
    for n, compared in enumerate(diff.compared):
        kept = "".join(f", t{i} = {f's.t{i}' if i in compared.stored else 'NULL'}" for i in compared.columns)
        connection.execute(f"""
            UPDATE changes
            SET c{n} = false{kept}
            FROM previous s
            WHERE s.key = changes.key AND op = 'removed' AND c{n} AND changes.{_ID[sync.kind]} IN (
                SELECT id
                FROM set_by_others
                WHERE trait = {literal(compared.name)}
            )""")
    flags = " OR ".join(f"c{n}" for n in range(len(diff.compared)))
    connection.execute(f"""
        UPDATE changes
        SET message = NULL
        WHERE op = 'removed' AND NOT ({flags})""")
    close_gaps(connection)
