"""One run of a sync: the changes of its partitions, then, past the guard, their push."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, NoReturn

from dagster import (
    AssetCheckEvaluation,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetExecutionContext,
    AssetKey,
    DagsterEventType,
    MaterializeResult,
    MetadataValue,
    RetryPolicy,
)

from candu_sync import (
    Catalog,
    ChangeSet,
    Project,
    RunResult,
    Sync,
    Target,
    guard,
    note_stopped,
    plan,
    push,
    push_staged,
)
from candu_sync.changes import anything_staged, discard, staged
from candu_sync.due import target_of
from candu_sync.errors import GuardTripped
from candu_sync.naming import named
from candu_sync.settings import in_words
from dagster_defs.checks import GUARD, how_to_pass
from dagster_defs.evidence import Evidence
from dagster_defs.failures import fail, failures
from dagster_defs.lasting import opened
from dagster_defs.launch import Launch
from dagster_defs.metadata import shown_key
from dagster_defs.names import Names
from dagster_defs.progress import log_progress, warnings_in
from dagster_defs.ranges import in_one, partitions_of, per_partition
from dagster_defs.resources import CanduSyncResource
from dagster_defs.run_tags import tag_cancelled, tag_counts, tag_passed, tag_stopped

Event = AssetCheckResult | MaterializeResult[None]


class Pushed(NamedTuple):
    """What became of a push; ``tripped``: the guards that were in its way, as far as the launch may pass any."""

    target: Target
    found: ChangeSet
    result: RunResult
    tripped: Collection[str]


@dataclass(frozen=True, kw_only=True)
class SyncRun:
    """A sync in a run of Dagster's.

    Attributes:
        beside: the project's syncs, whose traits are compared with those of this one.
    """

    sync: Sync
    context: AssetExecutionContext
    launch: Launch
    resource: CanduSyncResource
    retries: RetryPolicy
    beside: Catalog
    names: Names

    @property
    def _changes(self) -> AssetKey:
        return self.names.changes_key(self.sync.name)

    @property
    def _push_key(self) -> AssetKey:
        return self.names.push_key(self.sync.name)

    def events(self) -> Iterator[Event]:
        """Do what the run asks for: the changes, the push, both, or only their checks."""
        asked = self.context.selected_asset_keys
        if self._changes in asked:
            yield from self._stage()
        if self._pushes():
            yield from self._push()
        if not asked:
            yield from self._check()

    def _pushes(self) -> bool:
        return self._push_key in self.context.selected_asset_keys

    def _stage(self) -> Iterator[Event]:
        """Stage the changes of each partition. Where a guard stops one, the run ends here."""
        asset, stopped, checks, found_of = self._changes, [], [], list[ChangeSet]()
        staged_before = self._recorded(asset)
        with per_partition(self.context, asset) as note:
            for partition in partitions_of(self.context, self.sync):
                with self._project(self.retries, partition) as project:
                    target = target_of(project, self.sync, partition)
                    found = self._found(target, partition, staged_before)
                    evidence, tripped = self._evidence(target, found), guard(target, found)
                    stopped_by = self._stopped_by(target, found, tripped)
                    found_of.append(found)
                    checks.append(evidence.checks_of_changes(tripped, stopped_by))
                    note(partition, evidence.of_changes(tripped))
                    if stopped_by is not None and not found.keys and self._pushes():
                        # So the run ended. A preview ends no run, and a run of a few rows says nothing of the others.
                        note_stopped(target, found, stopped_by)
                if stopped_by is not None:
                    stopped.append((partition, stopped_by))
        yield MaterializeResult(asset_key=asset, check_results=self._asked(checks))
        if stopped:
            self._end(stopped)
        if not self._pushes():
            self._refuse_unknown_keys(found_of)

    def _push(self) -> Iterator[Event]:
        """Push each partition, until one fails."""
        partitions = partitions_of(self.context, self.sync)
        # A second try would plan again for the partitions that the first one has pushed.
        tries = self.retries if len(partitions) == 1 else None
        asset, checks, found_of = self._push_key, [], list[ChangeSet]()
        tripped_in: dict[str | None, Collection[str]] = {}
        with per_partition(self.context, asset) as note:
            for partition in partitions:
                with self._project(tries, partition) as project:
                    with tag_cancelled(self.context, Target(project, self.sync, partition).state):
                        target, found, result, tripped_in[partition] = self._pushed(project, partition)
                    evidence = self._evidence(target, found)
                    found_of.append(found)
                    checks.append([evidence.check_of_push(result)])
                    metadata = evidence.of_push(result, tripped_in[partition])
                    guarded = guard(target, found) if result.status == "guarded" else None
                    stopped_by = self._stopped_by(target, found, guarded)
                tag_counts(self.context, result)
                if stopped_by is not None:
                    self._end([(partition, stopped_by)])
                self._tag_passed(tripped_in.values())
                if result.error is not None:
                    yield from self._asked(checks)
                    fail(in_words(self.names.workspace, result.error), self.context,
                         tries if result.transient else None, metadata=metadata)
                note(partition, metadata)
        self._correct_guard(tripped_in)
        yield MaterializeResult(asset_key=asset, check_results=self._asked(checks))
        self._refuse_unknown_keys(found_of)

    def _refuse_unknown_keys(self, found: Sequence[ChangeSet]) -> None:
        """Fail, at the end, when a key of the launch is in no partition: it is probably mistyped."""
        missing = [key for key in self.launch.keys if all(key in each.summary.missing_keys for each in found)]
        if missing:
            fail(f"{self.sync.name}: no row has the key {', or '.join(map(shown_key, missing))}: the model does not "
                 "return it, it is an event that was sent, the person is forgotten, or the key is made of several "
                 "columns, like g1|u1",
                 self.context)

    def _tag_passed(self, tripped: Iterable[Collection[str]]) -> None:
        """Say in the run's tags which guards it passed.

        Args:
            tripped: of each partition that was pushed, the guards that were in its way.
        """
        guards = {guard for guards in tripped for guard in guards}
        tag_passed(self.context, self.names.label(self.sync.name), self.launch.passed(guards),
                   self.launch.why(self.context.run.tags))

    def _correct_guard(self, tripped_in: Mapping[str | None, Collection[str]]) -> None:
        """Say in the guard's check that changes which were looked at before were let past it. The check is of an asset
        that this run does not make. Dagster takes its result only in this way."""
        if self._changes in self.context.selected_asset_keys:
            return
        why = self.launch.why(self.context.run.tags)
        for partition, tripped in tripped_in.items():
            if not (passed := self.launch.passed(tripped)):
                continue
            self.context.instance.report_runless_asset_event(AssetCheckEvaluation(
                asset_key=self._changes, check_name=GUARD, passed=False, severity=AssetCheckSeverity.WARN,
                description=f"Pushed past the guard ({passed}): {why}", blocking=True, partition=partition,
                metadata={"run": MetadataValue.dagster_run(self.context.run_id), "reason": MetadataValue.text(why),
                          "guards passed": MetadataValue.text(passed)}))

    def _check(self) -> Iterator[Event]:
        """What the checks say now. Nothing is staged."""
        checks = []
        for partition in partitions_of(self.context, self.sync):
            with self._project(self.retries, partition) as project:
                target = target_of(project, self.sync, partition)
                found = plan(target, keep=False, progress=log_progress(self.context.log))
                try:
                    evidence, tripped = self._evidence(target, found), guard(target, found)
                    stopped_by = self._stopped_by(target, found, tripped)
                    checks.append([*evidence.checks_of_changes(tripped, stopped_by), evidence.check_of_push()])
                finally:
                    discard(found)
        yield from self._asked(checks)

    @contextmanager
    def _project(self, retries: RetryPolicy | None, partition: str | None) -> Iterator[Project]:
        hint = f"in Dagster: materialize {self._changes.to_user_string()}"
        with (failures(self.context, retries, stale_hint=hint, workspace=self.names.workspace, sync=self.sync.name,
                       partition=partition),
              warnings_in(self.context.log), opened(self.context, self.resource, keep=self._only_syncs) as project):
            project.destinations.new_key = self.launch.new_key
            if self._only_syncs and self.sync.partitions is not None and self.sync.partitions.shards is not None:
                # The project stays open for all of them, so that one query finds out for several.
                project.at_once |= {Target(project, self.sync, key).name
                                    for key in partitions_of(self.context, self.sync)}
            yield project

    @cached_property
    def _only_syncs(self) -> bool:
        """Whether each step of the run is a sync of the project."""
        steps = {node.name for node in self.context.job_def.nodes}
        return steps <= {self.names.op_name(sync) for sync in self.beside.syncs}

    def _evidence(self, target: Target, found: ChangeSet) -> Evidence:
        return Evidence(target=target, found=found, launch=self.launch, context=self.context, beside=self.beside,
                        names=self.names)

    def _stopped_by(self, target: Target, found: ChangeSet, tripped: GuardTripped | None) -> GuardTripped | None:
        """What of the guards that are tripped stops the changes; None: the launch lets them pass."""
        if tripped is None or self.launch.force:
            return None
        return guard(target, found, allow=self.launch.guards()) if self.launch.allow else tripped

    def _end(self, stopped: Sequence[tuple[str | None, GuardTripped]]) -> NoReturn:
        """End the run, and say in its tags and its failure which guards stopped which partitions."""
        for partition, by in stopped:
            tag_stopped(self.context, self.names.label(self.sync.name), partition, by)
        fail("\n".join(self._stopped_sentence(partition, by) for partition, by in stopped), self.context)

    def _stopped_sentence(self, partition: str | None, by: GuardTripped) -> str:
        return f"{named(self.sync.name, partition)}: stopped by a guard: {how_to_pass(self.sync, self.names, by)}"

    def _found(self, target: Target, partition: str | None, staged_before: Collection[str | None]) -> ChangeSet:
        """The changes of a partition. A second try goes on with what the first one staged: part of it may be sent."""
        return staged(target.state) if partition in staged_before else self._planned(target)

    def _recorded(self, asset: AssetKey) -> set[str | None]:
        """The partitions of an asset that an earlier try of this step recorded; None: the whole asset."""
        if not self.context.retry_number:
            return set()
        logs = self.context.instance.all_logs(self.context.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION)
        events = [log.get_dagster_event() for log in logs]
        return {event.partition for event in events if event.asset_key == asset}

    def _planned(self, target: Target) -> ChangeSet:
        if self.launch.values:
            target = replace(target, sync=self.sync.model_copy(update={"preview": "values"}))
        return plan(target, full=self.launch.full, force=self.launch.force, allow=self.launch.guards(),
                    keys=self.launch.keys, progress=log_progress(self.context.log))

    def _pushed(self, project: Project, partition: str | None) -> Pushed:
        """Push the staged changes of a partition, or, where there are none or others are asked for, plan and push."""
        target = Target(project, self.sync, partition)
        project.destinations.require_keys([self.sync])
        force, allow, sample = self.launch.force, self.launch.guards(), self.launch.sample or None
        progress = log_progress(self.context.log)
        just_staged = self._changes in self.context.selected_asset_keys
        if anything_staged(target.state) and (just_staged or not self.launch.plans_anew()):
            tripped = self._tripped(target, staged(target.state)) if force or allow else ()
            found, result = push_staged(target, force=force, allow=allow, sample=sample, progress=progress)
            return Pushed(target, found, result, tripped)
        # For a plan the warehouse may be asked whether the partition has ended; a staged change set needs no warehouse.
        target = target_of(project, self.sync, partition)
        found = self._planned(target)
        tripped = self._tripped(target, found) if force or allow else ()
        result = push(target, found, force=force, allow=allow, sample=sample, progress=progress)
        return Pushed(target, found, result, tripped)

    def _tripped(self, target: Target, found: ChangeSet) -> Collection[str]:
        """The guards that are in the way of changes. It is asked before the push: a sync that has sent something is no
        longer one that was probably renamed."""
        tripped = guard(target, found)
        return tripped.guards if tripped is not None else ()

    def _asked(self, checks: Sequence[Sequence[AssetCheckResult]]) -> list[AssetCheckResult]:
        """The results of the checks that the run asks for, those of all partitions in one.

        Args:
            checks: for each partition, a result of each check.
        """
        asked = {(key.asset_key, key.name) for key in self.context.selected_asset_check_keys}
        found = [in_one(results) for results in zip(*checks, strict=True)]
        return [result for result in found if (result.asset_key, result.check_name) in asked]
