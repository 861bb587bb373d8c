"""A run that died: what it had been told is folded in before anything new is diffed."""

from __future__ import annotations

import datetime as dt

from candu_sync.changes import FILES, ChangeSet
from candu_sync.commit.next_version import commit, empty_version
from candu_sync.commit.run_result import remember, result_of
from candu_sync.delivery import Report
from candu_sync.errors import Claimed, StaleChanges
from candu_sync.project import Project
from candu_sync.state import (
    Outcome,
    PartitionState,
    Version,
    drop_claims,
    local_folder,
    read_claim,
    read_receipts,
    refusal,
)
from candu_sync.syncs import Sync


def recover(project: Project, sync: Sync, partition: str | None) -> Version:
    """The current version, after the receipts of a run that died were folded in.

    Raises:
        Claimed: that run is alive.
    """
    state = project.state.of(sync.name, partition)
    version = state.current()
    owner = read_claim(state, version.number + 1)
    if owner is None:
        return version
    if owner.alive(dt.datetime.now(dt.UTC)):
        raise Claimed(refusal(state, owner))
    try:
        recovered = _folded(project, state, sync, version, owner.run_id)
    except StaleChanges:
        return state.current()
    drop_claims(state, recovered.number)
    return recovered


def _folded(project: Project, state: PartitionState, sync: Sync, version: Version, run_id: str) -> Version:
    """The version that the dead run did not come to commit; one with nothing new where it had sent nothing."""
    folder = local_folder(state, run_id, FILES)
    recovered = version
    if folder is not None:
        changes, outcome = ChangeSet.load(folder), read_receipts(state, run_id)
        recovered = commit(state, version, sync, changes, outcome, memory=project.memory)
        _remember_death(state, changes, outcome)
    return empty_version(state, version, run_id) if recovered.number == version.number else recovered


def _remember_death(state: PartitionState, changes: ChangeSet, outcome: Outcome) -> None:
    accepted, rejected = outcome.settled
    result = result_of(changes, "failed", report=Report(accepted=accepted, rejected=rejected), exit_code=1,
                       error="the run died; what Candu had accepted was folded in by the next one")
    remember(state, result)
