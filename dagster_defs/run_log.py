"""What Dagster knows of runs and the state does not: which are under way, and which failed without a word in the state.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Self

from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from candu_sync.alerts import Condition, Problem, Standing
from dagster_defs.names import SYNC_TAG, Names

_UNDER_WAY = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
_PARTITION = "dagster/partition"

# How far the first look goes back, and how much two looks overlap: clocks differ, and a failure is stored late.
_FIRST = dt.timedelta(days=1)
_OVERLAP = dt.timedelta(minutes=10)

# Runs of one look, and failures that are remembered: the newest.
_MOST = 500


@dataclass(frozen=True)
class FailedRun:
    """A run of a sync that failed.

    Attributes:
        partition: "" where it has none, or several.
        at: when it ended, in seconds since 1970.
        why: our own sentence; "": there is none. An error of another library may quote values.
    """

    sync: str
    partition: str
    run_id: str
    at: float
    why: str

    def known_to(self, standing: Standing) -> bool:
        """Whether the state has it, or a later run."""
        # The state keeps whole seconds.
        ended = standing.ended.timestamp() if standing.ended else 0.0
        return ended >= math.floor(self.at) or self.run_id in (standing.link or "")

    def problem(self, partition: str | None) -> Problem:
        """What is wrong, since the state does not know of it."""
        since = dt.datetime.fromtimestamp(self.at, dt.UTC).isoformat(timespec="seconds")
        why = self.why or "its run in Dagster ended before it could say why. The page of the run has the error"
        return Problem("failing", f"failing since {since}: {why}", partition)


@dataclass
class RunLog:
    """The runs of an instance, as far as notices need them.

    Attributes:
        busy: sync and partition of each run that is under way; None: of all partitions.
        failed: the newest failed run of each sync and partition.
    """

    busy: set[tuple[str, str | None]]
    failed: dict[tuple[str, str], FailedRun]
    looked_at: float = field(default_factory=lambda: dt.datetime.now(dt.UTC).timestamp())

    @classmethod
    def read(cls, instance: DagsterInstance, cursor: str | None, names: Names) -> Self:
        """The runs that are new since the last look.

        Args:
            cursor: of the last look; None: this is the first.
            names: of the workspace whose syncs are looked at.
        """
        now = dt.datetime.now(dt.UTC)
        before = json.loads(cursor) if cursor else {"at": (now - _FIRST).timestamp(), "failed": []}
        busy = {(sync, run.tags.get(_PARTITION)) for run in instance.get_runs(RunsFilter(statuses=_UNDER_WAY))
                for sync in _syncs_of(run, names)}
        found = [FailedRun(*one) for one in before["failed"]]
        after = dt.datetime.fromtimestamp(before["at"], dt.UTC) - _OVERLAP
        for record in instance.get_run_records(RunsFilter(statuses=[DagsterRunStatus.FAILURE], updated_after=after),
                                               limit=_MOST):
            run = record.dagster_run
            at = record.end_time or record.update_timestamp.timestamp()
            syncs = _syncs_of(run, names)
            why = _why(instance, run.run_id) if syncs else ""
            found += [FailedRun(sync, run.tags.get(_PARTITION, ""), run.run_id, at, why) for sync in syncs]
        return cls(busy, {(one.sync, one.partition): one for one in sorted(found, key=lambda one: one.at)[-_MOST:]})

    @property
    def cursor(self) -> str:
        """For the next look."""
        failed = [list(vars(one).values()) for one in self.failed.values()]
        return json.dumps({"at": self.looked_at, "failed": failed})

    def seen(self, condition: Condition, page: Callable[[str | None], str | None]) -> Condition | None:
        """A condition with what this log knows of its sync: without partitions that are being run, since a failed try
        may be followed by one that works, and with failures that the state does not know. None: it is being run.

        Args:
            page: from what a run was launched as to its page.
        """
        if (condition.sync, None) in self.busy:
            return None
        standings = [self._seen(condition.sync, standing, page) for standing in condition.standings
                     if standing.partition is None or (condition.sync, standing.partition) not in self.busy]
        known = {standing.partition for standing in condition.standings}
        strangers = [one for one in self.failed.values() if one.sync == condition.sync and one.partition
                     and one.partition not in known and (one.sync, one.partition) not in self.busy]
        return replace(condition, standings=(*standings, *(
            Standing(one.partition, (one.problem(one.partition),), link=page(one.run_id)) for one in strangers)))

    def _seen(self, sync: str, standing: Standing, page: Callable[[str | None], str | None]) -> Standing:
        """A standing with the failure that the state does not know, if there is one; another is forgotten."""
        failure = self.failed.get((sync, standing.partition or ""))
        if failure is not None and failure.known_to(standing):
            failure = self.failed.pop((sync, failure.partition)) and None
        if failure is None:
            return replace(standing, link=page(standing.link))
        problems = (*standing.problems, failure.problem(standing.partition))
        return replace(standing, problems=problems, link=page(failure.run_id))


def _syncs_of(run: DagsterRun, names: Names) -> list[str]:
    """The syncs of the workspace that a run pushes: by its assets, and where it is of a whole job, by its tag. The
    changes of a sync give a name that no sync has: a preview is no run of one."""
    if not run.asset_selection:
        labels = run.tags.get(SYNC_TAG, "").split(", ")
        return [sync for label in labels if (sync := names.sync_of(label)) is not None]
    return ["/".join(key.path[1:]) for key in run.asset_selection if key.path[0] == names.root]


def _why(instance: DagsterInstance, run_id: str) -> str:
    """The sentence of the first step that failed with one."""
    return next(_sentences(instance, run_id), "")


def _sentences(instance: DagsterInstance, run_id: str) -> Iterator[str]:
    for entry in instance.all_logs(run_id, of_type=DagsterEventType.STEP_FAILURE):
        event = entry.dagster_event
        data = event.step_failure_data.user_failure_data if event is not None else None
        if data is not None and data.description:
            yield data.description
