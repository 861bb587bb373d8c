"""The verbs: plan, push, run. They put the rooms together, and nothing else.

    plan   read the model, diff it, stage what would be sent
    push   guard, claim, deliver a staged change set, commit what Candu accepted
    run    one after the other
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa

from candu_sync.changes import (
    ChangeSet,
    Encoding,
    forced,
    hold_refused,
    identity_of,
    leave_out_sent,
    make_outgoing,
    new_run_id,
    opened,
    set_large_aside,
    settle,
    stage,
    summarize,
    take_over,
    tripped,
    unsettled_messages,
    write_files,
)
from candu_sync.commit import RunResult, commit, failed, recover, remember, result_of
from candu_sync.delivery import Delivery, Limits, Report
from candu_sync.diff import Narrowing, diff, keep_what_others_set, load
from candu_sync.embedded import open_embedded
from candu_sync.errors import Claimed, GuardTripped, ModelError, StaleChanges, WarehouseError
from candu_sync.prefetch import ahead
from candu_sync.progress import Progress, silent
from candu_sync.project import Project
from candu_sync.rows import Result
from candu_sync.snapshot import snapshot_of
from candu_sync.state import Claim, Outcome, PartitionState, ReceiptLog, Version, read_receipts, remove_folder
from candu_sync.syncs import Sync, named, parameters
from candu_sync.timing import Seconds

# Batches of the result that are read while earlier ones are compared.
READ_AHEAD = 1


def plan(project: Project, sync: Sync, partition: str | None = None, *, full: bool = False, force: bool = False,
         keep: bool = True, progress: Progress = silent) -> ChangeSet:
    """Read the model, diff it with the snapshot, and stage what would be sent.

    Args:
        full: every row, whole. Events that were sent are not sent again all the same.
        force: this change set, and no other, may go past the guards when it is pushed.
        keep: stage it in the state, for ``push``. Otherwise it is in a scratch folder, for the caller to remove, and a
            run that is under way is no reason to refuse.

    Raises:
        ModelError, WarehouseError: the model cannot be read, or not be sent.
        SpecError: it has a ref or a source of dbt's that the manifest does not have.
        Claimed: another run is at work on this partition.
        StateError: the snapshot cannot be read, or the change set not be written.
    """
    state = project.state.of(sync.name, partition)
    try:
        version = recover(project, sync, partition)
    except Claimed:
        if keep:
            raise
        version = state.current()
    folder = state.store.scratch()
    try:
        changes = _compared(project, sync, partition, version, folder, full=full, progress=progress)
        return stage(state, changes, force=force) if keep else changes
    except BaseException:
        remove_folder(folder)
        raise
    finally:
        if keep:
            remove_folder(folder)


def _compared(project: Project, sync: Sync, partition: str | None, version: Version, folder: Path, *, full: bool,
              progress: Progress) -> ChangeSet:
    snapshot = snapshot_of(project.state.of(sync.name, partition), version, sync.kind)
    full = full and sync.kind != "events"
    seconds = Seconds()
    with open_embedded(project.memory, folder) as connection:
        values = parameters(sync, partition, snapshot.newest)
        with seconds.phase("read"), project.warehouse.read(project.model(sync), values) as reading:
            result = Result(sync, reading.names)
            # A full run tells every row; for it, and the first one, there is nothing to narrow.
            narrowing = Narrowing(connection, snapshot, result) if snapshot.base and not full else None
            # Its thread is to be gone before the reading is closed, whatever happens.
            with closing(ahead(result.batches(reading), READ_AHEAD, project.cancel_queries)) as made:
                rows = _counted(made, progress)
                load(connection, sync, result, rows if narrowing is None else narrowing.news(rows))
        with seconds.phase("diff"):
            found = diff(connection, sync, result, snapshot, narrowing=narrowing, full=full)
            if full:
                leave_out_sent(connection, project.state.of(sync.name, partition), version)
            keep_what_others_set(connection, project.state, sync, partition, found)
            encoding = Encoding(sync.kind, found.traits, identity_of(project, sync, partition, version.number))
            make_outgoing(connection, encoding)
            set_large_aside(connection, encoding)
            hold_refused(connection, encoding)
            summary = summarize(connection, sync, found, encoding)
            write_files(connection, sync, folder)
    changes = ChangeSet(new_run_id(), sync.name, sync.kind, partition, version.number, found.traits,
                        tuple(result.names), summary, reading.path, full, dict(seconds), folder)
    changes.save()
    return changes


def _counted(batches: Iterator[pa.RecordBatch], progress: Progress) -> Iterator[pa.RecordBatch]:
    rows = 0
    for batch in batches:
        rows += batch.num_rows
        progress("read", rows, None)
        yield batch


def staged(project: Project, sync: Sync, partition: str | None = None) -> ChangeSet:
    """The change set that awaits its push.

    Raises:
        StaleChanges: there is none, or it belongs to a snapshot that is no longer the current one.
    """
    state = project.state.of(sync.name, partition)
    pointer = state.read_json("staged.json")
    if pointer is None:
        raise StaleChanges(f"{named(sync.name, partition)}: no changes are staged: make the plan first "
                           f"(in Dagster: materialize changes/{sync.name})")
    changes = opened(state, pointer["run_id"])
    _check_fresh(changes, state.current())
    return changes


def _check_fresh(changes: ChangeSet, current: Version) -> None:
    """A change set may be pushed on the version that it was computed from, or on one that its own push made."""
    if current.number != changes.base and current.run_id != changes.run_id:
        raise _stale(changes, current)


def _stale(changes: ChangeSet, current: Version) -> StaleChanges:
    return StaleChanges(f"{named(changes.sync, changes.partition)}: the staged changes belong to version "
                        f"{changes.base} of the snapshot, which is at version {current.number} now: make the plan "
                        f"again (in Dagster: materialize changes/{changes.sync})")


def guard(sync: Sync, changes: ChangeSet) -> GuardTripped | None:
    """What a guard has against a change set; None: nothing."""
    reasons = tripped(sync, changes.summary)
    return GuardTripped(named(sync.name, changes.partition), reasons) if reasons else None


def push(project: Project, sync: Sync, changes: ChangeSet, *, force: bool = False, sample: int | None = None,
         progress: Progress = silent) -> RunResult:
    """Guard, claim, deliver a staged change set, and commit what Candu accepted.

    What ends the delivery early (a wrong key, Candu down, ``project.stop``) is in the result, with all that was
    accepted before committed. An exception that interrupts it (Dagster's cancellation) goes on after the same.

    Args:
        force: past the guards.
        sample: send so many messages and stop.

    Raises:
        StaleChanges: the snapshot has moved on since the plan.
        Claimed: another run is at work on this partition.
        StateError: the state cannot be written.
    """
    state = project.state.of(sync.name, changes.partition)
    stopped_by = None if force or forced(state, changes) else guard(sync, changes)
    if stopped_by is not None:
        return remember(state, result_of(changes, "guarded", error=str(stopped_by), exit_code=stopped_by.exit_code))
    # A push that is repeated because its process was killed finds its own claim there.
    version = recover(project, sync, changes.partition)
    _check_fresh(changes, version)
    seconds = Seconds()
    report = Report()
    if _anything(changes, version):
        with project.push_under_way(), Claim(state, version.number + 1, changes.run_id) as claim:
            _claimed_push(project, sync, changes, version, claim, report, seconds, sample, progress)
    left = changes.summary.messages - report.accepted - report.rejected
    error = str(report.error) if report.error else None
    if error is None and left and sample is None:
        error = f"stopped with {left:,} messages unsent; the next run goes on with them"
    if error is None:
        settle(state, changes)
        return remember(state, result_of(changes, "succeeded", report=report, seconds=seconds))
    result = result_of(changes, "failed", report=report, seconds=seconds, error=error, exit_code=1)
    return remember(state, result)


def _anything(changes: ChangeSet, version: Version) -> bool:
    s = changes.summary
    return bool(s.added or s.changed or s.removed or s.messages or s.held or "rejected" in version.files)


def _claimed_push(project: Project, sync: Sync, changes: ChangeSet, version: Version, claim: Claim, report: Report,
                  seconds: Seconds, sample: int | None, progress: Progress) -> None:
    """Deliver and commit."""
    state = project.state.of(sync.name, changes.partition)
    try:
        if (current := state.current()).number != version.number:
            raise _stale(changes, current)
        take_over(state, changes)
    except StaleChanges:
        claim.release()
        raise
    outcome = read_receipts(state, changes.run_id)
    # What an earlier push of this change set has settled counts: it is not sent again.
    report.accepted, report.rejected = outcome.settled
    try:
        if changes.summary.messages:
            with seconds.phase("push"):
                _deliver(project, sync, state, changes, outcome, claim, report, sample, progress)
    finally:
        with seconds.phase("commit"):
            commit(state, version, sync, changes, outcome, memory=project.memory)
        claim.release()


def _deliver(project: Project, sync: Sync, state: PartitionState, changes: ChangeSet, outcome: Outcome, claim: Claim,
             report: Report, sample: int | None, progress: Progress) -> None:
    # httpx takes longer to load than a plan with nothing to send takes altogether.
    from candu_sync.delivery import Candu

    settings = project.settings
    key = settings.require_api_key()
    log = ReceiptLog(state, changes.run_id)
    limits = Limits(settings.batch_size, rate=settings.rate, concurrency=settings.concurrency,
                    max_attempts=settings.max_attempts)
    messages = unsettled_messages(project, sync, changes, outcome, sample)
    total = changes.summary.messages - sum(outcome.settled) if sample is None else sample
    done = 0

    def record(line: dict[str, Any]) -> None:
        log.write(line, now="sent" in line)
        outcome.note(line)

    def count(messages: int) -> None:
        nonlocal done
        done += messages
        progress("push", done, total)

    delivery = Delivery(lambda: Candu(settings.api_url, key, settings.timeout), limits, record, may_send=claim.held,
                        progress=count, report=report)
    try:
        with project.delivery(delivery), closing(messages):
            delivery.run(messages)
    finally:
        log.close()


def run(project: Project, sync: Sync, partition: str | None = None, *, force: bool = False, full: bool = False,
        sample: int | None = None, progress: Progress = silent) -> RunResult:
    """Plan and push; arguments and errors as theirs."""
    project.settings.require_api_key()
    try:
        changes = plan(project, sync, partition, full=full, progress=progress)
    except (ModelError, WarehouseError) as error:
        remember(project.state.of(sync.name, partition), failed(sync.name, partition, str(error), error.exit_code))
        raise
    return push(project, sync, changes, force=force, sample=sample, progress=progress)
