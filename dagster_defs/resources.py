"""The resource that the assets work with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dagster import ConfigurableResource
from pydantic import Field

from candu_sync import Project, load_settings


class CanduSyncResource(ConfigurableResource[Project]):
    """Opens the project from the CANDU_ settings of the environment or .env. A field that is given has priority over
    its setting; the API key is read only from the environment, so that no run's configuration can show it."""

    warehouse_url: str | None = Field(
        default=None, description="A SQLAlchemy URL; give it as an EnvVar, since it may hold a password. "
        "Default: CANDU_WAREHOUSE_URL.")
    state_url: str | None = Field(
        default=None, description="A folder, or s3://, gs://, az://. Default: CANDU_STATE_URL, or .candu_sync.")
    api_url: str | None = Field(default=None, description="Default: CANDU_API_URL, or https://api.candu.ai/api.")

    @contextmanager
    def project(self) -> Iterator[Project]:
        """The project, open for the block.

        Raises:
            SettingsError: a setting is wrong.
        """
        settings = load_settings(warehouse_url=self.warehouse_url, state_url=self.state_url, api_url=self.api_url)
        with Project(settings) as project:
            yield project


# One object for all definitions of a process: Dagster merges those that share a resource, not those with equal ones.
SETTINGS = CanduSyncResource()
