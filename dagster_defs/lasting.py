"""The project of a step, whose state must outlive the run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from dagster import AssetExecutionContext, DagsterInstance, OpExecutionContext

from candu_sync import Project
from dagster_defs.resources import CanduSyncResource

# It starts runs as processes beside the code, where a folder stays.
_DEFAULT = "DefaultRunLauncher"


@contextmanager
def opened(context: AssetExecutionContext | OpExecutionContext, resource: CanduSyncResource, *,
           keep: bool = False) -> Iterator[Project]:
    """The project, open for the block; warnings about its settings are in the run's log. What its runs are launched as
    is the run's id, or its page by ``CANDU_RUN_URL``.

    Args:
        keep: as ``CanduSyncResource.project`` takes it.

    Raises:
        SettingsError: a setting is wrong, or the state is a relative folder and each run has a container of its own.
    """
    with resource.project(keep=keep) as project:
        project.launched_as = (project.settings.run_url or "{run_id}").replace("{run_id}", context.run_id)
        project.check_state_lasts(launched_by=_starts_containers(context.instance))
        for warning in filter(None, (*project.settings.warnings, project.settings.state_warning)):
            context.log.warning(warning)
        yield project


def _starts_containers(instance: DagsterInstance) -> str:
    """What gives each run a container of its own: Dagster+, or the class of the run launcher; empty: nothing does.

    The launcher itself is not loaded: its libraries need not be where the code runs.
    """
    if os.environ.get("DAGSTER_CLOUD_DEPLOYMENT_NAME"):
        return "Dagster+"
    if not instance.is_persistent:
        return ""
    launcher = instance.get_ref().run_launcher_data
    return "" if launcher is None or launcher.class_name == _DEFAULT else launcher.class_name
