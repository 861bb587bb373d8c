"""The verbs of a run. They put the rooms together, and nothing else.

    plan          read the model, diff it with the snapshot, stage what would be sent
    push          guard, claim, deliver a staged change set, commit what Candu accepted
    push_staged   finish a run that died, then push what is staged
    run           plan and push

Each works on a ``Target``: a sync and partition of a project.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

from candu_sync.changes import (
    ChangeSet,
    anything_staged,
    check_fresh,
    discard,
    forced,
    renamed_perhaps,
    settle,
    stage,
    staged,
    tripped,
)
from candu_sync.claimed_push import ClaimedPush
from candu_sync.commit import RunResult, failed, recover, remember, result_of
from candu_sync.comparison import compare
from candu_sync.delivery import Report
from candu_sync.errors import (
    CanduSyncError,
    Claimed,
    GuardTripped,
    ModelError,
    StaleChanges,
    StateError,
    WarehouseError,
)
from candu_sync.forgetting import read_tombstones
from candu_sync.naming import counted
from candu_sync.progress import Progress, silent
from candu_sync.project import Target
from candu_sync.state import Claim, Version
from candu_sync.timing import Seconds


def plan(target: Target, *, full: bool = False, force: bool = False, keep: bool = True, keys: Collection[str] = (),
         progress: Progress = silent) -> ChangeSet:
    """Read the model, diff it with the snapshot, and stage what would be sent.

    Args:
        full: every row, whole. Events that were sent are never sent again.
        force: this change set, and no other, may go past the guards when it is pushed.
        keep: stage it in the state, for ``push``. Otherwise it is in a scratch folder, which the caller removes
            (``changes.discard``), and a run that is under way does not matter.
        keys: only the rows with these keys (or ids of users or groups), also where Candu has them as they are, or
            refused them; events that were sent are not sent again. Empty: all rows.

    Raises:
        ModelError, WarehouseError: the model cannot be read, or not be sent.
        SpecError: it has a ref or a source of dbt's that the manifest does not have.
        OtherWorkspace: the state belongs to Candu at another URL.
        Claimed: another run is at work on this partition.
        StateError: the snapshot cannot be read, or the change set not be written.

    Example:
        >>> changes = plan(Target(project, sync))
        >>> changes.summary.added, changes.summary.messages
        (2, 2)
    """
    target.project.check_workspace(key=False)
    changes = _compared(target, full=full, keep=keep, keys=keys, progress=progress)
    return _staged(target, changes, force=force) if keep else changes


def _compared(target: Target, *, full: bool, keep: bool, keys: Collection[str], progress: Progress) -> ChangeSet:
    """What a plan finds, in a scratch folder; where there is nothing to do, without files."""
    state = target.state
    try:
        version = recover(state, target.sync, target.project.engine, target.history)
    except Claimed:
        if keep:
            raise
        version = state.current()
    try:
        return compare(target, version, full=full, keys=tuple(keys), progress=progress)
    except (ModelError, WarehouseError) as error:
        target.project.release_warehouse()
        if keep:
            remember(state, failed(target.sync.name, target.partition, str(error), error.exit_code), target.sync)
        raise


def _staged(target: Target, changes: ChangeSet, *, force: bool = False) -> ChangeSet:
    try:
        # Nothing of a person who was forgotten meanwhile may enter the state.
        read_tombstones(target.project.state).check(changes)
        return stage(target.state, changes, force=force)
    finally:
        discard(changes)


def guard(target: Target, changes: ChangeSet) -> GuardTripped | None:
    """What the sync's guard has against a change set; None: nothing.

    Example:
        >>> guard(Target(project, sync), plan(Target(project, sync))) is None
        True
    """
    reasons = tripped(target.sync, changes.summary, target.partition)
    if changes.summary.messages and target.sync.kind == "events" and (old := target.project.predecessor(target.sync)):
        reasons.append(renamed_perhaps(old, target.sync.name, events=True))
    return GuardTripped(target.name, reasons) if reasons else None


def push(target: Target, changes: ChangeSet, *, force: bool = False, sample: int | None = None,
         progress: Progress = silent) -> RunResult:
    """Guard, claim, deliver a staged change set, and commit what Candu accepted.

    What ends the delivery early (a wrong key, Candu down, ``project.stop``) is in the result, with all that was
    accepted before committed. An exception that interrupts it (Dagster's cancellation) is raised after the same commit.

    Args:
        changes: as ``plan`` or ``staged`` gave it.
        force: past the guards.
        sample: send so many messages and stop.

    Raises:
        OtherWorkspace: the state belongs to another workspace of Candu than the settings.
        StaleChanges: the snapshot has moved on since the plan.
        Claimed: another run is at work on this partition.
        StateError: the state cannot be written.

    Example:
        >>> target = Target(project, sync)
        >>> push(target, plan(target)).accepted
        2
    """
    state = target.state
    target.project.check_workspace()
    stopped_by = None if force or forced(state, changes) else guard(target, changes)
    if stopped_by is not None:
        return _noted(target, changes, result_of(changes, "guarded", error=str(stopped_by), guard=stopped_by.reasons,
                                                 exit_code=stopped_by.exit_code))
    # A push that is repeated because its process was killed finds its own claim there.
    version = recover(state, target.sync, target.project.engine, target.history)
    check_fresh(changes, version)
    seconds, report = Seconds(), Report()
    if _anything(changes, version):
        with (_remembered(target, changes, report, seconds), target.project.push_under_way(),
              Claim(state, version.number + 1, changes.run_id) as claim):
            ClaimedPush(target=target, changes=changes, claim=claim, report=report, sample=sample,
                        progress=progress).deliver_and_commit(version, seconds)
    return _noted(target, changes, _ended(target, changes, version, report, seconds, sampled=sample is not None))


def _noted(target: Target, changes: ChangeSet, result: RunResult) -> RunResult:
    """Write down how a run ended, for the next one and for ``status``. A run of a few rows says nothing about the
    others."""
    return result if changes.keys else remember(target.state, result, target.sync)


def _ended(target: Target, changes: ChangeSet, version: Version, report: Report, seconds: Seconds, *,
           sampled: bool) -> RunResult:
    """How a push ended. The change set of one that went well is settled: nothing of it awaits a push."""
    error = str(report.error) if report.error else None
    if error is None and _left(changes, report) and not sampled:
        error = _stopped(changes, report)
    if error is not None:
        return result_of(changes, "failed", report=report, seconds=seconds, error=error, exit_code=1)
    result = _succeeded(target, changes, version.number, report, seconds)
    settle(target.state, changes)
    return result


def _succeeded(target: Target, changes: ChangeSet, number: int, report: Report, seconds: Seconds) -> RunResult:
    if number and not report.requests:
        # A state from before it knew its workspace.
        target.project.take_on_workspace()
    return result_of(changes, "succeeded", report=report, seconds=seconds)


@contextmanager
def _remembered(target: Target, changes: ChangeSet, report: Report, seconds: Seconds) -> Iterator[None]:
    """Write down how a push ended, also when an exception ends it."""
    try:
        yield
    except (Claimed, StaleChanges):
        raise  # another run is at work, or was: what is written down is how that one ends
    except BaseException as error:
        why = str(error) if isinstance(error, CanduSyncError) else _stopped(changes, report)
        with suppress(StateError):
            _noted(target, changes, result_of(changes, "failed", report=report, seconds=seconds, error=why,
                                              exit_code=1))
        raise


def _stopped(changes: ChangeSet, report: Report) -> str:
    left = counted(_left(changes, report), "message")
    return f"stopped with {left} waiting; the next run goes on from there"


def _left(changes: ChangeSet, report: Report) -> int:
    return changes.summary.messages - report.accepted - report.rejected


def push_staged(target: Target, *, force: bool = False, progress: Progress = silent) -> tuple[ChangeSet, RunResult]:
    """Finish a run that died, then push the change set that is staged: that one and nothing else.

    Args and errors as for ``push``.

    Raises:
        StaleChanges: nothing is staged, or it belongs to an older snapshot.

    Example:
        >>> looked_at = plan(Target(project, sync))
        >>> changes, result = push_staged(Target(project, sync))
        >>> changes.run_id == looked_at.run_id, result.status
        (True, 'succeeded')
    """
    recover(target.state, target.sync, target.project.engine, target.history)
    changes = staged(target.state)
    return changes, push(target, changes, force=force, progress=progress)


def run(target: Target, *, force: bool = False, full: bool = False, sample: int | None = None,
        keys: Collection[str] = (), progress: Progress = silent) -> RunResult:
    """Plan and push; arguments and errors as theirs.

    Example:
        >>> run(Target(project, sync)).accepted
        2
        >>> run(Target(project, sync)).requests
        0
    """
    target.project.settings.require_api_key()
    target.project.check_workspace()
    changes = _compared(target, full=full, keep=True, keys=keys, progress=progress)
    if _ends_early(target, changes, force=force):
        return _noted(target, changes, _succeeded(target, changes, changes.base, Report(), Seconds()))
    return push(target, _staged(target, changes), force=force, sample=sample, progress=progress)


def _ends_early(target: Target, changes: ChangeSet, *, force: bool) -> bool:
    """Whether a run is at its end with its plan: nothing to do, no other change set to take the place of, no guard."""
    return (changes.folder is None and not anything_staged(target.state)
            and (force or guard(target, changes) is None))


def _anything(changes: ChangeSet, version: Version) -> bool:
    s = changes.summary
    return bool(s.added or s.changed or s.removed or s.messages or s.held or s.gone_traits or s.identity_changes
                or "rejected" in version.files)
