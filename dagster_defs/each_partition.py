"""A run of several partitions that do not depend on each other: each is planned, guarded and pushed by itself.

One that a guard stops, or that fails, keeps no other back: the run fails at its end, with a sentence for each. After a
passing trouble the step is tried again for the partitions that are left.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from dagster import AssetCheckResult, AssetExecutionContext, Failure, MaterializeResult

from candu_sync import ChangeSet, Project, Sync, guard, note_stopped
from candu_sync.due import target_of
from candu_sync.settings import in_words
from dagster_defs.failures import fail
from dagster_defs.metadata import Metadata
from dagster_defs.ranges import independent, listed, partitions_of, per_partition
from dagster_defs.run_tags import tag_cancelled, tag_counts, tag_stopped
from dagster_defs.sync_run import Event, SyncRun

_Note = Callable[[str | None, Metadata], None]


def in_turn(context: AssetExecutionContext, sync: Sync) -> bool:
    """Whether this is such a run: of both assets."""
    return (independent(sync) and len(context.selected_asset_keys) > 1
            and len(partitions_of(context, sync)) > 1)


@dataclass
class _Outcomes:
    """What became of the partitions of this try.

    Attributes:
        failed: a sentence for each that failed or that a guard stopped.
        tripped: of each that was pushed, the guards that were in its way.
    """

    found: list[ChangeSet] = field(default_factory=list)
    checks: list[Sequence[AssetCheckResult]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    tripped: list[Collection[str]] = field(default_factory=list)


class EachPartition(SyncRun):
    """A sync in such a run."""

    def events(self) -> Iterator[Event]:
        """Plan, guard and push one partition after the other."""
        outcomes, again = _Outcomes(), self.context.retry_number > 0
        with (per_partition(self.context, self._changes, record=again) as note_changes,
              per_partition(self.context, self._push_key, record=again) as note_push):
            self._do(outcomes, note_changes, note_push)
            self._tag_passed(outcomes.tripped)
            if again or outcomes.failed:
                yield from self._asked(outcomes.checks)
            if outcomes.failed:
                fail(listed(outcomes.failed), self.context)
        if not again:
            results = self._asked(outcomes.checks)
            for asset in (self._changes, self._push_key):
                yield MaterializeResult(asset_key=asset,
                                        check_results=[result for result in results if result.asset_key == asset])
        self._refuse_unknown_keys(outcomes.found)

    def _do(self, outcomes: _Outcomes, note_changes: _Note, note_push: _Note) -> None:
        """Do the partitions that no earlier try has pushed.

        Raises:
            RetryRequested: after a passing trouble, which is probably the others' too.
        """
        staged, pushed = self._recorded(self._changes), self._recorded(self._push_key)

        def note_new(partition: str | None, metadata: Metadata) -> None:
            if partition not in staged:
                note_changes(partition, metadata)

        for partition in partitions_of(self.context, self.sync):
            if partition in pushed:
                continue
            try:
                with self._project(self.retries, partition) as project:
                    note_push(partition, self._one(project, partition, outcomes, staged, note_new))
            except Failure as failure:
                outcomes.failed.append(failure.description or str(failure))

    def _one(self, project: Project, partition: str | None, outcomes: _Outcomes, staged: Collection[str | None],
             note_changes: _Note) -> Metadata:
        """Plan, guard and push a partition.

        Raises:
            Failure: a guard stops it, or it failed.
            RetryRequested: it may pass.
        """
        target = target_of(project, self.sync, partition)
        found = self._found(target, partition, staged)
        evidence, tripped = self._evidence(target, found), guard(target, found)
        stopped_by = self._stopped_by(target, found, tripped)
        checks = evidence.checks_of_changes(tripped, stopped_by)
        note_changes(partition, evidence.of_changes(tripped))
        outcomes.found.append(found)
        if stopped_by is not None:
            outcomes.checks.append([*checks, evidence.check_of_push()])
            if not found.keys:
                note_stopped(target, found, stopped_by)
            tag_stopped(self.context, self.names.label(self.sync.name), partition, stopped_by)
            fail(self._stopped_sentence(partition, stopped_by), self.context)
        with tag_cancelled(self.context, target.state):
            target, found, result, passed = self._pushed(project, partition)
        evidence = self._evidence(target, found)
        outcomes.checks.append([*checks, evidence.check_of_push(result)])
        tag_counts(self.context, result)
        outcomes.tripped.append(passed)
        if result.error is not None:
            fail(in_words(self.names.workspace, result.error), self.context, self.retries if result.transient else None)
        return evidence.of_push(result, passed)
