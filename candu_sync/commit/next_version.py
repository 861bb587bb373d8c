"""Receipts → the next version of the snapshot: it takes in what Candu accepted, and nothing else. The steps are the
same for a run that sent the messages and for a later run that commits for a killed one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa

from candu_sync.arrow_rows import read_table
from candu_sync.changes import BASE_INDEX, CHANGES, FILES, FLAGS, HELD, ChangeSet, Encoding
from candu_sync.commit.event_times import event_times, newest_cursor
from candu_sync.commit.moves import lay_moves_over
from candu_sync.commit.new_traits import arriving_traits, dropped_traits
from candu_sync.commit.refreshed import refreshed_at_first, refreshed_until
from candu_sync.commit.sent_nulls import nulled_traits
from candu_sync.commit.uncertain_events import note_uncertain
from candu_sync.embedded import Embedded, arrow_file, is_few, literal, write_arrow
from candu_sync.errors import StateError
from candu_sync.history import HistoryPolicy, record_run, tidy
from candu_sync.snapshot import (
    FORGOTTEN,
    REJECTED,
    Merged,
    Snapshot,
    expose_refused,
    first_files,
    lay_over,
    snapshot_of,
)
from candu_sync.state import (
    EventTimes,
    Outcome,
    PartitionState,
    RowIdentity,
    Version,
    ranges_table,
    remove_folder,
)
from candu_sync.syncs import Sync

# Role → the file of a change set that may become it.
_STAGED_AS = {"base": CHANGES, "base_index": BASE_INDEX}


def commit(state: PartitionState, old: Version, sync: Sync, changes: ChangeSet, outcome: Outcome, *,
           engine: Embedded, history: HistoryPolicy | None = None,
           digests: Iterator[pa.RecordBatch] | None = None) -> Version:
    """Make version ``old.number + 1`` from the change set and what became of its messages.

    Rows without a message (a row that left under ``removed: keep``) are taken in as they are: nothing had to be sent.
    Events that may or may not have arrived count as accepted under ``uncertain: skip``.

    Args:
        engine: to work in.
        history: what the ledger keeps of the run; None: nothing was sent, and nothing is written.
        digests: those of the push's messages; None: they are computed again.

    Returns:
        The new version, or the old one when there is nothing to take in.

    Raises:
        StaleChanges: another run made that version first.
        DamagedState: the old version's files were changed.
        StateError: the change set was removed, or the state cannot be written.
    """
    state.check_newest(old.number)
    rerouted = bool(old.files) and old.route != changes.route
    if changes.folder is None:
        return empty_version(state, replace(old, route=changes.route), changes.run_id) if rerouted else old
    _check_there(state, changes, outcome)
    before = snapshot_of(state, old, sync.kind)
    note_uncertain(state, changes, outcome)
    folder = state.store.scratch()
    try:
        if history is not None and record_run(state, changes, outcome, before, history, engine=engine, folder=folder,
                                              digests=digests):
            tidy(state, history, dt.datetime.now(dt.UTC))
        found = (_first(sync, changes, before, old, folder) if _is_first(old, sync, changes, outcome) else
                 _merged(state, old, sync, changes, outcome, before, engine, folder))
        merged, rejected = found.merged, found.rejected
        forgets, identity = bool(changes.summary.gone_traits), _identity(changes, old)
        renewed = rerouted or (old.number > 0 and (identity, found.refreshed) != (old.identity, old.refreshed))
        if not merged.files and rejected is None and "rejected" not in old.files and not forgets and not renewed:
            return old
        made = replace(_next(old, changes, merged, found.newest), identity=identity, events=found.events,
                       nulled=found.nulled, arriving=arriving_traits(changes, outcome), refreshed=found.refreshed)
        made = made.made_of(changes.result if _has_all(changes, outcome, merged) else None)
        return _put(state, made, merged, {"rejected": rejected, "moves": found.moves})
    finally:
        remove_folder(folder)


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What a version is made of.

    Attributes:
        rejected, moves: new files.
        newest, events, nulled, refreshed: as the version has them.
    """

    merged: Merged
    newest: dt.datetime | None
    rejected: Path | None = None
    moves: Path | None = None
    events: EventTimes | None = None
    nulled: tuple[str, ...] = ()
    refreshed: str | None = None


