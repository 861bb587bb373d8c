"""The resource that the assets work with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from dagster import ConfigurableResource, InitResourceContext
from pydantic import Field, PrivateAttr

from candu_sync import Project, load_settings
from candu_sync.workspaces import chosen_workspace
from dagster_defs.kept import KeptProject
from dagster_defs.names import Names


class CanduSyncResource(ConfigurableResource[Project]):
    """Opens the project from the CANDU_ settings of the environment or .env; those of the workspace eu from CANDU_EU_.
    A field that is given has priority over its setting. The API key is read only from the environment, so that no
    run's configuration can show it."""

    workspace: str | None = Field(
        default=None, description="The name of a workspace, where there are several: the settings of eu begin with "
        "CANDU_EU_. Default: CANDU_WORKSPACE, or none.")
    warehouse_url: str | None = Field(
        default=None, description="A SQLAlchemy URL; give it as an EnvVar, since it may hold a password. "
        "Default: CANDU_WAREHOUSE_URL.")
    state_url: str | None = Field(
        default=None, description="A folder, or s3://, gs://, az://. Default: CANDU_STATE_URL, or .candu_sync.")
    api_url: str | None = Field(default=None, description="Default: CANDU_API_URL, or https://api.candu.ai/api.")

    _kept: KeptProject = PrivateAttr(default_factory=KeptProject)

    @contextmanager
    def project(self, *, keep: bool = False) -> Iterator[Project]:
        """The project, open for the block.

        Args:
            keep: it stays open for the next step of the run. Only where every step of the run is a sync: others may
                write to the file of the warehouse.

        Raises:
            SettingsError: a setting is wrong.
        """
        if keep:
            with self._kept.lent(self._made) as project:
                yield project
            return
        self._kept.close()
        with self._made() as project:
            yield project

    def _made(self) -> Project:
        return Project(load_settings(self.workspace, warehouse_url=self.warehouse_url, state_url=self.state_url,
                                     api_url=self.api_url))

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        """Close the project that was kept: the run has ended, well or not."""
        self._kept.close()

    def names(self, key: str | None = None) -> Names:
        """How the workspace's syncs are called.

        Args:
            key: of this resource, if it is not ``candu_sync`` or, for the workspace eu, ``candu_sync_eu``.

        Raises:
            SettingsError: the workspace cannot have this name.
        """
        return Names(chosen_workspace(self.workspace), key)


@lru_cache
def settings_of(workspace: str | None = None) -> CanduSyncResource:
    """The resource that reads a workspace's settings: one object for all definitions of a process. Dagster merges those
    that share a resource, not those with equal ones."""
    return CanduSyncResource(workspace=workspace)
