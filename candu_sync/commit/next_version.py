"""Receipts → the next version of the snapshot: it takes in what Candu accepted, and only that.

The same few steps whether the run that sent the messages commits, or a later one does it for a run that was killed.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb
import pyarrow as pa

from candu_sync.changes import ChangeSet, Encoding
from candu_sync.commit.uncertain_events import note_uncertain
from candu_sync.embedded import arrow_file, open_embedded, scalar, write_arrow
from candu_sync.snapshot import REJECTED, Merged, Snapshot, expose_rejected, lay_over, snapshot_of
from candu_sync.state import Outcome, PartitionState, Version, ranges_table, remove_folder
from candu_sync.syncs import Sync


def commit(state: PartitionState, old: Version, sync: Sync, changes: ChangeSet, outcome: Outcome, *,
           memory: int) -> Version:
    """Make version ``old.number + 1`` from the change set and what became of its messages.

    Rows without a message (a row that left under ``removed: keep``) are taken in as they are: there was nothing to
    tell. Events that may or may not have arrived count as accepted under ``uncertain: skip``.

    Returns:
        The new version, or the old one when there is nothing to take in.

    Raises:
        StaleChanges: another run made that version first.
        DamagedState: the old version's files are not what they were.
    """
    state.check_newest(old.number)
    before = snapshot_of(state, old, sync.kind)
    note_uncertain(state, changes, outcome)
    folder = state.store.scratch()
    try:
        with open_embedded(memory, folder) as connection:
            _expose(connection, changes, outcome, skip=sync.kind == "events" and sync.uncertain == "skip")
            after = Snapshot(sync.kind, () if sync.kind == "events" else changes.traits)
            merged = lay_over(connection, before, after, after.given(changes.given), folder)
            expose_rejected(connection, before)
            rejected = _rejected(connection, changes, outcome, folder)
            newest = _newest(connection, sync, before.newest)
        if not merged.files and rejected is None and "rejected" not in old.files:
            return old
        return _put(state, old, changes, merged, rejected, newest)
    finally:
        remove_folder(folder)


def _put(state: PartitionState, old: Version, changes: ChangeSet, merged: Merged, rejected: Path | None,
         newest: dt.datetime | None) -> Version:
    kept = {role: file for role, file in old.files.items() if role not in merged.files and role != "rejected"}
    added = {role: path for role, path in merged.files.items() if path is not None}
    added |= {"rejected": rejected} if rejected is not None else {}
    traits = () if changes.kind == "events" else tuple((t.name, str(t.kind)) for t in changes.traits)
    version = Version(old.number + 1, changes.run_id, dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
                      changes.kind, traits, merged.live, newest.isoformat() if newest else None, kept)
    return state.commit(version, added)


def empty_version(state: PartitionState, old: Version, run_id: str) -> Version:
    """The next version with nothing new: it fences off a run whose claim is taken over."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return state.commit(Version(old.number + 1, run_id, now, old.kind, old.traits, old.rows, old.newest, old.files), {})


def _expose(connection: duckdb.DuckDBPyConnection, changes: ChangeSet, outcome: Outcome, *, skip: bool) -> None:
    """The views changes, messages, held, accepted (the rows that Candu has now, in the snapshot's layout) and doubtful
    (those that it may have, or not)."""
    connection.register("changes", arrow_file(changes.folder / "changes.arrow"))
    connection.register("held", arrow_file(changes.folder / "held.arrow"))
    connection.register("outgoing", arrow_file(changes.outgoing))
    connection.execute(f"CREATE TABLE told AS {_numbers(connection, 'accepted_ranges', outcome.accepted_ranges)}")
    connection.execute(f"CREATE TABLE unanswered AS {_numbers(connection, 'unanswered_ranges', outcome.uncertain)} "
                       "EXCEPT FROM told")
    if skip:
        connection.register("refused_numbers", pa.table({"message": pa.array(outcome.rejected, pa.int64())}))
        connection.execute("INSERT INTO told FROM unanswered ANTI JOIN refused_numbers USING (message)")
    flags = "" if changes.kind == "events" else ", op = 'removed' AS gone"
    connection.execute(f"CREATE TEMP VIEW accepted AS SELECT *{flags} FROM changes "
                       "WHERE message IS NULL OR message IN (FROM told)")
    connection.execute("CREATE TEMP VIEW doubtful AS SELECT * FROM changes WHERE message IN (FROM unanswered)")


def _numbers(connection: duckdb.DuckDBPyConnection, name: str, ranges: list[tuple[int, int]]) -> str:
    connection.register(name, ranges_table(ranges))
    return f"SELECT unnest(range(low, high + 1)) AS message FROM {name}"


def _rejected(connection: duckdb.DuckDBPyConnection, changes: ChangeSet, outcome: Outcome,
              folder: Path) -> Path | None:
    """The rows that Candu refused and that still are what it refused: those held from before, and the new ones. A
    refused event that the model did not return this time, since its cursor went on, is still refused."""
    refused = [(number, *rest) for number, rest in outcome.rejected.items()]
    columns = list(zip(*refused, strict=True)) or [(), (), (), ()]
    connection.register("refused", pa.table({
        "message": pa.array(columns[0], pa.int64()), "status": pa.array(columns[1], pa.int32()),
        "reason": pa.array(columns[2], pa.string()), "refused_at": pa.array(columns[3], pa.string())}))
    names = ", ".join(REJECTED.names)
    connection.register("run_of", pa.table({"run": [changes.run_id]}))
    told = (f"SELECT message, {Encoding(changes.kind, changes.traits).content_hash()} AS hash FROM "
            "(SELECT * FROM outgoing WHERE message IN (SELECT message FROM refused))")
    rows = (f"SELECT {names} FROM held UNION ALL SELECT {names} FROM (SELECT c.key, f.reason, f.status, f.refused_at, "
            f"run_of.run, m.hash FROM refused f JOIN changes c USING (message) JOIN ({told}) m USING (message), "
            "run_of)")
    if changes.kind == "events":
        rows += f" UNION ALL SELECT {names} FROM rejected ANTI JOIN changes USING (key) ANTI JOIN held USING (key)"
    path = folder / "rejected.arrow"
    return path if write_arrow(connection, rows, path) else None


def _newest(connection: duckdb.DuckDBPyConnection, sync: Sync, before: dt.datetime | None) -> dt.datetime | None:
    """The newest cursor value sent, but not beyond an event that was not: the next run must find that one again.
    Nor beyond now: one event dated in 2099 must not hide all that come before it."""
    if sync.cursor is None:
        return None
    accepted, unsent = (_time(connection, f"SELECT epoch_us({which}) FROM changes WHERE message {test} (FROM told)")
                        for which, test in (("max(cursor)", "IN"), ("min(cursor)", "NOT IN")))
    newest = max((t for t in (before, accepted) if t is not None), default=None)
    if newest is None:
        return None
    return min(t for t in (newest, unsent, dt.datetime.now(dt.UTC)) if t is not None)


def _time(connection: duckdb.DuckDBPyConnection, sql: str) -> dt.datetime | None:
    microseconds = scalar(connection, f"SELECT coalesce(({sql}), {_NEVER})")
    return None if microseconds == _NEVER else dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(
        microseconds=microseconds)

# No time that a row can have: before year 1.
_NEVER = -(2**62)
