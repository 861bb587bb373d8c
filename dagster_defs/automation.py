"""When a sync runs by itself: its ``automation`` as Dagster's conditions, and the sensors that evaluate them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from dagster import (
    AddDynamicPartitionsRequest,
    AssetKey,
    AssetSelection,
    AutomationCondition,
    AutomationConditionSensorDefinition,
    DefaultSensorStatus,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from candu_sync import Project
from candu_sync.due import ended_partitions
from candu_sync.errors import SettingsError
from candu_sync.syncs import Sync
from dagster_defs.names import ALONE, Names
from dagster_defs.partitions import is_partition_key, newest_partitions
from dagster_defs.ranges import MOST_IN_A_RUN, range_tags, small_partitions
from dagster_defs.resources import CanduSyncResource

# One query a minute: a person may be waiting for a new segment.
_SECONDS_BETWEEN_LOOKS = 60

MOST_KEYS_A_TICK = 50
"""New keys of one tick, of which several go in a run. The rest is new at the next tick, too. With each key Dagster
writes two events when it makes the run, each by itself: nearly all of a tick's time, 26 ms of processor time a key on
SQLite, and several waits for the disk."""

MOST_RUNS_A_TICK = 10
"""Runs of one tick for new keys, where each key has runs of its own: to ask for one takes up to half a second."""

AUTOMATION = "automation"


def changes_condition(sync: Sync) -> AutomationCondition[Any] | None:
    """When the changes of a sync with ``on_upstream`` are due. A cron line is a schedule (``schedules.py``)."""
    if sync.automation != "on_upstream":
        return None
    latest, idle = AutomationCondition.in_latest_time_window(), ~AutomationCondition.in_progress()
    due = AutomationCondition.any_deps_updated().since_last_handled()
    return (latest & due & idle).with_label(sync.automation)


def push_condition(sync: Sync) -> AutomationCondition[Any] | None:
    """The push runs with the changes, in one run, when their own condition requested them. Changes that a person
    materialized to look at them are not sent."""
    if sync.automation != "on_upstream":
        return None
    return AutomationCondition.any_deps_match(AutomationCondition.will_be_requested()).with_label("with its changes")


def automation_sensor(keys: Sequence[AssetKey], name: str) -> AutomationConditionSensorDefinition:
    """A sensor of conditions that is on. Dagster's own is off until somebody turns it on."""
    return AutomationConditionSensorDefinition(
        name, target=AssetSelection.assets(*keys), default_status=DefaultSensorStatus.RUNNING,
        description="Runs the syncs whose YAML has `automation: on_upstream`.")


def partitions_sensor(sync: Sync, names: Names = ALONE, *, alone: bool = True) -> SensorDefinition:
    """A sensor that adds the new values of a dynamic sync as partitions, and runs them. With windows, it runs the
    newest window that has ended. The partition of a value that is gone is run once more, when constants of ``removed``
    are left to send for it. The sensor is on for a sync with ``automation``. For others, a person turns it on or adds
    partitions by hand."""
    name, _ = _dynamic(sync, names)
    status = DefaultSensorStatus.STOPPED if sync.automation == "none" else DefaultSensorStatus.RUNNING

    def look(context: SensorEvaluationContext) -> SensorResult | SkipReason:
        return new_partitions(context, sync, names, alone=alone)

    return sensor(name=f"{names.op_name(sync.name)}__partitions", job_name=names.job_name(sync.name),
                  default_status=status, required_resource_keys={names.resource_key},
                  minimum_interval_seconds=_SECONDS_BETWEEN_LOOKS,
                  description=f"Adds new values of `{name}` as partitions of {names.label(sync.name)}, and runs "
                  "them.")(look)


def new_partitions(context: SensorEvaluationContext, sync: Sync, names: Names = ALONE, *,
                   alone: bool = True) -> SensorResult | SkipReason:
    """A tick of that sensor."""
    resource: CanduSyncResource = getattr(context.resources, names.resource_key)
    name, values = _dynamic(sync, names)
    try:
        with resource.project() as project:
            found = project.known_values(values, sync.name)
            known = context.instance.get_dynamic_partitions(name)
            ended = _last_runs(project, sync, known)
    except SettingsError as error:
        return SkipReason(str(error))
    refused = [key for key in found if not is_partition_key(key, sync.partitions)]
    left_out = {*known, *refused}
    new = list(dict.fromkeys(key for key in found if key not in left_out))
    if not new and not ended:
        return SkipReason(_reason(found, known, refused))
    new = new[:MOST_KEYS_A_TICK if alone else MOST_RUNS_A_TICK]
    return SensorResult(run_requests=[*_first_runs(sync, new, alone=alone), *ended],
                        dynamic_partitions_requests=[AddDynamicPartitionsRequest(name, new)] if new else [])


def _first_runs(sync: Sync, new: Sequence[str], *, alone: bool) -> list[RunRequest]:
    """The runs of new keys, which Dagster adds at the end of its list, in this order. So several of them are a range,
    unless another sync adds keys to the list at the same time."""
    if not (alone and small_partitions(sync)):
        return [RunRequest(partition_key=key) for key in newest_partitions(sync, new, dt.datetime.now(dt.UTC))]
    groups = [new[at:at + MOST_IN_A_RUN] for at in range(0, len(new), MOST_IN_A_RUN)]
    return [RunRequest(partition_key=group[0]) if len(group) == 1 else RunRequest(tags=range_tags(group))
            for group in groups]


def _last_runs(project: Project, sync: Sync, known: Sequence[str]) -> list[RunRequest]:
    """A run for each partition that has ended with rows left. Dagster starts none of a ``run_key`` that it had before:
    what a guard stopped, or what failed, is not tried again each minute."""
    there = set(known)
    ended = [key for key in ended_partitions(project, sync) if key in there]
    return [RunRequest(partition_key=key, run_key=f"{key} ended after version "
                       f"{project.state.of(sync.name, key).current().number}") for key in ended]


def _dynamic(sync: Sync, names: Names) -> tuple[str, str]:
    """The name of a dynamic sync's partitions, and the SQL that finds their keys."""
    assert sync.partitions is not None
    return names.dynamic(str(sync.partitions.dynamic)), str(sync.partitions.values)


def _reason(found: Sequence[str], known: Sequence[str], refused: Sequence[str]) -> str:
    """Why there was nothing to do. Partitions are never deleted, since Candu still has the traits of their users."""
    gone = sorted(set(known) - set(found))
    return f"No new value among {len(found)}." + (
        f" Not in the warehouse any more: {', '.join(gone)}." if gone else "") + (
        f" Dagster takes no such key: {', '.join(map(repr, refused))}." if refused else "")
