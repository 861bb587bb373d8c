"""How large a push will be, how long it will take, and whether that is usual."""

from __future__ import annotations

from statistics import median

from dagster import AssetKey, AssetRecordsFilter, DagsterInstance, MetadataValue

from candu_sync import ChangeSet, Target
from candu_sync.naming import counted
from candu_sync.routes import ROUTES
from dagster_defs.metadata import Metadata

_RATIO = "change ratio"
_RUNS = 20
_MINUTE = 60


def estimate(changes: ChangeSet, target: Target) -> Metadata:
    """Requests, as large as they are expected to become, and minutes at the configured rate, if there is one; retries
    and Candu's own pace come on top."""
    settings, summary = target.project.settings, changes.summary
    requests = target.project.destinations.requests(ROUTES[changes.route], changes.kind, summary.messages,
                                                    summary.bytes)
    took = requests / settings.rate if settings.rate else 0.0
    shown = f"{took:,.1f} s" if took < _MINUTE else f"{took / _MINUTE:,.1f} minutes"
    pace = f", {shown} at {settings.rate:g} a second" if settings.rate else ""
    return {"estimate": MetadataValue.text(f"{counted(requests, 'request')}{pace}")}


def ratios(changes: ChangeSet, instance: DagsterInstance, asset: AssetKey) -> Metadata:
    """The share of the rows that Candu has which changed or left, and that of the last runs of this partition; for
    events, which do not change, and for a first run there is none. Where nothing changed, the last runs are not asked
    for."""
    summary = changes.summary
    if changes.kind == "events" or not summary.snapshot_rows:
        return {}
    found: Metadata = {_RATIO: MetadataValue.float(
        round((summary.changed + summary.removed) / summary.snapshot_rows, 4))}
    # Most runs of most syncs find nothing, and their cost is Dagster's storage.
    before = _before(instance, asset, changes.partition) if summary.changed or summary.removed else []
    if before:
        found["usual change ratio"] = MetadataValue.text(
            f"median {median(before):.2%}, highest {max(before):.2%}, over the last {counted(len(before), 'run')}")
    return found


def _before(instance: DagsterInstance, asset: AssetKey, partition: str | None) -> list[float]:
    """The ratios of up to 20 materializations before this one."""
    wanted = AssetRecordsFilter(asset, asset_partitions=None if partition is None else [partition])
    records = instance.fetch_materializations(wanted, limit=_RUNS).records
    events = [record.asset_materialization for record in records]
    values = [event.metadata[_RATIO].value for event in events if event is not None and _RATIO in event.metadata]
    return [value for value in values if isinstance(value, float)]
