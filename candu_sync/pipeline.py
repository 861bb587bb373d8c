"""The verbs of a run. They put the rooms together, and nothing else.

    plan          read the model, diff it with the snapshot, stage what would be sent
    push          guard, claim, deliver a staged change set, commit what Candu accepted
    push_staged   finish a run that died, then push what is staged
    run           plan and push

Each works on a ``Target``: a sync and partition of a project. What happens is reported to ``progress``, and to the
project's ``listeners``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

from candu_sync.changes import (
    ChangeSet,
    Summary,
    Trip,
    allowed,
    anything_staged,
    check_fresh,
    check_planned_for,
    discard,
    forced,
    new_run_id,
    renamed_perhaps,
    shows_all,
    stage,
    staged,
    together,
    tripped,
)
from candu_sync.claimed_push import ClaimedPush
from candu_sync.commit import RunResult, recover, result_of
from candu_sync.comparison import compare
from candu_sync.delivery import Report
from candu_sync.due import check_is_known
from candu_sync.endings import end_of_push, guarded, note_end, note_failed_plan, remembered, succeeded
from candu_sync.errors import Claimed, DamagedState, GuardTripped, ModelError, StateError, WarehouseError
from candu_sync.forgetting import read_tombstones
from candu_sync.progress import Operation, Progress, Reporter, silent
from candu_sync.state import Claim, Version
from candu_sync.syncs import declared_parts
from candu_sync.target import Target


def plan(target: Target, *, full: bool = False, force: bool = False, allow: Collection[str] = (), keep: bool = True,
         keys: Collection[str] = (), reroute: bool = False, progress: Progress = silent) -> ChangeSet:
    """Read the model, diff it with the snapshot, and stage what would be sent.

    Args:
        full: every row, whole. Events that were sent are never sent again.
        force: this change set, and no other, may go past all guards when it is pushed.
        allow: this change set, and no other, may pass these guards, like ``changed`` (``changes.guard_names``).
        keep: stage it in the state, for ``push``. Otherwise it is in a scratch folder, which the caller removes
            (``changes.discard``), and a run that is under way does not matter.
        keys: only the rows with these keys (or ids of users or groups), also where Candu has them as they are, or
            refused them; events that were sent are not sent again. Empty: all rows.
        reroute: the snapshot may be of what was sent by another route: the caller makes it one of this route.

    Raises:
        OtherRoute: the snapshot is of what was sent by another route.
        ModelError, WarehouseError: the model cannot be read, or not be sent.
        UsageError: there is no such partition (see ``due.check_is_known``).
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
        target.check_workspace(key=False)
        with target.state.seen_at_once():
            changes = _compared(target, reporter, full=full, keep=keep, keys=keys, reroute=reroute)
            _check_is_known(target, changes)
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


def _compared(target: Target, reporter: Reporter, *, full: bool, keep: bool, keys: Collection[str],
              reroute: bool = False) -> ChangeSet:
    """What a plan finds, in a scratch folder; where there is nothing to do, without files. Where the plan is kept, a
    failure is written down as the end of a run."""
    try:
        version = _version_to_compare_with(target, keep=keep, reroute=reroute)
        changes = compare(target, version, reporter, full=full, keys=tuple(keys), keep=keep)
    except (ModelError, WarehouseError, DamagedState) as error:
        target.project.release_warehouse()
        if keep and not target.project.stopped:
            # A state that is damaged may refuse this write, too.
            with suppress(StateError):
                note_failed_plan(target, reporter, error)
        raise
    if target.shard is not None:
        target.project.planned.setdefault(target.name, changes.summary)
    return changes


def _version_to_compare_with(target: Target, *, keep: bool, reroute: bool) -> Version:
    """The current version, after a run that died was finished. Where the plan is not kept, another run may be at work.

    Raises:
        Claimed, OtherRoute, OtherShards, StateError: as ``plan``.
    """
    state = target.state
    try:
        version = recover(state, target.sync, target.project.engine, target.history)
    except Claimed:
        if keep:
            raise
        version = state.current()
    if not reroute:
        target.check_route(version)
    target.check_shards(version)
    return version


