"""What people do to a snapshot: take a result as sent, forget it, move it to another name, look at what was set aside,
send that again."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from candu_sync.arrow_rows import read_table
from candu_sync.changes import INVALID, STAGED, ChangeSet, discard, messages_not_newer, new_run_id
from candu_sync.commit import commit, recover
from candu_sync.embedded import arrow_file
from candu_sync.errors import UsageError
from candu_sync.forgetting import read_tombstones
from candu_sync.history import FOLDER as HISTORY
from candu_sync.history import move_unreported, run_began
from candu_sync.pipeline import plan
from candu_sync.progress import Progress, silent
from candu_sync.project import Project
from candu_sync.state import (
    Claim,
    Outcome,
    Owner,
    PartitionState,
    Version,
    begin_rename,
    drop_claims,
    end_rename,
    holds_anything,
    move_partition,
    read_claim,
    renamed_from,
)
from candu_sync.syncs import Sync
from candu_sync.target import Target


@dataclass(frozen=True, kw_only=True)
class SetAside:
    """A row that was not accepted.

    Attributes:
        key: None for a row without one.
        outcome: ``invalid``: it cannot be sent. ``refused``: Candu refused it.
        status: the HTTP status of the refusal; None for an invalid row.
        at, run_id: when Candu refused it, or the plan began that found it invalid (ISO 8601, UTC), and the run.
    """

    key: str | None
    outcome: Literal["invalid", "refused"]
    reason: str
    status: int | None = None
    at: str | None = None
    run_id: str | None = None


def baseline(target: Target, *, not_newer: bool = False, progress: Progress = silent) -> ChangeSet:
    """Take today's result as already sent: it becomes the snapshot, nothing is pushed. Rows whose turn it is to be
    refreshed keep their turn.

    Args:
        not_newer: of events, take only those that are not newer than what was sent before; the next run sends the
            others.

    Raises:
        UsageError: ``not_newer``, and the sync is not one of events.
        As ``pipeline.plan``; Claimed when a run is under way; OtherWorkspace when what was sent before went to
        another workspace of Candu.
    """
    if not_newer and target.sync.kind != "events":
        raise UsageError(f"{target.sync.name} is a sync of {target.sync.kind}: --not-newer is for events")
    changes = _without_refresh(plan(target, progress=progress, keep=False, reroute=True))
    try:
        with _only_writer(target, changes.run_id) as (state, version):
            taken = _not_newer(target, changes) if not_newer else [
                (0, max(changes.summary.rows + changes.summary.removed, 1))]
            read_tombstones(target.project.state).check(changes)
            target.take_on_workspace()
            commit(state, version, target.sync, changes, Outcome(accepted=taken), engine=target.project.engine)
        return changes
    finally:
        discard(changes)


def _without_refresh(changes: ChangeSet) -> ChangeSet:
    if changes.refresh is None or changes.refresh.begins:
        return changes
    s = changes.summary
    return replace(changes, refresh=None, summary=replace(s, messages=s.messages - s.refreshed, refreshed=0))


def _not_newer(target: Target, changes: ChangeSet) -> list[tuple[int, int]]:
    if changes.folder is None:
        return []
    with target.project.engine.use() as connection:
        connection.register("changes", arrow_file(changes.file("changes.arrow")))
        return messages_not_newer(connection, changes)


def reset(target: Target) -> None:
    """Forget what was sent, and all else that is known of this partition, except its history: the next run sends
    everything.

    Raises:
        Claimed: a run is under way.
    """
    reset_state(target.state)


def reset_state(state: PartitionState) -> None:
    """As ``reset``, also for a sync that is no longer there."""
    number = _newest_number(state)
    owner = read_claim(state, number + 1)
    if owner is not None and not owner.alive(dt.datetime.now(dt.UTC)):
        # Its receipts are not folded in: that would need the files that may be damaged.
        drop_claims(state, number + 1)
    run_id = new_run_id()
    with Claim(state, number + 1, run_id) as claim:
        state.forget(number + 1, run_id, keep=HISTORY)
        claim.release()


def _newest_number(state: PartitionState) -> int:
    """The number of the newest version, from its name: a reset must work with a damaged version, too."""
    names = state.store.list(state.name("versions/"))
    return int(Path(names[-1]).stem) if names else 0


def rename(project: Project, old: str, sync: Sync) -> int:
    """Move the state of the sync that was named ``old`` to its new name: nothing is sent. An interrupted rename is
    finished by the same call.

    Args:
        sync: as it is named now.

    Returns:
        The number of partitions; 1 where there are none.

    Raises:
        UsageError: the two are of different kinds, the old one has no state, or the new one has some.
        Claimed: a run is at work on either.
        StateError: the state cannot be read or written.
    """
    state = project.state
    if (kind := old.partition("/")[0]) != sync.kind:
        raise UsageError(f"{old} is a sync of {kind}, {sync.name} is one of {sync.kind}: its state cannot move there")
    began = renamed_from(state, sync.name)
    for name, other in ((sync.name, began), (old, renamed_from(state, old))):
        if other not in (None, old):
            raise UsageError(f"a rename of {other} to {name} was interrupted: run `candu-sync rename {other} {name}` "
                             "first")
    keys = state.partitions(old)
    # What a run that died had sent is state, too. A run that is at work is not touched.
    _fold_in(project, old, sync)
    if began is None:
        _fold_in(project, sync.name, sync)
        _check_free(project, old, sync)
    begin_rename(state, old, sync.name)
    for key in keys:
        move_partition(state.of(old, key), state.of(sync.name, key), new_run_id(), leave=(STAGED,))
        move_unreported(state.of(old, key), state.of(sync.name, key))
    end_rename(state, sync.name)
    return len(keys)


def _fold_in(project: Project, name: str, sync: Sync) -> None:
    for key in project.state.partitions(name):
        recover(project.state.of(name, key), sync, project.engine, project.history_policy(sync))


def _check_free(project: Project, old: str, sync: Sync) -> None:
    state = project.state
    if holds_anything(state, sync.name):
        raise UsageError(f"{sync.name} has a state already: that of {old} cannot take its place. Where what was sent "
                         f"for {sync.name} may be forgotten, run `candu-sync reset {sync.name}` first")
    if not holds_anything(state, old):
        raise UsageError(f"{old} has no state: nothing was sent for a sync of that name, or its state was moved or "
                         "forgotten")


def retry(target: Target) -> int:
    """Let the next run send the rows again that Candu refused; returns how many they are.

    Raises:
        Claimed: a run is under way.
    """
    # What Candu refused may be in the receipts of a run that died.
    recover(target.state, target.sync, target.project.engine, target.history)
    rows = [row for row in set_aside(target) if row.outcome == "refused"]
    if not rows:
        return 0
    run_id = new_run_id()
    with _only_writer(target, run_id) as (state, version):
        files = {role: file for role, file in version.files.items() if role != "rejected"}
        at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        # The cursor starts over, since refused events may be older than it. Those that were sent are in the ledger.
        state.commit(replace(version, number=version.number + 1, run_id=run_id, at=at, files=files, newest=None), {})
    return len(rows)


@contextmanager
def _only_writer(target: Target, run_id: str) -> Iterator[tuple[PartitionState, Version]]:
    version = recover(target.state, target.sync, target.project.engine, target.history)
    state = target.state
    with Claim(state, version.number + 1, run_id) as claim:
        try:
            yield state, version
        finally:
            claim.release()


def set_aside(target: Target, most: int | None = None) -> list[SetAside]:
    """The rows that the last plan found invalid, and those that Candu refused and that have not changed since.

    Args:
        most: so many of them, refused ones first; None: all.
    """
    state = target.state
    refused = state.open(state.current().files.get("rejected"))
    found = [SetAside(key=row["key"], outcome="refused", reason=row["reason"], status=row["status"],
                      at=row["refused_at"], run_id=row["run"]) for row in _rows(refused, most)]
    invalid = state.store.local(state.name(INVALID))
    left = None if most is None else most - len(found)
    return found + [SetAside(key=row["key"], outcome="invalid", reason=row["reason"], at=_began(row.get("run")),
                             run_id=row.get("run")) for row in _rows(invalid, left)]


def why_refused(target: Target, most: int = 10) -> dict[str, int]:
    """Reason → rows that Candu refused for it and that have not changed since; the ``most`` frequent ones first."""
    reasons = Counter(row["reason"] for row in _rows(target.state.open(target.state.current().files.get("rejected"))))
    return dict(reasons.most_common(most))


def _began(run_id: str | None) -> str | None:
    """When a run began, ISO 8601; None: the file is of a version that did not write down the run."""
    began = run_began(run_id or "")
    return began.isoformat() if began else None


def _rows(path: Path | None, most: int | None = None) -> list[dict[str, Any]]:
    if path is None:
        return []
    return list(read_table(path).slice(0, most).to_pylist())


def claimed_by(state: PartitionState) -> Owner | None:
    """The run that works on a partition now, or died there; None: there is none."""
    return read_claim(state, _newest_number(state) + 1)
