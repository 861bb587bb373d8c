"""What is done to a snapshot by hand: take a result as sent, forget it, look at what was set aside, try that again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc as ipc

from candu_sync.changes import INVALID, ChangeSet, discard, new_run_id
from candu_sync.commit import commit, recover
from candu_sync.history import FOLDER as HISTORY
from candu_sync.pipeline import plan
from candu_sync.progress import Progress, silent
from candu_sync.project import Target
from candu_sync.state import Claim, Outcome, Owner, PartitionState, Version, drop_claims, read_claim


@dataclass(frozen=True)
class SetAside:
    """A row that was set aside. ``status``, ``at`` and ``run_id`` are of Candu's refusal; None where the row could not
    be sent at all. ``key`` is None for a row without one."""

    key: str | None
    reason: str
    status: int | None = None
    at: str | None = None
    run_id: str | None = None


def baseline(target: Target, *, progress: Progress = silent) -> ChangeSet:
    """Take today's result as already sent: it becomes the snapshot, nothing is pushed.

    Raises:
        As ``pipeline.plan``; Claimed when a run is under way; OtherWorkspace when what was sent before went to
        another workspace of Candu.
    """
    changes = plan(target, progress=progress, keep=False)
    try:
        with _only_writer(target, changes.run_id) as (state, version):
            last = max(changes.summary.rows + changes.summary.removed, 1)
            target.project.take_on_workspace()
            commit(state, version, target.sync, changes, Outcome(accepted=[(0, last)]), engine=target.project.engine)
        return changes
    finally:
        discard(changes)


def reset(target: Target) -> None:
    """Forget what was sent, and all else that is known of this partition, but for its history: the next run sends
    everything.

    Raises:
        Claimed: a run is under way.
    """
    state = target.state
    number = _newest_number(state)
    owner = read_claim(state, number + 1)
    if owner is not None and not owner.alive(dt.datetime.now(dt.UTC)):
        # Folding its receipts in would need the very files that may be damaged.
        drop_claims(state, number + 1)
    run_id = new_run_id()
    with Claim(state, number + 1, run_id) as claim:
        state.forget(number + 1, run_id, keep=HISTORY)
        claim.release()


def _newest_number(state: PartitionState) -> int:
    """The number of the newest version by its name alone: a damaged version must not keep anybody from a reset."""
    names = state.store.list(state.name("versions/"))
    return int(Path(names[-1]).stem) if names else 0


def retry(target: Target) -> int:
    """Let the next run send the rows again that Candu refused; returns how many they are.

    Raises:
        Claimed: a run is under way.
    """
    # What Candu refused may stand in the receipts of a run that died.
    recover(target.state, target.sync, target.project.engine, target.history)
    rows = [row for row in set_aside(target) if row.status is not None]
    if not rows:
        return 0
    run_id = new_run_id()
    with _only_writer(target, run_id) as (state, version):
        files = {role: file for role, file in version.files.items() if role != "rejected"}
        at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        # The cursor starts over, for the refused events may lie behind it; those that were sent are in the ledger.
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


def set_aside(target: Target) -> list[SetAside]:
    """The rows of the last plan that could not be sent, and those that Candu refused and that still wait."""
    state = target.state
    refused = state.open(state.current().files.get("rejected"))
    found = [SetAside(row["key"], row["reason"], row["status"], row["refused_at"], row["run"])
             for row in _rows(refused)]
    invalid = state.store.local(state.name(INVALID))
    return found + [SetAside(row["key"], row["reason"]) for row in _rows(invalid)]


def _rows(path: Path | None) -> list[dict[str, Any]]:
    if path is None:
        return []
    with pa.OSFile(str(path)) as source:
        return list(ipc.open_file(source).read_all().to_pylist())


def claimed_by(target: Target) -> Owner | None:
    """Who is at work on a partition now, or died at it; None: nobody."""
    state = target.state
    return read_claim(state, _newest_number(state) + 1)