def _check_is_known(target: Target, changes: ChangeSet) -> None:
    """As ``check_is_known``, for a partition without rows. A change set that is refused is removed.

    Raises:
        UsageError: it is not known.
    """
    if changes.summary.rows:
        return
    try:
        check_is_known(target)
    except BaseException:
        discard(changes)
        raise


def _staged(target: Target, changes: ChangeSet, *, force: bool = False, allow: Collection[str] = (),
            waits: bool = True) -> ChangeSet:
    try:
        # Nothing of a person who was forgotten meanwhile may enter the state.
        read_tombstones(target.project.state).check(changes)
        return stage(target.state, changes, force=force, allow=allow, waits=waits)
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
    summary, among = _guarded(target, changes)
    trips = [Trip(trip.guard, f"{trip.sentence}{among}")
             for trip in tripped(target.sync, summary, target.partition, allow)]
    if (changes.summary.messages and target.sync.kind == "events" and "renamed" not in allow
            and (old := target.project.predecessor(target.sync))):
        trips.append(Trip("renamed", renamed_perhaps(old, target.sync.name, events=True)))
    guards = list(dict.fromkeys(trip.guard for trip in trips))
    return GuardTripped(target.name, [trip.sentence for trip in trips], guards) if trips else None


def _guarded(target: Target, changes: ChangeSet) -> tuple[Summary, str]:
    """The figures that the guard looks at, and of what they are where that is more than this change set."""
    shard, summary, known = target.shard, changes.summary, target.project.planned
    if shard is None or changes.keys or shows_all(target.sync, summary, shard.of):
        return summary, ""
    for other in target.all_shards:
        if other.name not in known:
            found = plan(other, full=changes.full, keep=False)
            discard(found)
    everything = together([summary, *(known[other.name] for other in target.all_shards if other.name != target.name)])
    return everything, f" (all {shard.of} shards together)"


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
        check_planned_for(changes, target.route)
        target.check_workspace()
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
        return note_end(target, changes, reporter, guarded(changes, stopped_by), type(stopped_by).__name__)
    state = target.state
    # A push that is repeated because its process was killed finds its own claim there.
    with state.seen_at_once(record=False):
        version = recover(state, target.sync, target.project.engine, target.history)
    check_fresh(changes, version)
    target.check_route(version)
    report = Report()
    if _anything(changes, version):
        with (remembered(target, changes, report, reporter), target.project.push_under_way(changes.summary.messages),
              Claim(state, version.number + 1, changes.run_id) as claim):
            ClaimedPush(target=target, changes=changes, claim=claim, report=report, sample=sample,
                        reporter=reporter).deliver_and_commit(version)
    result = end_of_push(target, changes, version, report, reporter.seconds, sampled=sample is not None)
    result = note_end(target, changes, reporter, result, type(report.error).__name__ if report.error else None)
    if report.requests and target.history.report is not None:
        target.project.reports.write_soon()
    return result


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
        check_planned_for(changes, target.route)
        reporter.begin(changes.run_id)
        target.check_workspace()
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
        target.project.settings.require_key(target.route)
        target.check_workspace()
        with target.state.seen_at_once():
            changes = _compared(target, reporter, full=full, keep=True, keys=keys)
            _check_is_known(target, changes)
            stopped_by = _stopped_by(target, changes, reporter, force=force, allow=allow)
            if stopped_by is None and changes.folder is None and not anything_staged(target.state):
                # Nothing to do, and no other change set to take the place of.
                return note_end(target, changes, reporter, succeeded(target, changes, changes.base, Report(),
                                                                    reporter.seconds))
            changes = _staged(target, changes, waits=stopped_by is not None)
        return _pushed(target, changes, reporter, stopped_by, sample)


def _anything(changes: ChangeSet, version: Version) -> bool:
    s = changes.summary
    begins = changes.refresh is not None and changes.refresh.begins and version.number > 0
    return bool(begins or s.added or s.changed or s.removed or s.messages or s.held or s.gone_traits
                or s.identity_changes or "rejected" in version.files)
