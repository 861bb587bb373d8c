"""What Dagster loads: the assets of every sync under ``CANDU_SQL_DIR``.

No other setting is needed to load; what is missing is told by the run that needs it. A file that is wrong costs its
own sync, and no other.
"""

from __future__ import annotations

import logging
import os
import re
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

from dagster import AssetsDefinition, Definitions, RetryPolicy, SensorDefinition, in_process_executor

from candu_sync.errors import SettingsError, SpecError
from candu_sync.settings import load_settings
from candu_sync.sync import Catalog, Sync, load_syncs
from dagster_defs.assets import build_broken_asset, build_sync_assets, changes_key, push_key
from dagster_defs.automation import automation_sensor, partitions_sensor
from dagster_defs.failures import RETRIES
from dagster_defs.resources import CanduSyncResource

_log = logging.getLogger(__name__)


def build_definitions(folder: Path, *, retries: RetryPolicy = RETRIES) -> Definitions:
    """The definitions for every sync under ``folder``.

    Args:
        retries: of what is worth another try, and of that alone.

    Raises:
        SettingsError: there is no such folder.
    """
    catalog = load_syncs(folder)
    syncs = list(catalog.syncs.values())
    assets = [asset for sync in syncs for asset in build_sync_assets(sync, retries=retries)]
    # One step after the other: users before groups before events, and one push at a time keeps within CANDU_RATE.
    return Definitions(assets=[*assets, *_broken(catalog)], sensors=_sensors(syncs), executor=in_process_executor,
                       resources={"candu_sync": CanduSyncResource()})


def _sensors(syncs: list[Sync]) -> list[SensorDefinition]:
    keys = {sync.name: [changes_key(sync.name), push_key(sync.name)] for sync in syncs}
    automated = [key for sync in syncs if sync.automation != "none" for key in keys[sync.name]]
    dynamic = [sync for sync in syncs if sync.partitions is not None and sync.partitions.dynamic is not None]
    sensors: list[SensorDefinition] = [partitions_sensor(sync, keys[sync.name]) for sync in dynamic]
    return [*sensors, automation_sensor(automated)] if automated else sensors


def _broken(catalog: Catalog) -> list[AssetsDefinition]:
    found: dict[str, list[SpecError]] = defaultdict(list)
    for error in catalog.errors:
        _log.warning("%s", error)
        found[error.sync or Path(error.path).stem].append(error)
    assets: dict[str, AssetsDefinition] = {}
    for name, errors in found.items():
        shown = _free_name(name, {*catalog.syncs, *assets})
        assets[shown] = build_broken_asset(shown, errors)
    return list(assets.values())


def _free_name(name: str, taken: set[str]) -> str:
    """A misnamed file may have characters that Dagster refuses; without them it may be called as another is."""
    shown = re.sub(r"[^A-Za-z0-9_/]", "_", name)
    while shown in taken:
        shown += "_"
    return shown


def _sql_dir() -> Path:
    """``CANDU_SQL_DIR``. Where another setting is wrong, the run that needs it says so."""
    with suppress(SettingsError):
        return load_settings().sql_dir
    return Path(os.environ.get("CANDU_SQL_DIR") or "sql")


defs = build_definitions(_sql_dir())
