"""The verbs of a run. They put the rooms together, and nothing else.

    plan          read the model, diff it with the snapshot, stage what would be sent
    push          guard, claim, deliver a staged change set, commit what Candu accepted
    push_staged   finish a run that died, then push what is staged
    run           plan and push

Each works on a ``Target``: a sync and partition of a project. What happens is reported to ``progress``, and to the
project's ``listeners``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

from candu_sync.changes import (
    ChangeSet,
    Trip,
    allowed,
    anything_staged,
    check_fresh,
    discard,
    forced,
    new_run_id,
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
from candu_sync.history import note_run
from candu_sync.naming import counted
from candu_sync.progress import Operation, Progress, Reporter, silent
from candu_sync.project import Target
from candu_sync.state import Claim, Version
from candu_sync.syncs import declared_parts, follows_schedule, schedule_lag


def plan(target: Target, *, full: bool = False, force: bool = False, allow: Collection[str] = (), keep: bool = True,
         keys: Collection[str] = (), progress: Progress = silent) -> ChangeSet:
    """Read the model, diff it with the snapshot, and stage what would be sent.

    Args:
        full: every row, whole. Events that were sent are never sent again.
        force: this change set, and no other, may go past all guards when it is pushed.
        allow: this change set, and no other, may pass these guards, like ``changed`` (``changes.guard_names``).
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
    with _reported("plan", target, progress) as reporter:
        reporter.begin(new_run_id())
        target.project.check_workspace(key=False)
        changes = _compared(target, reporter, full=full, keep=keep, keys=keys)
        reporter.end("planned", result_of(changes, "planned").counts())
        return _staged(target, changes, force=force, allow=allow) if keep else changes


@contextmanager
def _reported(verb: str, target: Target, progress: Progress) -> Iterator[Reporter]:
    """Report the block as one operation."""
    sync = target.sync
    window, segment = declared_parts(sync.partitions, target.partition)
    reporter = Reporter(
        Operation(verb=verb, run_id="", sync=sync.name, kind=sync.kind, partition=target.partition, window=window,
                  segment=segment, dynamic=sync.partitions is not None and sync.partitions.dynamic is not None),
        [progress, *target.project.listeners])
    with reporter.whole():
        yield reporter


def _compared(target: Target, reporter: Reporter, *, full: bool, keep: bool, keys: Collection[str]) -> ChangeSet:
    """What a plan finds, in a scratch folder; where there is nothing to do, without files."""
    state = target.state
    try:
        version = recover(state, target.sync, target.project.engine, target.history)
    except Claimed:
        if keep:
            raise
        version = state.current()
    try:
        return compare(target, version, reporter, full=full, keys=tuple(keys))
    except (ModelError, WarehouseError) as error:
        target.project.release_warehouse()
        if keep:
            result = failed(target.sync.name, target.partition, str(error), error.exit_code)
            _note_report(target, result)
            result = remember(state, result, target.sync, launched_as=target.project.launched_as)
            _end(reporter, target, result, type(error).__name__)
        raise


def _staged(target: Target, changes: ChangeSet, *, force: bool = False, allow: Collection[str] = ()) -> ChangeSet:
    try:
        # Nothing of a person who was forgotten meanwhile may enter the state.
        read_tombstones(target.project.state).check(changes)
        return stage(target.state, changes, force=force, allow=allow)
    finally:
        discard(changes)


def guard(target: Target, changes: ChangeSet, *, allow: Collection[str] = ()) -> GuardTripped | None:
    """What the sync's guard has against a change set; None: nothing.

    Args:
        allow: guards that it may pass, like ``changed`` (``changes.guard_names``).

    Example:
        >>> guard(Target(project, sync), plan(Target(project, sync))) is None
        True
    """
    trips = tripped(target.sync, changes.summary, target.partition, allow)
    if (changes.summary.messages and target.sync.kind == "events" and "renamed" not in allow
            and (old := target.project.predecessor(target.sync))):
        trips.append(Trip("renamed", renamed_perhaps(old, target.sync.name, events=True)))
    guards = list(dict.fromkeys(trip.guard for trip in trips))
    return GuardTripped(target.name, [trip.sentence for trip in trips], guards) if trips else None


