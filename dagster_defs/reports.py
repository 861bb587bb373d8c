"""The report tables as assets: downstream of all pushes, and what dbt's models on the tables are downstream of.

``dagster-dbt`` gives the tables of a source ``candu_sync`` the same keys.
"""

# Annotations are evaluated here: Dagster reads the classes of a context and a resource from them.
from collections.abc import Iterator, Sequence
from contextlib import suppress

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    AutomationCondition,
    Definitions,
    MaterializeResult,
    MetadataValue,
    RetryPolicy,
    multi_asset,
)

from candu_sync import Sync, load_settings
from candu_sync.errors import SettingsError
from dagster_defs.automation import automation_sensor
from dagster_defs.failures import RETRIES, fail, failures
from dagster_defs.names import push_key
from dagster_defs.progress import warnings_in
from dagster_defs.resources import SETTINGS, CanduSyncResource

RUNS = AssetKey(["candu_sync", "sync_runs"])
ROWS = AssetKey(["candu_sync", "sync_rows"])

_ABOUT = {RUNS: "A row for each run of a sync: how it ended, and its counts.",
          ROWS: "The history: a row for each row that a run sent, with what became of it."}


def report_definitions(syncs: Sequence[Sync], *, retries: RetryPolicy = RETRIES) -> Definitions:
    """The assets of the report tables, and a sensor that materializes them after pushes; nothing where no sync has
    report tables.

    Args:
        syncs: all of the code location. Those without report tables are left out.
        retries: while the database of the tables is away.
    """
    default = _default_schema()
    pushes = [push_key(sync.name) for sync in syncs if sync.report_schema(default) is not None]
    if not pushes:
        return Definitions()
    return Definitions(assets=[_report_assets(pushes, retries)], resources={"candu_sync": SETTINGS},
                       sensors=[automation_sensor([RUNS, ROWS], "candu_sync_report")])


def _default_schema() -> str | None:
    """``CANDU_REPORT_SCHEMA``. If another setting is wrong, the run that needs it fails with its name."""
    with suppress(SettingsError):
        return load_settings().report_schema
    return None


def _report_assets(pushes: Sequence[AssetKey], retries: RetryPolicy) -> AssetsDefinition:
    due = AutomationCondition.any_deps_updated().since_last_handled() & ~AutomationCondition.in_progress()
    specs = [AssetSpec(key, deps=pushes, description=f"{about} Each push writes its own; materialize this for what "
                       "is missing.", group_name="report", automation_condition=due.with_label("after pushes"))
             for key, about in _ABOUT.items()]

    @multi_asset(name="candu_sync__report", specs=specs)
    def report(context: AssetExecutionContext, candu_sync: CanduSyncResource) -> Iterator[MaterializeResult[None]]:
        with failures(context, retries), warnings_in(context.log), candu_sync.project() as project:
            runs, rows = project.reports.write()
            trouble = project.report_trouble
        if trouble is not None:
            fail(trouble, context, retries)
        yield MaterializeResult(asset_key=RUNS, metadata={"runs written": MetadataValue.int(runs)})
        yield MaterializeResult(asset_key=ROWS, metadata={"rows written": MetadataValue.int(rows)})

    return report