def _merged(state: PartitionState, old: Version, sync: Sync, changes: ChangeSet, outcome: Outcome, before: Snapshot,
            engine: Embedded, folder: Path) -> _Found:
    """Lay over the old version what was accepted."""
    with engine.use() as connection:
        _make_accepted(connection, changes, outcome, skip=sync.kind == "events" and sync.uncertain == "skip")
        after = _after(changes)
        merged = lay_over(connection, before, after, after.given(changes.given), folder)
        expose_refused(connection, before)
        refused = outcome.rejected or before.rejected is not None
        rejected = _rejected(connection, changes, folder) if refused else None
        newest, events = _times(connection, sync, changes, before.newest, old)
        nulled = nulled_traits(connection, old, changes, outcome)
        refreshed = refreshed_until(connection, sync, changes, old)
        moves = lay_moves_over(connection, changes, state.open(old.files.get("moves")), old.number + 1, folder)
    return _Found(merged=merged, newest=newest, rejected=rejected, moves=moves, events=events, nulled=nulled,
                  refreshed=refreshed)


def _is_first(old: Version, sync: Sync, changes: ChangeSet, outcome: Outcome) -> bool:
    """Whether this is a first version of users, all of whom Candu accepted, and they are few or their file may become
    the base."""
    summary = changes.summary
    accepted, refused = outcome.settled
    return (old.number == 0 and sync.kind == "users" and not (summary.changed or summary.removed or summary.held)
            and not (changes.full or changes.keys or refused or outcome.uncertain) and accepted >= summary.messages
            and (is_few(summary.added) or changes.file(BASE_INDEX).exists()))


def _first(sync: Sync, changes: ChangeSet, before: Snapshot, old: Version, folder: Path) -> _Found:
    """As ``_merged``, without the engine."""
    refreshed = refreshed_at_first(sync, changes, old)
    if is_few(changes.summary.added):
        rows = read_table(changes.file(CHANGES))
        return _Found(merged=first_files(rows, _after(changes), folder), newest=before.newest, refreshed=refreshed)
    # The change set keeps its files: until the version is there, a process may die and another one commit.
    files = {role: folder / f"{role}.arrow" for role in _STAGED_AS}
    for role, path in files.items():
        path.hardlink_to(changes.file(_STAGED_AS[role]))
    merged = Merged({**files, "delta": None, "delta_index": None}, changes.summary.added, _STAGED_AS)
    return _Found(merged=merged, newest=before.newest, refreshed=refreshed)


def _has_all(changes: ChangeSet, outcome: Outcome, merged: Merged) -> bool:
    """Whether the next version has all rows of the result as they are, and no others."""
    summary = changes.summary
    accepted, refused = outcome.settled
    aside = summary.invalid or summary.held or summary.held_back or summary.forgotten or summary.gone_traits
    return (accepted >= summary.messages and merged.live == summary.rows
            and not (aside or summary.not_finite or refused or outcome.uncertain or changes.keys))


def _after(changes: ChangeSet) -> Snapshot:
    """Kind and traits of the next snapshot."""
    return Snapshot(kind=changes.kind, traits=() if changes.kind == "events" else changes.traits)


def _times(connection: duckdb.DuckDBPyConnection, sync: Sync, changes: ChangeSet, newest: dt.datetime | None,
           old: Version) -> tuple[dt.datetime | None, EventTimes | None]:
    """The newest cursor, and the times of the events that Candu has now. A run of a few rows knows nothing of the
    others, and changes neither."""
    if sync.kind != "events" or changes.keys:
        return newest, old.events
    held_cursor, held_time = changes.summary.held_from
    return newest_cursor(connection, sync, newest, held_cursor), event_times(connection, old, held_time)


def _identity(changes: ChangeSet, old: Version) -> RowIdentity | None:
    """What identifies the rows now. A result without rows, and one of a few rows, do not show that another key fits."""
    shown = changes.summary.rows and not changes.keys
    return changes.identity if changes.identity and (shown or not old.identity) else old.identity


def _check_there(state: PartitionState, changes: ChangeSet, outcome: Outcome) -> None:
    if all(changes.file(file).exists() for file in FILES):
        return
    accepted, _ = outcome.settled
    raise StateError(
        f"{state.title}: the files of run {changes.run_id} were removed from {state.store.place(state.prefix)} while "
        f"it was under way. Nothing more was sent; that Candu accepted {accepted:,} messages cannot be recorded, so "
        "the next run sends them again. Put the state back from a backup to avoid that")


def _next(old: Version, changes: ChangeSet, merged: Merged, newest: dt.datetime | None) -> Version:
    """The next version, with those of the old one's files that stay."""
    kept = {role: file for role, file in old.files.items() if role not in merged.files and role != "rejected"}
    gone = set(changes.summary.gone_traits)
    traits = () if changes.kind == "events" else tuple(
        (FORGOTTEN if t.name in gone else t.name, str(t.kind)) for t in changes.traits)
    return Version(number=old.number + 1, run_id=changes.run_id,
                   at=dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
                   kind=changes.kind, traits=traits, dropped=dropped_traits(old, changes), rows=merged.live,
                   newest=newest.isoformat() if newest else None, files=kept, route=changes.route)


