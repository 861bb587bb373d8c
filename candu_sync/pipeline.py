"""The verbs: plan, push, run. They put the rooms together, and nothing else.

    plan   read the model, diff it, stage what would be sent
    push   guard, claim, deliver a staged change set, commit what Candu accepted
    run    one after the other
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc as ipc

from candu_sync.changes import FILES, INVALID, ChangeSet, hold_refused, summarize, write_files
from candu_sync.commit import commit, empty_version, snapshot_of
from candu_sync.delivery import Delivery, Limits, Report
from candu_sync.diff import diff, load
from candu_sync.engine import open_engine
from candu_sync.errors import Claimed, DamagedState, GuardTripped, ModelError, StaleChanges, WarehouseError
from candu_sync.full import leave_out_sent
from candu_sync.guard import tripped
from candu_sync.messages import Identity, build_messages
from candu_sync.report import RunResult, failed, result_of
from candu_sync.result import Result
from candu_sync.seconds import Seconds
from candu_sync.settings import Settings
from candu_sync.state.claims import Claim, drop_claims, read_claim, refusal
from candu_sync.state.receipts import Outcome, ReceiptLog, local_folder, read_receipts
from candu_sync.state.store import remove_folder
from candu_sync.state.versions import PartitionState, State, Version
from candu_sync.sync import Sync
from candu_sync.targets import parameters, targets
from candu_sync.warehouse import Warehouse, open_warehouse

# What a caller is told while a run goes on: the phase, how much is done, and of how much (None: not known).
Progress = Callable[[str, int, int | None], None]

# Runs whose receipts are kept.
_KEPT_RUNS = 20


def silent(phase: str, done: int, total: int | None) -> None:
    """Nobody listens."""


class Project:
    """A project's settings with what they open: the state, the warehouse, Candu.

    A context manager; what was opened is closed at its end.

    Attributes:
        settings: the settings.
        pushing: whether a push is under way, from its claim to its commit: what ``stop`` is for.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._delivery: Delivery | None = None
        self._stopped = False
        self.pushing = False

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *_: object) -> None:
        if "warehouse" in self.__dict__:
            self.warehouse.close()

    @cached_property
    def state(self) -> State:
        """The state, opened at first use."""
        return State(self.settings.state_url)

    @cached_property
    def warehouse(self) -> Warehouse:
        """The warehouse, opened at first use."""
        return open_warehouse(self.settings.require_warehouse_url(), memory=self.settings.memory)

    def stop(self) -> None:
        """End what is being sent: no new request, those under way are waited for. Safe in a signal handler."""
        self._stopped = True
        if self._delivery is not None:
            self._delivery.stop()

    @contextmanager
    def delivery(self, delivery: Delivery) -> Iterator[Delivery]:
        """Make a delivery the one that ``stop`` ends."""
        self._delivery = delivery
        if self._stopped:
            delivery.stop()
        try:
            yield delivery
        finally:
            self._delivery = None

    @contextmanager
    def push_under_way(self) -> Iterator[None]:
        """Mark the time of a push."""
        self.pushing = True
        try:
            yield
        finally:
            self.pushing = False

    @property
    def stopped(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stopped

    def partitions(self, sync: Sync, chosen: list[str]) -> list[str | None]:
        """The partitions to work on: those chosen, or all that are due (see ``targets``)."""
        return targets(sync, chosen, values=self.warehouse_values, now=dt.datetime.now(dt.UTC),
                       done=lambda key: last_run(self.state.of(sync.name, key)).get("status") == "succeeded")

    def warehouse_values(self, sql: str) -> list[str]:
        """The keys that the SQL of dynamic partitions finds."""
        return self.warehouse.values(sql)


def new_run_id() -> str:
    """A run's name: when it began, and a few letters that no other has."""
    return f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"


def last_run(state: PartitionState) -> dict[str, Any]:
    """How the last run ended; empty: there was none."""
    return state.read_json("last.json") or {}


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
        return _stage(state, changes, force=force) if keep else changes
    finally:
        if keep:
            remove_folder(folder)


def _compared(project: Project, sync: Sync, partition: str | None, version: Version, folder: Path, *, full: bool,
              progress: Progress) -> ChangeSet:
    snapshot = snapshot_of(project.state.of(sync.name, partition), version, sync.kind)
    full = full and sync.kind != "events"
    seconds = Seconds()
    with open_engine(project.settings.memory, folder) as connection:
        values = parameters(sync, partition, snapshot.newest)
        with seconds.phase("read"), project.warehouse.read(sync.sql, values) as reading:
            result = Result(sync, reading.names)
            load(connection, sync, _counted(result.batches(reading), progress))
        with seconds.phase("diff"):
            found = diff(connection, sync, result, snapshot, full=full)
            if full:
                leave_out_sent(connection, project.state.of(sync.name, partition), version)
            build_messages(connection, sync, found, _identity(project, sync, partition, version))
            hold_refused(connection)
            summary = summarize(connection, sync, found)
            write_files(connection, sync, found, folder)
    changes = ChangeSet(new_run_id(), sync.name, sync.kind, partition, version.number, found.traits, summary,
                        reading.path, full, dict(seconds), folder)
    changes.save()
    return changes


def _counted(batches: Iterator[pa.RecordBatch], progress: Progress) -> Iterator[pa.RecordBatch]:
    rows = 0
    for batch in batches:
        rows += batch.num_rows
        progress("read", rows, None)
        yield batch


def _identity(project: Project, sync: Sync, partition: str | None, version: Version) -> Identity | None:
    if not project.settings.message_id:
        return None
    name = f"{sync.name}\n{partition or ''}" + ("" if sync.kind == "events" else f"\n{version.number}")
    return Identity(project.state.workspace, name)


def _stage(state: PartitionState, changes: ChangeSet, *, force: bool) -> ChangeSet:
    """Move a change set into the state, in place of one that was staged before and never pushed."""
    before = state.read_json("staged.json")
    for file in FILES:
        state.store.add(state.name("runs", changes.run_id, file), changes.folder / file)
    state.store.add(state.name(INVALID), changes.folder / INVALID)
    state.write_json("staged.json", {"run_id": changes.run_id, "force": force})
    if before is not None:
        _unstage(state, before["run_id"])
    return _opened(state, changes.run_id)


def _opened(state: PartitionState, run_id: str) -> ChangeSet:
    folder = local_folder(state, run_id, FILES)
    if folder is None:
        raise DamagedState(state.name("runs", run_id), f"{state.sync}: the staged change set {run_id} is not complete: "
                           "make the plan again")
    return ChangeSet.load(folder)


def _unstage(state: PartitionState, run_id: str) -> None:
    for file in FILES:
        state.store.delete(state.name("runs", run_id, file))


def staged(project: Project, sync: Sync, partition: str | None = None) -> ChangeSet:
    """The change set that awaits its push.

    Raises:
        StaleChanges: there is none, or it belongs to a snapshot that is no longer the current one.
    """
    state = project.state.of(sync.name, partition)
    pointer = state.read_json("staged.json")
    if pointer is None:
        raise StaleChanges(f"{_named(sync, partition)}: no changes are staged: make the plan first "
                           f"(in Dagster: materialize changes/{sync.name})")
    changes = _opened(state, pointer["run_id"])
    _check_fresh(sync, changes, state.current())
    return changes


def discard(changes: ChangeSet) -> None:
    """Remove a change set that was not kept."""
    remove_folder(changes.folder)


def _check_fresh(sync: Sync, changes: ChangeSet, current: Version) -> None:
    """A change set may be pushed on the version that it was computed from, or on one that its own push made."""
    if current.number != changes.base and current.run_id != changes.run_id:
        raise StaleChanges(f"{_named(sync, changes.partition)}: the staged changes belong to version {changes.base} of "
                           f"the snapshot, which is at version {current.number} now: make the plan again "
                           f"(in Dagster: materialize changes/{sync.name})")


def _named(sync: Sync, partition: str | None) -> str:
    return sync.name if partition is None else f"{sync.name} [{partition}]"


def guard(sync: Sync, changes: ChangeSet) -> GuardTripped | None:
    """What a guard has against a change set; None: nothing."""
    reasons = tripped(sync, changes.summary)
    return GuardTripped(_named(sync, changes.partition), reasons) if reasons else None


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
    stopped_by = None if force or _forced(state, changes) else guard(sync, changes)
    if stopped_by is not None:
        return _remember(state, result_of(changes, "guarded", error=str(stopped_by), exit_code=stopped_by.exit_code))
    version = state.current()
    _check_fresh(sync, changes, version)
    seconds = Seconds()
    report = Report()
    uncertain = 0
    if _anything(changes, version):
        with project.push_under_way(), Claim(state, version.number + 1, changes.run_id) as claim:
            uncertain = _claimed_push(project, sync, changes, version, claim, report, seconds, sample, progress)
    left = changes.summary.messages - report.accepted - report.rejected
    error = str(report.error) if report.error else None
    if error is None and left and sample is None:
        error = f"stopped with {left:,} messages unsent; the next run goes on with them"
    if error is None:
        _finish(state, changes)
        return _remember(state, result_of(changes, "succeeded", report=report, seconds=seconds), uncertain)
    result = result_of(changes, "failed", report=report, seconds=seconds, error=error, exit_code=1)
    return _remember(state, result, uncertain)


def _forced(state: PartitionState, changes: ChangeSet) -> bool:
    pointer = state.read_json("staged.json") or {}
    return pointer.get("run_id") == changes.run_id and bool(pointer.get("force"))


def _anything(changes: ChangeSet, version: Version) -> bool:
    s = changes.summary
    return bool(s.added or s.changed or s.removed or s.messages or s.held or "rejected" in version.files)


def _claimed_push(project: Project, sync: Sync, changes: ChangeSet, version: Version, claim: Claim, report: Report,
                  seconds: Seconds, sample: int | None, progress: Progress) -> int:
    """Deliver and commit. Returns how many events may have been told twice: those that went out again, or for the
    last time, without an answer."""
    state = project.state.of(sync.name, changes.partition)
    if state.current().number != version.number:
        claim.release()
        _check_fresh(sync, changes, state.current())
    outcome = read_receipts(state, changes.run_id)
    # What an earlier push of this change set has settled counts: it is not sent again.
    report.accepted, report.rejected = outcome.settled
    try:
        if changes.summary.messages:
            with seconds.phase("push"):
                _deliver(project, state, changes, outcome, claim, report, sample, progress)
    finally:
        with seconds.phase("commit"):
            commit(state, version, sync, changes, outcome, memory=project.settings.memory)
        claim.release()
    return report.repeated if sync.kind == "events" else 0


def _deliver(project: Project, state: PartitionState, changes: ChangeSet, outcome: Outcome, claim: Claim,
             report: Report, sample: int | None, progress: Progress) -> None:
    # httpx takes longer to load than a plan with nothing to send takes altogether.
    from candu_sync.candu import Candu

    settings = project.settings
    key = settings.require_api_key()
    log = ReceiptLog(state, changes.run_id)
    limits = Limits(settings.batch_size, rate=settings.rate, concurrency=settings.concurrency,
                    max_attempts=settings.max_attempts)
    messages = _messages(changes, outcome, sample)
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
        with project.delivery(delivery):
            delivery.run(messages)
    finally:
        log.close()


def _messages(changes: ChangeSet, outcome: Outcome, sample: int | None) -> Iterator[pa.RecordBatch]:
    """The messages that are not settled yet, in order, at most ``sample`` of them."""
    left = sample
    settled = _numbers(outcome)
    with pa.memory_map(str(changes.folder / "messages.arrow")) as source:
        reader = ipc.open_file(source)
        for index in range(reader.num_record_batches):
            batch = reader.get_batch(index)
            if settled is not None:
                batch = batch.filter(pc.invert(pc.is_in(batch.column("message"), settled)))
            if left is not None:
                batch = batch.slice(0, left)
                left -= batch.num_rows
            yield batch


def _numbers(outcome: Outcome) -> pa.Array | None:
    """The numbers of the settled messages; None: there are none, as in every push but a repeated one."""
    numbers = [n for low, high in outcome.accepted for n in range(low, high + 1)] + list(outcome.rejected)
    return pa.array(numbers, pa.int64()) if numbers else None


def _finish(state: PartitionState, changes: ChangeSet) -> None:
    """A change set that is settled is of no more use; receipts are kept for some runs."""
    _unstage(state, changes.run_id)
    state.store.delete(state.name("staged.json"))
    runs = sorted({name[len(state.name("runs/")):].split("/")[0] for name in state.store.list(state.name("runs/"))})
    for run_id in runs[:-_KEPT_RUNS]:
        for name in state.store.list(state.name("runs", run_id) + "/"):
            state.store.delete(name)


def _remember(state: PartitionState, result: RunResult, uncertain: int = 0) -> RunResult:
    at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    state.write_json("last.json", result.to_json() | {"at": at, "uncertain": uncertain})
    return result


def run(project: Project, sync: Sync, partition: str | None = None, *, force: bool = False, full: bool = False,
        sample: int | None = None, progress: Progress = silent) -> RunResult:
    """Plan and push; arguments and errors as theirs."""
    project.settings.require_api_key()
    try:
        changes = plan(project, sync, partition, full=full, progress=progress)
    except (ModelError, WarehouseError) as error:
        _remember(project.state.of(sync.name, partition), failed(sync.name, partition, str(error), error.exit_code))
        raise
    return push(project, sync, changes, force=force, sample=sample, progress=progress)


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
        recovered = commit(state, version, sync, changes, outcome, memory=project.settings.memory)
        _remember_death(state, changes, outcome)
    return empty_version(state, version, run_id) if recovered.number == version.number else recovered


def _remember_death(state: PartitionState, changes: ChangeSet, outcome: Outcome) -> None:
    accepted, rejected = outcome.settled
    result = result_of(changes, "failed", report=Report(accepted=accepted, rejected=rejected), exit_code=1,
                       error="the run died; what Candu had accepted was folded in by the next one")
    _remember(state, result, outcome.uncertain if changes.kind == "events" else 0)
