"""Syncs → Dagster definitions: assets, jobs, schedules, sensors, and an asset in the place of each wrong file."""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

from dagster import (
    AssetsDefinition,
    AssetSpec,
    Definitions,
    ExecutorDefinition,
    RetryPolicy,
    SensorDefinition,
    in_process_executor,
)

from candu_sync.dbt import load_catalog
from candu_sync.errors import SpecError
from candu_sync.syncs import Catalog, Sync
from dagster_defs.assets import build_broken_asset, build_sync_assets
from dagster_defs.automation import AUTOMATION, automation_sensor, partitions_sensor
from dagster_defs.dbt import manifest, with_upstream
from dagster_defs.failures import RETRIES
from dagster_defs.ids_check import build_ids_check
from dagster_defs.jobs import build_job, build_schedule
from dagster_defs.names import Names
from dagster_defs.reports import report_definitions
from dagster_defs.resources import CanduSyncResource, settings_of
from dagster_defs.specs import changes_spec, push_spec

SpecOf = Callable[[Sync, Names], AssetSpec]

_log = logging.getLogger(__name__)


def build_definitions(folder: Path, *, resource: CanduSyncResource | None = None,
                      executor: ExecutorDefinition | None = in_process_executor,
                      retries: RetryPolicy = RETRIES) -> Definitions:
    """The definitions for every sync under ``folder``, and for those that dbt's models declare by
    ``CANDU_DBT_MANIFEST``; to be a code location or most of one.

    Several workspaces are one code location by ``Definitions.merge``: a call for each, whose resource has a
    ``workspace``. All names have it in them.

    Args:
        resource: of the workspace; None: one that reads the settings of the environment.
        executor: None: that of the code location. The default does one step after the other: users before groups before
            events. All pushes together keep to ``CANDU_RATE``, with any executor.
        retries: only for errors that may pass by themselves.

    Raises:
        SettingsError: there is no such folder, or the workspace cannot have this name.
    """
    resource = resource or settings_of()
    names = resource.names()
    catalog = load_catalog(folder, manifest(names.workspace))
    return Definitions.merge(catalog_definitions(catalog, names, retries=retries),
                             report_definitions(list(catalog.syncs.values()), names, retries=retries),
                             Definitions(executor=executor, resources={names.resource_key: resource}))


def catalog_definitions(catalog: Catalog, names: Names, *, retries: RetryPolicy = RETRIES,
                        changes: SpecOf = changes_spec, push: SpecOf = push_spec,
                        automation: str = AUTOMATION) -> Definitions:
    """The definitions for a catalog's syncs, without executor and resource; an asset for each file that is wrong.

    Args:
        changes, push: how a sync's two assets are shown; their keys stay.
        automation: the end of the name of the sensor that runs syncs with ``automation``.
    """
    catalog = _without_clashes(with_upstream(catalog, names.workspace))
    syncs = list(catalog.syncs.values())
    assets = [build_sync_assets(sync, names, retries=retries, changes=changes(sync, names), push=push(sync, names),
                                beside=catalog) for sync in syncs]
    checks = [check for sync in syncs if (check := build_ids_check(sync, names)) is not None]
    schedules = [build_schedule(sync, names) for sync in syncs]
    return Definitions(assets=[*assets, *_broken(catalog, names)], jobs=[build_job(sync, names) for sync in syncs],
                       asset_checks=checks,
                       schedules=[schedule for schedule in schedules if schedule is not None],
                       sensors=_sensors(syncs, names, f"{names.engine}_{automation}"))


def _without_clashes(catalog: Catalog) -> Catalog:
    """Without the syncs whose push would have the key of another sync's changes: they are errors."""
    clashing = [sync for name, sync in catalog.syncs.items()
                if name.endswith("_changes") and name.removesuffix("_changes") in catalog.syncs]
    errors = [SpecError(str(sync.path), f"{sync.name} has the name of an asset of {sync.name.removesuffix('_changes')} "
                        "in Dagster: rename one of the two", sync=sync.name) for sync in clashing]
    return Catalog({name: sync for name, sync in catalog.syncs.items() if sync not in clashing},
                   (*catalog.errors, *errors))


def _sensors(syncs: list[Sync], names: Names, automation: str) -> list[SensorDefinition]:
    automated = [key for sync in syncs if sync.automation == "on_upstream"
                 for key in (names.changes_key(sync.name), names.push_key(sync.name))]
    dynamic = [sync for sync in syncs if sync.partitions is not None and sync.partitions.dynamic is not None]
    lists = Counter(sync.partitions.dynamic for sync in dynamic if sync.partitions is not None)
    sensors: list[SensorDefinition] = [
        partitions_sensor(sync, names, alone=lists[sync.partitions.dynamic] == 1)
        for sync in dynamic if sync.partitions is not None]
    return [*sensors, automation_sensor(automated, automation)] if automated else sensors


def _broken(catalog: Catalog, names: Names) -> list[AssetsDefinition]:
    found: dict[str, list[SpecError]] = defaultdict(list)
    for error in catalog.errors:
        _log.warning("%s", error)
        found[error.sync or Path(error.path).stem].append(error)
    assets: dict[str, AssetsDefinition] = {}
    for name, errors in found.items():
        shown = _free_name(name, {*catalog.syncs, *(f"{sync}_changes" for sync in catalog.syncs), *assets})
        assets[shown] = build_broken_asset(shown, names, errors)
    return list(assets.values())


def _free_name(name: str, taken: set[str]) -> str:
    """The name of a wrong file, without the characters that Dagster refuses; it may then equal another's."""
    shown = re.sub(r"[^A-Za-z0-9_/]", "_", name)
    while shown in taken:
        shown += "_"
    return shown