def _put(state: PartitionState, version: Version, merged: Merged, beside: dict[str, Path | None]) -> Version:
    """``beside``: the files that are not of the merge; None: there is none, or the old one stays."""
    added = {role: path for role, path in {**merged.files, **beside}.items() if path is not None}
    return state.commit(version, added, {role: state.name("runs", version.run_id, file)
                                         for role, file in merged.staged_as.items()})


def empty_version(state: PartitionState, old: Version, run_id: str) -> Version:
    """The next version with nothing new: a run whose claim is taken over can then no longer commit."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return state.commit(replace(old, number=old.number + 1, run_id=run_id, at=now), {})


def _make_accepted(connection: duckdb.DuckDBPyConnection, changes: ChangeSet, outcome: Outcome, *, skip: bool) -> None:
    """Make the views ``accepted`` (rows that Candu has now) and ``doubtful`` (rows that it may have), and the relations
    that they are made of.

    Args:
        skip: messages without an answer count as accepted.
    """
    connection.register("changes", arrow_file(changes.file(CHANGES), without=FLAGS))
    held = changes.file(HELD)
    connection.register("held", arrow_file(held) if held.exists() else REJECTED.empty_table())
    connection.register("outgoing", arrow_file(changes.outgoing))
    connection.register("refused_now", _refused_now(outcome))
    connection.register("accepted_ranges", ranges_table(outcome.accepted_ranges))
    connection.register("unanswered_ranges", ranges_table(outcome.uncertain))
    connection.execute("""
        CREATE TABLE accepted_messages AS
        SELECT unnest(range(low, high + 1)) AS message
        FROM accepted_ranges""")
    connection.execute("""
        CREATE TABLE unanswered_messages AS
        SELECT unnest(range(low, high + 1)) AS message
        FROM unanswered_ranges
        EXCEPT
        FROM accepted_messages""")
    if skip:
        connection.execute("""
            INSERT INTO accepted_messages
            FROM unanswered_messages
            ANTI JOIN refused_now USING (message)""")
    # The snapshot has rows that are only refreshed as they are, also where no answer came.
    connection.execute(f"""
        CREATE TEMP VIEW accepted AS
        SELECT *{'' if changes.kind == 'events' else ", op = 'removed' AS gone"}
        FROM changes
        WHERE (message IS NULL OR message IN (FROM accepted_messages)) AND op <> 'refreshed'""")
    # Candu had accepted these rows and now refused them as they are: what it has is not known. While they are in doubt,
    # the refusals are remembered.
    connection.execute("""
        CREATE TEMP VIEW doubtful AS
        FROM changes
        WHERE (message IN (FROM unanswered_messages) AND op <> 'refreshed') OR (
            op IN ('unchanged', 'refreshed') AND message IN (SELECT message FROM refused_now))""")


def _refused_now(outcome: Outcome) -> pa.Table:
    """The messages that Candu refused in this run: message, status, reason, refused_at."""
    refused = [(number, *rest) for number, rest in outcome.rejected.items()]
    message, status, reason, at = zip(*refused, strict=True) if refused else ((), (), (), ())
    return pa.table({"message": pa.array(message, pa.int64()), "status": pa.array(status, pa.int32()),
                     "reason": pa.array(reason, pa.string()), "refused_at": pa.array(at, pa.string())})


def _rejected(connection: duckdb.DuckDBPyConnection, changes: ChangeSet, folder: Path) -> Path | None:
    """The rows that Candu refused and that still are what it refused: those held from before, and the new ones. A
    refused event that the model did not return this time, since its cursor moved on, is still refused. So is a row that
    was left out because a person named others."""
    names = ", ".join(REJECTED.names)
    still = f"""
        UNION ALL
        SELECT {names}
        FROM refused_before
        ANTI JOIN changes USING (key)
        ANTI JOIN held USING (key)""" if changes.kind == "events" or changes.keys else ""
    path = folder / "rejected.arrow"
    return path if write_arrow(connection, f"""
        SELECT {names}
        FROM held
        UNION ALL
        SELECT changes.key, refused_now.reason, refused_now.status, refused_now.refused_at,
            {literal(changes.run_id)} AS run, sent.hash
        FROM refused_now
        JOIN changes USING (message)
        JOIN (
            SELECT message, {Encoding(changes.kind, changes.traits).content_hash()} AS hash
            FROM (
                FROM outgoing
                WHERE message IN (SELECT message FROM refused_now)
            )
        ) sent USING (message){still}""", path) else None
