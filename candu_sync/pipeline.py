"""The verbs of a run. They put the rooms together, and nothing else.

    plan          read the model, diff it with the snapshot, stage what would be sent
    push          guard, claim, deliver a staged change set, commit what Candu accepted
    push_staged   finish a run that died, then push what is staged
    run           plan and push

Each works on a ``Target``: a sync and partition of a project.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from candu_sync.changes import (
    ChangeSet,
    Encoding,
    check_fresh,
    forced,
    hold_refused,
    identity_of,
    leave_out_sent,
    make_outgoing,
    new_run_id,
    notice,
    renamed_perhaps,
    set_large_aside,
    settle,
    stage,
    staged,
    summarize,
    take_over,
    tripped,
    unsettled_messages,
    write_files,
)
from candu_sync.commit import RunResult, commit, failed, recover, remember, result_of
from candu_sync.delivery import Delivery, Limits, Report
from candu_sync.diff import Prefilter, diff, keep_what_others_set, load
from candu_sync.errors import (
    CanduSyncError,
    Claimed,
    GuardTripped,
    ModelError,
    StaleChanges,
    StateError,
    WarehouseError,
)
from candu_sync.history import DigestFile
from candu_sync.naming import counted
from candu_sync.prefetch import ahead
from candu_sync.progress import Progress, silent
from candu_sync.project import Target
from candu_sync.rows import Result, Trait
from candu_sync.snapshot import snapshot_of
from candu_sync.state import Claim, Outcome, ReceiptLog, Version, read_receipts, remove_folder
from candu_sync.syncs import parameters
from candu_sync.timing import Seconds

_log = logging.getLogger(__name__)

# Batches of the result that are read while earlier ones are compared.
_READ_AHEAD = 1


def plan(target: Target, *, full: bool = False, force: bool = False, keep: bool = True,
         progress: Progress = silent) -> ChangeSet:
    """Read the model, diff it with the snapshot, and stage what would be sent.

    Args:
        full: every row, whole. Events that were sent are not sent again all the same.
        force: this change set, and no other, may go past the guards when it is pushed.
        keep: stage it in the state, for ``push``. Otherwise it is in a scratch folder, for the caller to remove
            (``changes.discard``), and a run that is under way is no reason to refuse.

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
    state = target.state
    try:
        version = recover(state, target.sync, target.project.engine, target.history)
    except Claimed:
        if keep:
            raise
        version = state.current()
    folder = state.store.scratch()
    try:
        changes = _compared(target, version, folder, full=full, progress=progress)
        return stage(state, changes, force=force) if keep else changes
    except BaseException:
        remove_folder(folder)
        raise
    finally:
        if keep:
            remove_folder(folder)


def _compared(target: Target, version: Version, folder: Path, *, full: bool, progress: Progress) -> ChangeSet:
    project, sync = target.project, target.sync
    snapshot = snapshot_of(target.state, version, sync.kind)
    full = full and sync.kind != "events"
    seconds = Seconds()
    with project.engine.use() as connection:
        values = parameters(sync, target.partition, snapshot.newest)
        with seconds.phase("read"), project.warehouse.read(
                project.model(sync), values, timezone=sync.timezone, clock=sync.clock) as reading:
            result = Result(sync, reading.names, known=snapshot.traits, declared=reading.declared)
            # A full run sends every row. For it, and for a first run, nothing is filtered.
            prefilter = Prefilter(connection, sync, snapshot, result) if snapshot.base and not full else None
            # The thread that reads ahead must end before the reading is closed, whatever happens.
            with closing(ahead(result.batches(reading), _READ_AHEAD, project.cancel_queries)) as made:
                rows = _counted(made, progress)
                load(connection, sync, result, rows if prefilter is None else prefilter.unmatched(rows))
        with seconds.phase("diff"):
            found = diff(connection, sync, result, snapshot, prefilter=prefilter, full=full)
            if full:
                leave_out_sent(connection, target.state, version)
            keep_what_others_set(connection, project.state, sync, target.partition, found)
            encoding = _encoding(target, version, found.traits)
            make_outgoing(connection, encoding)
            set_large_aside(connection, encoding)
            hold_refused(connection, encoding)
            summary = notice(connection, summarize(connection, sync, found, encoding), found, sync.kind, folder=folder,
                             memory=target.state.open(version.files.get("moves")),
                             salt=str(project.state.workspace))
            write_files(connection, sync, folder)
    changes = ChangeSet(
        run_id=new_run_id(), sync=sync.name, kind=sync.kind, partition=target.partition, base=version.number,
        traits=found.traits, given=tuple(result.names), summary=summary, path=reading.path, full=full,
        seconds=dict(seconds), folder=folder)
    changes.save()
    return changes


def _counted(batches: Iterator[pa.RecordBatch], progress: Progress) -> Iterator[pa.RecordBatch]:
    rows = 0
    for batch in batches:
        rows += batch.num_rows
        progress("read", rows, None)
        yield batch


def _encoding(target: Target, version: Version, traits: tuple[Trait, ...]) -> Encoding:
    namespace, sync = target.project.message_namespace, target.sync
    if namespace is None:
        return Encoding(sync.kind, traits)
    return Encoding(sync.kind, traits, identity_of(namespace, sync.name, sync.kind, target.partition, version.number))


def guard(target: Target, changes: ChangeSet) -> GuardTripped | None:
    """What the sync's guard has against a change set; None: nothing.

    Example:
        >>> guard(Target(project, sync), plan(Target(project, sync))) is None
        True
    """
    reasons = tripped(target.sync, changes.summary)
    if changes.summary.messages and target.sync.kind == "events" and (old := target.project.predecessor(target.sync)):
        reasons.append(renamed_perhaps(old, target.sync.name, events=True))
    return GuardTripped(target.name, reasons) if reasons else None