def push(target: Target, changes: ChangeSet, *, force: bool = False, allow: Collection[str] = (),
         sample: int | None = None, progress: Progress = silent) -> RunResult:
    """Guard, claim, deliver a staged change set, and commit what Candu accepted.

    What ends the delivery early (a wrong key, Candu down, ``project.stop``) is in the result, with all that was
    accepted before committed. An exception that interrupts it (Dagster's cancellation) is raised after the same commit.

    Args:
        changes: as ``plan`` or ``staged`` gave it.
        force: past all guards.
        allow: past these guards, like ``changed`` (``changes.guard_names``), and those that it was staged to pass.
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
    with _reported("push", target, progress) as reporter:
        reporter.begin(changes.run_id)
        target.project.check_workspace()
        stopped_by = _stopped_by(target, changes, reporter, force=force or forced(target.state, changes),
                                 allow=allowed(target.state, changes).union(allow))
        return _pushed(target, changes, reporter, stopped_by, sample)


def _stopped_by(target: Target, changes: ChangeSet, reporter: Reporter, *, force: bool,
                allow: Collection[str]) -> GuardTripped | None:
    """What the guard stops a push by; None: nothing, or it goes past the guards that would."""
    with reporter.phase("guard") as counts:
        tripped = None if force else guard(target, changes, allow=allow)
        counts["reasons"] = len(tripped.reasons) if tripped else 0
    return tripped


def _pushed(target: Target, changes: ChangeSet, reporter: Reporter, stopped_by: GuardTripped | None,
            sample: int | None) -> RunResult:
    """Claim, deliver, commit: ``push`` after its guard."""
    if stopped_by is not None:
        return _noted(target, changes, reporter, _guarded(changes, stopped_by), type(stopped_by).__name__)
    state = target.state
    # A push that is repeated because its process was killed finds its own claim there.
    version = recover(state, target.sync, target.project.engine, target.history)
    check_fresh(changes, version)
    report = Report()
    if _anything(changes, version):
        with (_remembered(target, changes, report, reporter), target.project.push_under_way(changes.summary.messages),
              Claim(state, version.number + 1, changes.run_id) as claim):
            ClaimedPush(target=target, changes=changes, claim=claim, report=report, sample=sample,
                        reporter=reporter).deliver_and_commit(version)
    result = _ended(target, changes, version, report, reporter.seconds, sampled=sample is not None)
    result = _noted(target, changes, reporter, result, type(report.error).__name__ if report.error else None)
    if report.requests and target.history.report is not None:
        target.project.reports.write_soon()
    return result


def _guarded(changes: ChangeSet, stopped_by: GuardTripped) -> RunResult:
    return result_of(changes, "guarded", error=str(stopped_by), guard=stopped_by.reasons,
                     exit_code=stopped_by.exit_code)


def note_stopped(target: Target, changes: ChangeSet, stopped_by: GuardTripped) -> RunResult:
    """Write down that a run was stopped between its plan and its push, where these are steps of another tool.

    Returns:
        The result: ``guarded``.

    Example:
        >>> from candu_sync.errors import GuardTripped
        >>> target = Target(project, sync)
        >>> note_stopped(target, plan(target), GuardTripped(target.name, ["0 rows"], ["min_rows"])).status
        'guarded'
    """
    return _remember(target, changes, _guarded(changes, stopped_by))


def _remember(target: Target, changes: ChangeSet, result: RunResult) -> RunResult:
    _note_report(target, result)
    return remember(target.state, result, target.sync, full=changes.full, launched_as=target.project.launched_as)


def _noted(target: Target, changes: ChangeSet, reporter: Reporter, result: RunResult,
           error: str | None = None) -> RunResult:
    """Write down how a run ended, for the next one and for ``status``. A run of a few rows says nothing about the
    others.

    Args:
        error: the class of what ended it early.
    """
    if changes.keys:
        _note_report(target, result)
        reporter.end(result.status, result.counts(), error=error)
        return result
    result = _remember(target, changes, result)
    _end(reporter, target, result, error)
    return result


def _end(reporter: Reporter, target: Target, result: RunResult, error: str | None) -> None:
    """Report how a run ended that was remembered."""
    now = dt.datetime.now(dt.UTC)
    good = None if result.good_before is None else dt.datetime.fromisoformat(result.good_before)
    last = now if result.status == "succeeded" else good
    timely = last is not None and follows_schedule(target.sync, target.partition, now)
    age = max(0.0, (now - last).total_seconds()) if last and timely else None
    reporter.end(result.status, result.counts() if result.run_id else None, error=error,
                 lag=schedule_lag(target.sync, target.partition, good, now), age=age)


def _note_report(target: Target, result: RunResult) -> None:
    """Note that the report tables do not have a run yet. A failure before there was a change set has no name."""
    if target.history.report is not None:
        # The run was made, and is in the state. A state that fails now costs its row in the tables only.
        with suppress(StateError):
            note_run(target.state, result.run_id or new_run_id(), target.history, result.to_json())
        target.project.reports.note()


def _ended(target: Target, changes: ChangeSet, version: Version, report: Report, seconds: dict[str, float], *,
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


def _succeeded(target: Target, changes: ChangeSet, number: int, report: Report,
               seconds: dict[str, float]) -> RunResult:
    if number and not report.requests:
        # A state from before it knew its workspace.
        target.project.take_on_workspace()
    return result_of(changes, "succeeded", report=report, seconds=seconds)


@contextmanager
def _remembered(target: Target, changes: ChangeSet, report: Report, reporter: Reporter) -> Iterator[None]:
    """Write down how a push ended, also when an exception ends it."""
    try:
        yield
    except (Claimed, StaleChanges):
        raise  # another run is at work, or was: what is written down is how that one ends
    except BaseException as error:
        why = str(error) if isinstance(error, CanduSyncError) else _stopped(changes, report)
        with suppress(StateError):
            _noted(target, changes, reporter, result_of(changes, "failed", report=report, seconds=reporter.seconds,
                                                        error=why, exit_code=1))
        raise


def _stopped(changes: ChangeSet, report: Report) -> str:
    left = counted(_left(changes, report), "message")
    return f"stopped with {left} waiting; the next run goes on from there"


def _left(changes: ChangeSet, report: Report) -> int:
    return changes.summary.messages - report.accepted - report.rejected


def push_staged(target: Target, *, force: bool = False, allow: Collection[str] = (), sample: int | None = None,
                progress: Progress = silent) -> tuple[ChangeSet, RunResult]:
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
    with _reported("push", target, progress) as reporter:
        recover(target.state, target.sync, target.project.engine, target.history)
        changes = staged(target.state)
        reporter.begin(changes.run_id)
        target.project.check_workspace()
        stopped_by = _stopped_by(target, changes, reporter, force=force or forced(target.state, changes),
                                 allow=allowed(target.state, changes).union(allow))
        return changes, _pushed(target, changes, reporter, stopped_by, sample)


def run(target: Target, *, force: bool = False, allow: Collection[str] = (), full: bool = False,
        sample: int | None = None, keys: Collection[str] = (), progress: Progress = silent) -> RunResult:
    """Plan and push; arguments and errors as theirs.

    Example:
        >>> run(Target(project, sync)).accepted
        2
        >>> run(Target(project, sync)).requests
        0
    """
    with _reported("run", target, progress) as reporter:
        reporter.begin(new_run_id())
        target.project.settings.require_api_key()
        target.project.check_workspace()
        changes = _compared(target, reporter, full=full, keep=True, keys=keys)
        stopped_by = _stopped_by(target, changes, reporter, force=force, allow=allow)
        if stopped_by is None and changes.folder is None and not anything_staged(target.state):
            # Nothing to do, and no other change set to take the place of.
            return _noted(target, changes, reporter, _succeeded(target, changes, changes.base, Report(),
                                                                reporter.seconds))
        return _pushed(target, _staged(target, changes), reporter, stopped_by, sample)


def _anything(changes: ChangeSet, version: Version) -> bool:
    s = changes.summary
    begins = changes.refresh is not None and changes.refresh.begins and version.number > 0
    return bool(begins or s.added or s.changed or s.removed or s.messages or s.held or s.gone_traits
                or s.identity_changes or "rejected" in version.files)
