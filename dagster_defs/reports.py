"""The report tables as assets: downstream of all pushes, and what dbt's models on the tables are downstream of.

``dagster-dbt`` gives the tables of a source ``candu_sync`` the same keys.
"""

# Annotations are evaluated here: Dagster reads the class of a context from them.
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
from dagster_defs.names import Names
from dagster_defs.progress import warnings_in
from dagster_defs.resources import CanduSyncResource

RUNS, ROWS = "sync_runs", "sync_rows"

_ABOUT = {RUNS: "A row for each run of a sync: how it ended, and its counts.",
          ROWS: "The history: a row for each row that a run sent, with what became of it."}


def report_definitions(syncs: Sequence[Sync], names: Names, *, retries: RetryPolicy = RETRIES) -> Definitions:
    """The assets of the report tables, and a sensor that materializes them after pushes; nothing where no sync has
    report tables.

    Args:
        syncs: all of the workspace in the code location. Those without report tables are left out.
        retries: while the database of the tables is away.
    """
    default = _default_schema(names.workspace)
    pushes = [names.push_key(sync.name) for sync in syncs if sync.report_schema(default) is not None]
    if not pushes:
        return Definitions()
    return Definitions(assets=[_report_assets(pushes, names, retries)],
                       sensors=[automation_sensor([report_key(names, table) for table in _ABOUT],
                                                  f"{names.engine}_report")])


def report_key(names: Names, table: str) -> AssetKey:
    """``sync_runs`` → ``candu_sync/sync_runs``."""
    return AssetKey([names.engine, table])


def _default_schema(workspace: str | None) -> str | None:
    """``CANDU_REPORT_SCHEMA``. If another setting is wrong, the run that needs it fails with its name."""
    with suppress(SettingsError):
        return load_settings(workspace or "").report_schema
    return None


def _report_assets(pushes: Sequence[AssetKey], names: Names, retries: RetryPolicy) -> AssetsDefinition:
    due = AutomationCondition.any_deps_updated().since_last_handled() & ~AutomationCondition.in_progress()
    more = " Each push writes its own; materialize this for what is missing."
    specs = [AssetSpec(report_key(names, table), deps=pushes, description=about + more, group_name="report",
                       automation_condition=due.with_label("after pushes"))
             for table, about in _ABOUT.items()]

    @multi_asset(name=f"{names.engine}__report", specs=specs, required_resource_keys={names.resource_key})
    def report(context: AssetExecutionContext) -> Iterator[MaterializeResult[None]]:
        resource: CanduSyncResource = getattr(context.resources, names.resource_key)
        with (failures(context, retries, workspace=names.workspace), warnings_in(context.log),
              resource.project() as project):
            runs, rows = project.reports.write()
            trouble = project.report_trouble
        if trouble is not None:
            fail(trouble, context, retries)
        yield MaterializeResult(asset_key=report_key(names, RUNS), metadata={"runs written": MetadataValue.int(runs)})
        yield MaterializeResult(asset_key=report_key(names, ROWS), metadata={"rows written": MetadataValue.int(rows)})

    return report