def push(target: Target, changes: ChangeSet, *, force: bool = False, sample: int | None = None,
         progress: Progress = silent) -> RunResult:
    """Guard, claim, deliver a staged change set, and commit what Candu accepted.

    What ends the delivery early (a wrong key, Candu down, ``project.stop``) is in the result, with all that was
    accepted before committed. An exception that interrupts it (Dagster's cancellation) goes on after the same.

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
        return remember(state, result_of(changes, "guarded", error=str(stopped_by), exit_code=stopped_by.exit_code),
                        target.sync)
    # A push that is repeated because its process was killed finds its own claim there.
    version = recover(state, target.sync, target.project.engine, target.history)
    check_fresh(changes, version)
    seconds, report = Seconds(), Report()
    if _anything(changes, version):
        with (_remembered(target, changes, report, seconds), target.project.push_under_way(),
              Claim(state, version.number + 1, changes.run_id) as claim):
            _claimed_push(_Push(target=target, changes=changes, claim=claim, report=report, sample=sample,
                                progress=progress), version, seconds)
    left = changes.summary.messages - report.accepted - report.rejected
    error = str(report.error) if report.error else None
    if error is None and left and sample is None:
        error = _stopped(changes, report)
    if error is None:
        if version.number and not report.requests:
            # A state from before it knew its workspace.
            target.project.take_on_workspace()
        settle(state, changes)
        return remember(state, result_of(changes, "succeeded", report=report, seconds=seconds), target.sync)
    result = result_of(changes, "failed", report=report, seconds=seconds, error=error, exit_code=1)
    return remember(state, result, target.sync)


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
            remember(target.state, result_of(changes, "failed", report=report, seconds=seconds, error=why,
                                             exit_code=1), target.sync)
        raise


def _stopped(changes: ChangeSet, report: Report) -> str:
    left = changes.summary.messages - report.accepted - report.rejected
    return f"stopped with {counted(left, 'message')} unsent; the next run goes on from there"


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
        progress: Progress = silent) -> RunResult:
    """Plan and push; arguments and errors as theirs.

    Example:
        >>> run(Target(project, sync)).accepted
        2
        >>> run(Target(project, sync)).requests
        0
    """
    target.project.settings.require_api_key()
    target.project.check_workspace()
    try:
        changes = plan(target, full=full, progress=progress)
    except (ModelError, WarehouseError) as error:
        remember(target.state, failed(target.sync.name, target.partition, str(error), error.exit_code), target.sync)
        raise
    return push(target, changes, force=force, sample=sample, progress=progress)


def _anything(changes: ChangeSet, version: Version) -> bool:
    s = changes.summary
    return bool(s.added or s.changed or s.removed or s.messages or s.held or s.gone_traits
                or "rejected" in version.files)


@dataclass(frozen=True, kw_only=True)
class _Push:
    """A push that has its claim."""

    target: Target
    changes: ChangeSet
    claim: Claim
    report: Report
    sample: int | None
    progress: Progress


def _claimed_push(push: _Push, version: Version, seconds: Seconds) -> None:
    """Deliver and commit."""
    target, changes, state = push.target, push.changes, push.target.state
    try:
        take_over(state, changes, version)
    except StaleChanges:
        push.claim.release()
        raise
    outcome = read_receipts(state, changes.run_id)
    # What an earlier push of this change set has settled counts: it is not sent again.
    push.report.accepted, push.report.rejected = outcome.settled
    folder = state.store.scratch()
    # Of messages that an earlier push settled there are no digests: then all are computed again.
    digests = None if any(outcome.settled) or not target.history.written else DigestFile(folder)
    try:
        if changes.summary.messages:
            with seconds.phase("push"), digests or nullcontext():
                _deliver(push, outcome, digests)
    finally:
        with seconds.phase("commit"):
            commit(state, version, target.sync, changes, outcome, engine=target.project.engine, history=target.history,
                   digests=digests.path if digests else None)
        remove_folder(folder)
        push.claim.release()


def _deliver(push: _Push, outcome: Outcome, digests: DigestFile | None) -> None:
    # httpx takes longer to load than a plan with nothing to send takes altogether.
    from candu_sync.delivery import Candu

    project, changes, sample = push.target.project, push.changes, push.sample
    settings = project.settings
    key = settings.require_api_key()
    log = ReceiptLog(push.target.state, changes.run_id)
    limits = Limits(batch_size=settings.batch_size, rate=settings.rate, concurrency=settings.concurrency,
                    max_attempts=settings.max_attempts)
    messages = unsettled_messages(changes, outcome, project.message_namespace, engine=project.engine, sample=sample,
                                  built=digests.add if digests else None)
    total = changes.summary.messages - sum(outcome.settled) if sample is None else sample
    done = 0

    def record(line: dict[str, Any]) -> None:
        if "accepted" in line:
            project.take_on_workspace()
        log.write(line)
        outcome.note(line)

    def count(messages: int) -> None:
        nonlocal done
        done += messages
        push.progress("push", done, total)

    delivery = Delivery(lambda: Candu(settings.api_url, key, settings.timeout), limits, record,
                        may_send=push.claim.held, progress=count, announce=lambda seconds: _log.warning(
                            "%s: Candu asks to wait %s seconds before the next request", push.target.name,
                            f"{seconds:,.0f}"), report=push.report)
    try:
        with project.delivery(delivery), closing(messages):
            delivery.run(messages)
    finally:
        log.close()
