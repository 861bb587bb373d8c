"""Syncs → Dagster definitions: assets, jobs, schedules, sensors, and an asset in the place of each wrong file."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from dagster import AssetsDefinition, AssetSpec, Definitions, RetryPolicy, SensorDefinition, in_process_executor

from candu_sync.dbt import load_catalog
from candu_sync.errors import SpecError
from candu_sync.syncs import Catalog, Sync
from dagster_defs.assets import build_broken_asset, build_sync_assets
from dagster_defs.automation import AUTOMATION, automation_sensor, partitions_sensor
from dagster_defs.dbt import manifest, with_upstream
from dagster_defs.failures import RETRIES
from dagster_defs.jobs import build_job, build_schedule
from dagster_defs.names import changes_key, push_key
from dagster_defs.reports import report_definitions
from dagster_defs.resources import SETTINGS
from dagster_defs.specs import changes_spec, push_spec

SpecOf = Callable[[Sync], AssetSpec]

_log = logging.getLogger(__name__)


def build_definitions(folder: Path, *, retries: RetryPolicy = RETRIES) -> Definitions:
    """The definitions for every sync under ``folder``, and for those that dbt's models declare by
    ``CANDU_DBT_MANIFEST``; to be a code location or most of one.

    Args:
        retries: only for errors that may pass by themselves.

    Raises:
        SettingsError: there is no such folder.
    """
    # One step after the other: users before groups before events. One push at a time keeps to CANDU_RATE.
    catalog = load_catalog(folder, manifest())
    return Definitions.merge(catalog_definitions(catalog, retries=retries),
                             report_definitions(list(catalog.syncs.values()), retries=retries),
                             Definitions(executor=in_process_executor))


def catalog_definitions(catalog: Catalog, *, retries: RetryPolicy = RETRIES, changes: SpecOf = changes_spec,
                        push: SpecOf = push_spec, automation: str = AUTOMATION) -> Definitions:
    """The definitions for a catalog's syncs, without an executor; an asset for each file that is wrong.

    Args:
        changes, push: how a sync's two assets are shown; their keys stay.
        automation: the name of the sensor that runs syncs with ``automation``.
    """
    catalog = _without_clashes(with_upstream(catalog))
    syncs = list(catalog.syncs.values())
    assets = [build_sync_assets(sync, retries=retries, changes=changes(sync), push=push(sync), beside=catalog)
              for sync in syncs]
    schedules = [build_schedule(sync) for sync in syncs]
    return Definitions(assets=[*assets, *_broken(catalog)], jobs=[build_job(sync) for sync in syncs],
                       schedules=[schedule for schedule in schedules if schedule is not None],
                       sensors=_sensors(syncs, automation), resources={"candu_sync": SETTINGS})


def _without_clashes(catalog: Catalog) -> Catalog:
    """Without the syncs whose push would have the key of another sync's changes: they are errors."""
    clashing = [sync for name, sync in catalog.syncs.items()
                if name.endswith("_changes") and name.removesuffix("_changes") in catalog.syncs]
    errors = [SpecError(str(sync.path), f"{sync.name} has the name of an asset of {sync.name.removesuffix('_changes')} "
                        "in Dagster: rename one of the two", sync=sync.name) for sync in clashing]
    return Catalog({name: sync for name, sync in catalog.syncs.items() if sync not in clashing},
                   (*catalog.errors, *errors))


def _sensors(syncs: list[Sync], automation: str) -> list[SensorDefinition]:
    automated = [key for sync in syncs if sync.automation == "on_upstream"
                 for key in (changes_key(sync.name), push_key(sync.name))]
    dynamic = [sync for sync in syncs if sync.partitions is not None and sync.partitions.dynamic is not None]
    sensors: list[SensorDefinition] = [partitions_sensor(sync) for sync in dynamic]
    return [*sensors, automation_sensor(automated, automation)] if automated else sensors


def _broken(catalog: Catalog) -> list[AssetsDefinition]:
    found: dict[str, list[SpecError]] = defaultdict(list)
    for error in catalog.errors:
        _log.warning("%s", error)
        found[error.sync or Path(error.path).stem].append(error)
    assets: dict[str, AssetsDefinition] = {}
    for name, errors in found.items():
        shown = _free_name(name, {*catalog.syncs, *(f"{sync}_changes" for sync in catalog.syncs), *assets})
        assets[shown] = build_broken_asset(shown, errors)
    return list(assets.values())


def _free_name(name: str, taken: set[str]) -> str:
    """The name of a wrong file, without the characters that Dagster refuses; it may then equal another's."""
    shown = re.sub(r"[^A-Za-z0-9_/]", "_", name)
    while shown in taken:
        shown += "_"
    return shown
