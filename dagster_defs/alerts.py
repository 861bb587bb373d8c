"""Notices in Dagster: a sensor that looks at all syncs and sends what is new to ``CANDU_ALERTS_URL``.

What is wrong with a sync, and what was said of it, is in the state: the command line and this sensor send no notice
twice. Dagster adds what the state cannot know: which runs are under way, and runs that failed before the state was
reached, for want of a setting or because their process died.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from dagster import (
    DefaultSensorStatus,
    Definitions,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from candu_sync import load_settings
from candu_sync.dbt import load_catalog
from candu_sync.errors import CanduSyncError, SettingsError
from candu_sync.operate import alert
from candu_sync.workspaces import chosen_workspace, prefix_of
from dagster_defs.names import Names
from dagster_defs.resources import CanduSyncResource, settings_of
from dagster_defs.run_log import RunLog

# One look a minute reads how the last run of each partition ended.
_SECONDS_BETWEEN_LOOKS = 60


def candu_alerts(folder: Path | None = None, *, webserver_base_url: str | None = None,
                 resource: CanduSyncResource | None = None) -> Definitions:
    """The sensor of ``candu_alerts_sensor`` with the resource that it needs: merge it with the rest.

    ``Definitions.merge(build_definitions(Path("sql")), candu_alerts())``

    Args:
        folder, webserver_base_url: as ``candu_alerts_sensor`` takes them.
        resource: of the workspace; None: by the environment. The same object as ``build_definitions`` takes.
    """
    resource = resource or settings_of()
    names = resource.names()
    return Definitions(sensors=[candu_alerts_sensor(folder, names=names, webserver_base_url=webserver_base_url)],
                       resources={names.resource_key: resource})


def alerts_where_set() -> Definitions:
    """The same where ``CANDU_ALERTS_URL`` is set, in the environment or in ``.env``; else nothing."""
    try:
        return candu_alerts() if load_settings().alert_addresses else Definitions()
    except SettingsError:
        # The tick says what is wrong.
        return candu_alerts() if os.environ.get(f"{prefix_of(chosen_workspace())}ALERTS_URL") else Definitions()


def candu_alerts_sensor(folder: Path | None = None, *, names: Names | None = None,
                        webserver_base_url: str | None = None) -> SensorDefinition:
    """A sensor that sends a notice of each sync that got into trouble, and of its recovery. It is on.

    An address that does not take a notice is in the tick's log, and the next tick tries again.

    Args:
        folder: of the syncs; None: ``CANDU_SQL_DIR``.
        names: of the workspace; None: by the environment.
        webserver_base_url: of Dagster's pages, for links to runs, like ``https://dagster.example.com``. None: by
            ``CANDU_RUN_URL``, else there are no links.
    """
    named = names or settings_of().names()

    def look(context: SensorEvaluationContext) -> SkipReason:
        try:
            return SkipReason(_look(context, named, folder, webserver_base_url))
        except CanduSyncError as error:
            return SkipReason(f"no notice was sent: {error}")

    return sensor(name=f"{named.root}_alerts", default_status=DefaultSensorStatus.RUNNING, target=None,
                  required_resource_keys={named.resource_key},
                  minimum_interval_seconds=_SECONDS_BETWEEN_LOOKS,
                  description="Sends notices of syncs in trouble, and of their recovery, to CANDU_ALERTS_URL.")(look)


def _look(context: SensorEvaluationContext, names: Names, folder: Path | None, base_url: str | None) -> str:
    """Send what is new; what the tick says of it."""
    resource: CanduSyncResource = getattr(context.resources, names.resource_key)
    with resource.project() as project:
        if not project.settings.alert_addresses:
            return "CANDU_ALERTS_URL is not set"
        catalog = load_catalog(folder or project.settings.sql_dir, project.settings.dbt_manifest)
        log = RunLog.read(context.instance, context.cursor, names)
        sent = alert(project, catalog, look=lambda condition: log.seen(condition, _pages(base_url)))
        context.update_cursor(log.cursor)
    for one in sent:
        (context.log.info if one.error is None else context.log.warning)(one.sentence)
    return "; ".join(one.sentence for one in sent) or "nothing is new"


def _pages(base_url: str | None) -> Callable[[str | None], str | None]:
    """From what a run was launched as to its page."""
    def page(launched_as: str | None) -> str | None:
        if launched_as is None or base_url is None or "://" in launched_as:
            return launched_as
        return f"{base_url.rstrip('/')}/runs/{launched_as}"

    return page
