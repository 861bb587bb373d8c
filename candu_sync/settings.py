"""The settings, from the environment or from ``.env`` in the current folder (the environment wins).

Those of a workspace with a name have the name in theirs (``workspaces``): ``CANDU_EU_API_KEY``.

Secrets (``CANDU_API_KEY`` and ``SEGMENT_WRITE_KEY``, and ``CANDU_WAREHOUSE_URL``, ``CANDU_RATE_URL`` and
``CANDU_ALERTS_URL``, which may hold passwords and tokens) are never part of a message or of what ``repr`` shows.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, PrivateAttr, SecretStr, ValidationError

from candu_sync.alerts import Address, parse_addresses
from candu_sync.errors import SettingsError
from candu_sync.routes import SEGMENT, Route
from candu_sync.setting_values import (
    SEGMENT_URL,
    AlertsUrl,
    ApiKey,
    Bytes,
    BytesOrNoLimit,
    CanduUrl,
    Count,
    Days,
    Environment,
    LogForm,
    Nulls,
    PageUrl,
    Rate,
    RedisUrl,
    RouteName,
    RowHashesIn,
    SchemaName,
    Seconds,
    SecondsOrNoLimit,
    SegmentUrl,
    StateUrl,
    Switch,
    WriteKey,
)
from candu_sync.state import short_lived
from candu_sync.suggestions import nearest
from candu_sync.workspaces import (
    CHOICE,
    chosen_workspace,
    in_words_of,
    others_settings,
    prefix_of,
    segment_prefix_of,
    state_of,
)

__all__ = ["Settings", "in_words", "load_settings"]

_OF_SEGMENT = ("segment_write_key", "segment_api_url")
"""The fields whose variables are Segment's: they do not begin with ``CANDU_``."""

_FILE = Path(".env")


