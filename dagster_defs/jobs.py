"""A job for each sync, and its schedule: the run list, the timeline and the page of jobs name the sync."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dagster import (
    AssetSelection,
    DefaultScheduleStatus,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    define_asset_job,
    schedule,
)

from candu_sync.syncs import Sync, cron_and_zone
from dagster_defs.launch import Launch
from dagster_defs.markdown import as_text
from dagster_defs.names import ALONE, PRIORITIES, PRIORITY_TAG, SYNC_TAG, Names
from dagster_defs.partitions import is_partition_key, newest_partitions
from dagster_defs.resources import CanduSyncResource

_KUBERNETES_TAG = "dagster-k8s/config"

if TYPE_CHECKING:
    # Dagster's public names do not include it.
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


def build_job(sync: Sync, names: Names = ALONE) -> UnresolvedAssetJobDefinition:
    """The job that plans, guards and pushes a sync. Its launchpad opens with every field and its default."""
    defaults = {"ops": {names.op_name(sync.name): {"config": Launch().model_dump()}}}
    assets = AssetSelection.assets(names.changes_key(sync.name), names.push_key(sync.name))
    return define_asset_job(
        names.job_name(sync.name), assets, config=defaults, tags=_run_tags(sync, names),
        description=as_text(sync.description) if sync.description else None)


def _run_tags(sync: Sync, names: Names) -> dict[str, str]:
    return {SYNC_TAG: names.label(sync.name), PRIORITY_TAG: PRIORITIES[sync.kind], **_container(sync), **sync.tags}


def _container(sync: Sync) -> dict[str, str]:
    """The tag by which ``K8sRunLauncher`` gives a run's pod the sync's ``resources``. What is not given comes from the
    launcher. Memory is a limit too: a pod that gets more than it asked for is the first to be killed."""
    memory, cpu = sync.resources.memory, sync.resources.cpu
    if memory is None and cpu is None:
        return {}
    asked = {name: amount for name, amount in (("memory", memory), ("cpu", cpu)) if amount is not None}
    resources = {"requests": asked} | ({"limits": {"memory": memory}} if memory is not None else {})
    return {_KUBERNETES_TAG: json.dumps({"container_config": {"resources": resources}})}


def build_schedule(sync: Sync, names: Names = ALONE) -> ScheduleDefinition | None:
    """The schedule of a sync with a cron line, which is on; None for others.

    A tick runs each segment that there is, and of windows the last that has ended. It does not wait for the assets
    upstream: many of them are only shown here, and Dagster does not know when they were updated.
    """
    if sync.automation in ("none", "on_upstream"):
        return None
    line, zone = cron_and_zone(sync.automation)

    @schedule(name=f"{names.job_name(sync.name)}__schedule", job_name=names.job_name(sync.name), cron_schedule=line,
              required_resource_keys={names.resource_key},
              execution_timezone=zone or "UTC", default_status=DefaultScheduleStatus.RUNNING,
              description=f"Runs {names.label(sync.name)}.")
    def tick(context: ScheduleEvaluationContext) -> Iterator[RunRequest | SkipReason]:
        if sync.partitions is None:
            yield RunRequest()
            return
        at = context.scheduled_execution_time
        keys = newest_partitions(sync, _segments(sync, names, context), at)
        if not keys:
            yield SkipReason("There is no partition to run yet.")
        for key in keys:
            yield RunRequest(partition_key=key, run_key=f"{at.isoformat()} {key}")

    return tick


def _segments(sync: Sync, names: Names, context: ScheduleEvaluationContext) -> list[str]:
    """The segments that there are now. A new value of the warehouse is first added by the sensor of partitions; one
    that is gone is not run."""
    assert sync.partitions is not None
    if sync.partitions.dynamic is None:
        return list(sync.partitions.keys or ())
    known = set(context.instance.get_dynamic_partitions(names.dynamic(sync.partitions.dynamic)))
    resource: CanduSyncResource = getattr(context.resources, names.resource_key)
    with resource.project() as project:
        found = project.known_values(str(sync.partitions.values))
    return [key for key in found if key in known and is_partition_key(key, sync.partitions)]
