"""One run of a sync: the changes of its partitions, then, past the guard, their push."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from dagster import (
    AssetCheckEvaluation,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetExecutionContext,
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
from candu_sync.errors import GuardTripped
from candu_sync.history import first_rows
from candu_sync.naming import named
from candu_sync.operate import OtherSyncs, findings_of, preview_rows, set_aside, why_refused
from dagster_defs.checks import GUARD, MOST_KEYS, guard_result, how_to_pass, set_aside_result
from dagster_defs.dbt import lineage_metadata
from dagster_defs.failures import fail, failures
from dagster_defs.lasting import opened
from dagster_defs.launch import Launch
from dagster_defs.metadata import Metadata, changes_metadata, push_metadata, told_rows
from dagster_defs.names import changes_key, push_key
from dagster_defs.oddities import oddities_result
from dagster_defs.outlook import estimate, ratios
from dagster_defs.progress import log_progress, warnings_in
from dagster_defs.ranges import in_one, partitions_of, per_partition
from dagster_defs.resources import CanduSyncResource

Event = AssetCheckResult | MaterializeResult[None]


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

    def events(self) -> Iterator[Event]:
        """Do what the run asks for: the changes, the push, both, or only their checks."""
        asked = self.context.selected_asset_keys
        if changes_key(self.sync.name) in asked:
            yield from self._stage()
        if self._pushes():
            yield from self._push()
        if not asked:
            yield from self._check()

    def _pushes(self) -> bool:
        return push_key(self.sync.name) in self.context.selected_asset_keys

    def _stage(self) -> Iterator[Event]:
        """Stage the changes of each partition. Where a guard stops one, the run ends here."""
        asset, stopped, checks = changes_key(self.sync.name), [], []
        with per_partition(self.context, asset) as note:
            for partition in partitions_of(self.context, self.sync):
                with self._project(self.retries) as project:
                    target = project.target(self.sync, partition)
                    # A second try goes on with what the first one staged: part of it may be sent.
                    found = staged(target.state) if self._staged_before() else self._planned(target)
                    stopped_by = self._stopped_by(target, found)
                    checks.append(self._judged(target, found, stopped_by))
                    note(partition, self._seen(target, found))
                    if stopped_by is not None and not found.keys and self._pushes():
                        # It is how a run ends. Of a preview it is not, and a run of a few rows tells of no others.
                        note_stopped(target, found, stopped_by)
                if stopped_by is not None:
                    stopped.append(self._stopped(partition, stopped_by))
        yield MaterializeResult(asset_key=asset, check_results=self._asked(checks))
        if stopped:
            fail("\n".join(stopped), self.context)

    def _push(self) -> Iterator[Event]:
        """Push each partition, until one fails."""
        partitions = partitions_of(self.context, self.sync)
        # A second try would plan again for the partitions that the first one has pushed.
        tries = self.retries if len(partitions) == 1 else None
        asset, checks = push_key(self.sync.name), []
        with per_partition(self.context, asset) as note:
            for partition in partitions:
                with self._project(tries) as project:
                    target, found, result = self._pushed(project, partition)
                    checks.append([self._left(target, found, result)])
                    metadata = self._sent(target, result)
                    stopped_by = self._stopped_by(target, found) if result.status == "guarded" else None
                if stopped_by is not None:
                    fail(self._stopped(partition, stopped_by), self.context)
                if result.error is not None:
                    yield from self._asked(checks)
                    fail(result.error, self.context, tries if result.transient else None, metadata=metadata)
                note(partition, metadata)
        self._correct_guard()
        yield MaterializeResult(asset_key=asset, check_results=self._asked(checks))

    def _correct_guard(self) -> None:
        """Where changes that were looked at before were let past the guard, its check says so. It is of another asset
        than this run makes, so that Dagster takes its result only this way."""
        passes = self.launch.force or self.launch.allow
        if not passes or changes_key(self.sync.name) in self.context.selected_asset_keys:
            return
        why = self.launch.why(self.context.run.tags)
        for partition in partitions_of(self.context, self.sync):
            self.context.instance.report_runless_asset_event(AssetCheckEvaluation(
                asset_key=changes_key(self.sync.name), check_name=GUARD, passed=False, severity=AssetCheckSeverity.WARN,
                description=f"Pushed past the guard: {why}", blocking=True, partition=partition,
                metadata={"run": MetadataValue.dagster_run(self.context.run_id)}))

    def _check(self) -> Iterator[Event]:
        """What the checks say now. Nothing is staged."""
        checks = []
        for partition in partitions_of(self.context, self.sync):
            with self._project(self.retries) as project:
                target = project.target(self.sync, partition)
                found = plan(target, keep=False, progress=log_progress(self.context.log))
                try:
                    checks.append([*self._judged(target, found, self._stopped_by(target, found)),
                                   self._left(target, found)])
                finally:
                    discard(found)
        yield from self._asked(checks)

    @contextmanager
    def _project(self, retries: RetryPolicy | None) -> Iterator[Project]:
        hint = f"in Dagster: materialize {changes_key(self.sync.name).to_user_string()}"
        with (failures(self.context, retries, stale_hint=hint), warnings_in(self.context.log),
              opened(self.context, self.resource) as project):
            project.new_key = self.launch.new_key
            yield project

    def _stopped_by(self, target: Target, found: ChangeSet) -> GuardTripped | None:
        """What stops the changes; None: no guard is tripped, or the launch lets them pass."""
        return None if self.launch.force else guard(target, found, allow=self.launch.guards())

    def _stopped(self, partition: str | None, by: GuardTripped) -> str:
        return f"{named(self.sync.name, partition)}: stopped by a guard: {how_to_pass(self.sync, by)}"

    def _staged_before(self) -> bool:
        """Whether an earlier try of this step got as far as the push."""
        if not self.context.retry_number:
            return False
        logs = self.context.instance.all_logs(self.context.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION)
        return any(log.get_dagster_event().asset_key == changes_key(self.sync.name) for log in logs)

    def _planned(self, target: Target) -> ChangeSet:
        if self.launch.values:
            target = replace(target, sync=self.sync.model_copy(update={"preview": "values"}))
        return plan(target, full=self.launch.full, force=self.launch.force, allow=self.launch.guards(),
                    keys=self.launch.keys, progress=log_progress(self.context.log))

    def _pushed(self, project: Project, partition: str | None) -> tuple[Target, ChangeSet, RunResult]:
        """Push the staged changes of a partition, or, where there are none or others are asked for, plan and push."""
        project.settings.require_api_key()
        target = Target(project, self.sync, partition)
        force, allow, sample = self.launch.force, self.launch.guards(), self.launch.sample or None
        progress = log_progress(self.context.log)
        just_staged = changes_key(self.sync.name) in self.context.selected_asset_keys
        if anything_staged(target.state) and (just_staged or not self.launch.plans_anew()):
            return target, *push_staged(target, force=force, allow=allow, sample=sample, progress=progress)
        # For a plan the warehouse may be asked whether the partition has ended; a staged change set needs no warehouse.
        target = project.target(self.sync, partition)
        found = self._planned(target)
        return target, found, push(target, found, force=force, allow=allow, sample=sample,
                                   progress=progress)

    def _judged(self, target: Target, found: ChangeSet, stopped_by: GuardTripped | None) -> list[AssetCheckResult]:
        findings = findings_of(target, found, OtherSyncs(target.project, self.beside))
        reason = self.launch.why(self.context.run.tags)
        return [guard_result(self.sync, found, guard(target, found), stopped_by, reason),
                oddities_result(self.sync, found, findings)]

    def _left(self, target: Target, found: ChangeSet, result: RunResult | None = None) -> AssetCheckResult:
        refused = found.summary.held if result is None else result.refused
        if found.keys:
            # Of the other rows the run knows nothing: what is known of them stays.
            aside = set_aside(target)
            return set_aside_result(self.sync, found, sum(row.outcome == "refused" for row in aside),
                                    why_refused(target), aside[:MOST_KEYS],
                                    Counter(row.reason for row in aside if row.outcome == "invalid"))
        return set_aside_result(self.sync, found, refused, why_refused(target) if refused else {},
                                set_aside(target, most=MOST_KEYS) if refused or found.summary.invalid else [])

    def _seen(self, target: Target, found: ChangeSet) -> Metadata:
        outlook = ratios(found, self.context.instance, changes_key(self.sync.name))
        outlook |= estimate(found, target.project.settings)
        if (tripped := guard(target, found)) is not None:
            outlook["guard"] = MetadataValue.text("; ".join(tripped.reasons))
        show = self.launch.values or self.sync.preview != "none"
        invalid = preview_rows(target, found, staged=True, sorts=["invalid"], values=self.launch.values) if show else []
        return (changes_metadata(found, outlook, invalid)
                | lineage_metadata(self.sync, found, target.project.settings.dbt_manifest))

    def _sent(self, target: Target, result: RunResult) -> Metadata:
        rows = target.state.current().rows
        metadata = push_metadata(result) | {"dagster/row_count": MetadataValue.int(rows)}
        if result.accepted or result.refused:
            told = first_rows(target.state, result.run_id, MOST_KEYS)
            metadata |= {"first rows": told_rows(told, values=self.launch.values)} if told else {}
        if self.launch.force or self.launch.allow:
            passed = "all" if self.launch.force else ", ".join(sorted(self.launch.guards()))
            metadata["guards passed"] = MetadataValue.text(f"{passed}: {self.launch.why(self.context.run.tags)}")
        return metadata

    def _asked(self, checks: Sequence[Sequence[AssetCheckResult]]) -> list[AssetCheckResult]:
        """The results of the checks that the run asks for, those of all partitions in one.

        Args:
            checks: for each partition, a result of each check.
        """
        asked = {(key.asset_key, key.name) for key in self.context.selected_asset_check_keys}
        found = [in_one(results) for results in zip(*checks, strict=True)]
        return [result for result in found if (result.asset_key, result.check_name) in asked]