class Settings(BaseModel):
    """What ``load_settings`` read. Each field is the ``CANDU_`` variable of its name, but those of Segment."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)

    environment: Environment | None = None
    """What this deployment is, like production or staging; a state of another one is refused."""
    api_key: ApiKey | None = None
    api_url: CanduUrl = "https://api.candu.ai/api"
    """Without a slash at its end."""
    route: RouteName = "candu"
    """How messages reach Candu, where the YAML of a sync does not say it: directly, or by Segment."""
    segment_write_key: WriteKey | None = None
    segment_api_url: SegmentUrl = SEGMENT_URL
    """Without a slash at its end, and without ``/v1``."""
    warehouse_url: SecretStr | None = None
    """A SQLAlchemy URL; may hold a password."""
    query_timeout: SecondsOrNoLimit = 0.0
    """Seconds that a query may take, from its start to its last row; 0: no limit."""
    row_hashes: RowHashesIn = "tested"
    """Where the warehouse computes hashes of rows, so that rows that are known do not travel: in dialects whose engine
    this was run on, in all dialects that can, or nowhere."""
    state_url: StateUrl = ".candu_sync"
    """A folder, or ``s3://``, ``gs://``, ``az://``."""
    sql_dir: Path = Path("sql")
    memory: Bytes = 1_000_000_000
    """Bytes that the diff may use before it goes to disk."""
    batch_size: Count = 100
    """Messages in a request, at first. The number is ours; Candu publishes none."""
    batch_growth: Switch = True
    """Requests of users and groups grow while they are accepted, up to 1,000 messages."""
    rate: Rate = 10.0
    """Requests a second; 0: no limit. The number is ours; Candu publishes none."""
    rate_url: RedisUrl | None = None
    """The Redis by which processes on several machines share the rate; None: those of this machine share it."""
    concurrency: Count = 4
    """Requests in flight."""
    timeout: Seconds = 30.0
    """Seconds until a request is given up."""
    max_attempts: Count = 8
    """Times that a request is tried."""
    message_id: Switch = True
    """Send a deterministic ``messageId`` with each message."""
    nulls: Nulls = "send"
    """What becomes of a sent trait that turns null, in syncs whose YAML does not say it."""
    history: Days = 90.0
    """Days that the history of what was sent is kept; 0: none is written."""
    log: LogForm = "text"
    """What the command line writes to stderr: lines for people, or JSON objects, one a line."""
    alerts_url: AlertsUrl | None = None
    """Where notices go (``alerts``); holds tokens and passwords."""
    run_url: PageUrl | None = None
    """A page about the runs of this process, like that of a job in CI; notices link to it."""
    report_schema: SchemaName | None = None
    """The schema of the tables ``sync_runs`` and ``sync_rows``; None: there are none."""
    report_url: SecretStr | None = None
    """A SQLAlchemy URL of the database that has these tables; None: the warehouse's."""
    history_size: BytesOrNoLimit = 0
    """Bytes that the history of all syncs may take; 0: no limit."""
    dbt_manifest: Path | None = None
    """A dbt project's manifest.json."""

    _warnings: tuple[str, ...] = PrivateAttr(default=())
    _workspace: str | None = PrivateAttr(default=None)

    @property
    def workspace(self) -> str | None:
        """The name of the workspace whose settings these are; None: it has none."""
        return self._workspace

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each ``CANDU_`` variable that is no setting."""
        return self._warnings

    @property
    def state_warning(self) -> str | None:
        """A sentence where the state may go with its container, for those who fill it."""
        return short_lived(self.state_url)

    @property
    def alert_addresses(self) -> tuple[Address, ...]:
        """Where notices go; empty: nowhere."""
        return () if self.alerts_url is None else parse_addresses(self.alerts_url.get_secret_value())

    def url_of(self, route: Route) -> str:
        """The address of the service that takes the messages of a route."""
        return self.segment_api_url if route is SEGMENT else self.api_url

    def key_of(self, route: Route) -> str | None:
        """The key for that service; None: there is none."""
        key = self.segment_write_key if route is SEGMENT else self.api_key
        return None if key is None else key.get_secret_value()

    def require_key(self, route: Route) -> str:
        """As ``key_of``. Raises SettingsError when there is no key."""
        if route is not SEGMENT:
            return self.require_api_key()
        return _required(self.segment_write_key, "SEGMENT_WRITE_KEY", "the write key of the source in Segment")

    def require_api_key(self) -> str:
        """Raises SettingsError when there is no key."""
        return _required(self.api_key, "CANDU_API_KEY", "the API key of the Candu workspace")

    def require_warehouse_url(self) -> str:
        """Raises SettingsError when there is no URL."""
        return _required(self.warehouse_url, "CANDU_WAREHOUSE_URL",
                         "the warehouse's SQLAlchemy URL, like duckdb:///warehouse.duckdb")


def load_settings(workspace: str | None = None, **overrides: Any) -> Settings:
    """The settings of a workspace; ``overrides`` (by field name, None for none) have priority over the environment.

    Args:
        workspace: its name; None: by ``CANDU_WORKSPACE``; empty: the one without a name.

    Raises SettingsError with every wrong setting, by name and without its value where that may be secret.
    """
    strangers = overrides.keys() - Settings.model_fields
    if strangers:
        raise TypeError(f"no such setting: {', '.join(sorted(strangers))}")
    workspace = chosen_workspace(workspace)
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = _read(workspace, given)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        wrong = "\n".join(f"{_variable(str(detail['loc'][0]), None)} {_sentence(detail)}" for detail in details)
        raise SettingsError(in_words(workspace, wrong)) from None
    except UnicodeDecodeError:
        raise SettingsError(".env is not UTF-8; save it in that encoding") from None
    except OSError as error:
        raise SettingsError(f".env cannot be read: {error.strerror}") from None
    return settings


def in_words(workspace: str | None, text: str) -> str:
    """A sentence about settings and commands, as the people of a workspace write them."""
    return in_words_of(workspace, text, _names())


def _read(workspace: str | None, given: dict[str, Any]) -> Settings:
    in_file, in_environment = _of_file(), _capitals(os.environ)
    variables = in_file | in_environment
    values = {field: variables.get(_variable(field, workspace)) for field in Settings.model_fields}
    settings = Settings.model_validate({field: value for field, value in values.items() if value is not None} | given)
    if workspace is not None and "state_url" not in settings.model_fields_set:
        settings = settings.model_copy(update={"state_url": state_of(workspace)})
    settings._workspace = workspace
    settings._warnings = (*_unknown(workspace, _FILE.name, in_file),
                          *_unknown(workspace, "the environment", in_environment))
    return settings


def _of_file() -> dict[str, str | None]:
    """The variables of ``.env``. None: a name without a value."""
    if not _FILE.exists():
        return {}
    from dotenv import dotenv_values

    return _capitals(dotenv_values(_FILE, encoding="utf-8"))


def _capitals(variables: Mapping[str, str | None]) -> dict[str, str | None]:
    """The variables by their names in capitals: any letter case will do. What is empty is not set."""
    return {name.upper(): value for name, value in variables.items() if value != ""}


def _variable(field: str, workspace: str | None) -> str:
    """The name of a field's variable."""
    if field in _OF_SEGMENT:
        return segment_prefix_of(workspace) + field.removeprefix("segment_").upper()
    return prefix_of(workspace) + field.upper()


def _names() -> list[str]:
    """The names of the settings that begin with ``CANDU_``, without that."""
    return [field.upper() for field in Settings.model_fields if field not in _OF_SEGMENT]


def _unknown(workspace: str | None, place: str, variables: Collection[str]) -> Iterable[str]:
    """A sentence for each variable with the workspace's prefix that is no setting, and is none of other workspaces."""
    known, prefix = _names(), prefix_of(workspace)
    for variable in sorted(set(variables) - others_settings(variables, known) - {CHOICE}):
        name = variable.removeprefix(prefix)
        if name != variable and name not in known:
            close = nearest(name, known)
            yield (f"{variable} in {place} is not a setting and has no effect"
                   + (f"; did you mean {prefix}{close}?" if close else ""))


def _sentence(detail: Any) -> str:
    error = detail.get("ctx", {}).get("error")
    return str(error) if isinstance(error, ValueError) else "must not be empty"


def _required(secret: SecretStr | None, name: str, what: str) -> str:
    value = secret.get_secret_value().strip() if secret else ""
    if not value:
        raise SettingsError(f"{name} is not set; put {what} there, in the environment or in .env in the current folder")
    return value
