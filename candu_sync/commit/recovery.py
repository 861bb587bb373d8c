"""A run that died: what Candu accepted of it enters the snapshot before anything new is diffed."""

from __future__ import annotations

import datetime as dt

from candu_sync.changes import ChangeSet, staged_by
from candu_sync.commit.next_version import commit, empty_version
from candu_sync.commit.run_result import remember, result_of
from candu_sync.delivery import Report
from candu_sync.embedded import Embedded
from candu_sync.errors import StaleChanges
from candu_sync.history import HistoryPolicy, note_run
from candu_sync.state import (
    Outcome,
    PartitionState,
    Version,
    drop_claims,
    read_claim,
    read_receipts,
    refusal,
)
from candu_sync.syncs import Sync


def recover(state: PartitionState, sync: Sync, engine: Embedded, history: HistoryPolicy) -> Version:
    """The current version, after the receipts of a run that died were folded in.

    Args:
        state: of the sync and partition.
        engine: to work in, where there is something to fold in.
        history: what the ledger keeps of a run that died.

    Raises:
        Claimed: that run is alive.
        StateError: the state cannot be read or written.
    """
    version = state.current()
    owner = read_claim(state, version.number + 1)
    if owner is None:
        return version
    if owner.alive(dt.datetime.now(dt.UTC)):
        raise refusal(state, owner)
    # What it wrote after the look at its files counts, too.
    state.look_anew()
    try:
        recovered = _folded(state, sync, version, owner.run_id, engine, history)
    except StaleChanges:
        return state.current()
    drop_claims(state, recovered.number)
    # One that forgot a person has claimed the version after that, too.
    return recover(state, sync, engine, history)


def _folded(state: PartitionState, sync: Sync, version: Version, run_id: str, engine: Embedded,
            history: HistoryPolicy) -> Version:
    """The version that the dead run did not commit; one with nothing new where it had sent nothing."""
    recovered = version
    changes = staged_by(state, run_id)
    if changes is not None:
        outcome = read_receipts(state, run_id)
        recovered = commit(state, version, sync, changes, outcome, engine=engine, history=history)
        _remember_death(state, sync, changes, outcome, history)
    return empty_version(state, version, run_id) if recovered.number == version.number else recovered


def _remember_death(state: PartitionState, sync: Sync, changes: ChangeSet, outcome: Outcome,
                    history: HistoryPolicy) -> None:
    """Write down how the run ended. One of a few rows says nothing about the others."""
    accepted, rejected = outcome.settled
    result = result_of(changes, "failed", report=Report(accepted=accepted, rejected=rejected), exit_code=1,
                       error="the run died; what Candu had accepted was folded in by the next one")
    note_run(state, changes.run_id, history, result.to_json())
    if not changes.keys:
        remember(state, result, sync)
