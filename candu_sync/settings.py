"""The settings, from the environment or from ``.env`` in the current folder (the environment wins).

Those of a workspace with a name have the name in theirs (``workspaces``): ``CANDU_EU_API_KEY``.

Secrets (``CANDU_API_KEY`` and ``SEGMENT_WRITE_KEY``, and ``CANDU_WAREHOUSE_URL`` and ``CANDU_ALERTS_URL``, which may
hold passwords and tokens) are never part of a message or of what ``repr`` shows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, PrivateAttr, SecretStr, ValidationError, ValidationInfo
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource, SettingsConfigDict

from candu_sync.alerts import Address, parse_addresses
from candu_sync.errors import SettingsError
from candu_sync.routes import ROUTES, SEGMENT, Route
from candu_sync.state import short_lived, take_apart
from candu_sync.suggestions import did_you_mean, nearest
from candu_sync.workspaces import (
    CHOICE,
    PREFIX,
    SEGMENT_PREFIX,
    chosen_workspace,
    in_words_of,
    others_settings,
    prefix_of,
    segment_prefix_of,
    state_of,
)

__all__ = ["Settings", "in_words", "load_settings"]

_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*([KMGT])(i?)B", re.IGNORECASE)
_LOGS = ("text", "json")
_NULLS = ("send", "omit")
_ENVIRONMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_SEGMENT_URL = "https://api.segment.io"
_POWER = {"K": 1, "M": 2, "G": 3, "T": 4}


def _candu_url(value: object) -> str:
    return _url(value, "https://api.candu.ai/api", "CANDU_API_KEY")


def _segment_url(value: object) -> str:
    text = _url(value, _SEGMENT_URL, "SEGMENT_WRITE_KEY")
    if re.search(r"/v1(/batch)?$", text):
        raise ValueError("must be without /v1 at its end, like " + _SEGMENT_URL)
    return text


def _url(value: object, example: str, key: str) -> str:
    """An address that the key may be sent to: https, or this machine."""
    text = str(value).strip()
    if not re.fullmatch(r"[!-~]+", text) or "\\" in text:
        raise ValueError(f"must be a URL without spaces, like {example}")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        # The standard library's sentence quotes the host or the port, which may be a misplaced password.
        raise ValueError(f"must be a URL with a host and a numeric port, like {example}") from None
    if not host or parts.scheme not in ("https", "http"):
        raise ValueError(f"must be a URL that starts with https://, like {example}")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"must be a URL without user, password, ? or #; the key belongs into {key}")
    if parts.scheme == "http" and not _loopback(host):
        raise ValueError(f"is plain http to {host}, which would show the key on the way; use https (plain http is "
                         "for this machine only: 127.0.0.1, localhost, ::1)")
    return text.rstrip("/")


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _environment(value: object) -> str:
    text = str(value).strip()
    if not re.fullmatch(_ENVIRONMENT, text):
        raise ValueError("must be a name of letters, digits, _ and -, like production")
    return text


def _api_key(value: object, about: ValidationInfo) -> str:
    """The key. It may have the name of its environment before it: a copy of it then works nowhere else."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    text = text.strip()
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError("holds a space or a character that an HTTP header cannot carry; copy the key again from Candu")
    return _without_environment(text, about)


def _without_environment(text: str, about: ValidationInfo) -> str:
    # Candu's keys were once the user of Basic authentication, and Segment's are, which can have no colon.
    environment, colon, key = text.rpartition(":")
    here = about.data.get("environment")
    if colon and environment != here:
        raise ValueError("is the key of another environment, by the name before its colon: CANDU_ENVIRONMENT is "
                         f"{here or 'not set'} here. Use the key of this environment")
    return key


def _write_key(value: object, about: ValidationInfo) -> str:
    """As ``_api_key``, of a source in Segment."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    text = text.strip()
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError("holds a space or another character that no write key has; copy the key again from the "
                         "settings of the source in Segment")
    return _without_environment(text, about)


def _bytes(value: object) -> int:
    """``1GB``, ``512MB``, ``1.5 GiB`` → bytes. As in DuckDB, GB is 1000³ and GiB 1024³. An int is bytes already."""
    match = _SIZE.fullmatch(str(value).strip())
    if isinstance(value, int):
        size = value
    else:
        size = int(float(match[1]) * (1024 if match[3] else 1000) ** _POWER[match[2].upper()]) if match else 0
    if size <= 0:
        raise ValueError("must be a number with its unit, like 512MB or 1GB")
    return size


def _most_bytes(value: object) -> int:
    try:
        return 0 if str(value).strip() == "0" else _bytes(value)
    except ValueError as error:
        raise ValueError(f"{error}, or 0 for no limit") from None


def _seconds(value: object) -> float:
    seconds = _number(str(value).strip().removesuffix("s"))
    if not seconds > 0:
        raise ValueError("must be a number of seconds above 0, like 30 or 30s")
    return seconds


def _limit(value: object) -> float:
    seconds = _number(str(value).strip().removesuffix("s"))
    if not seconds >= 0:
        raise ValueError("must be a number of seconds, like 600 or 600s, or 0 for no limit")
    return seconds


def _state_url(value: object) -> str:
    """Without credentials: it is printed and logged."""
    text = str(value).strip()
    if not text:
        raise ValueError("must not be empty")
    take_apart(text)
    return text


def _alerts_url(value: object) -> SecretStr:
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    parse_addresses(text)
    return SecretStr(text)


def _run_url(value: object) -> str:
    text = str(value).strip()
    if not re.fullmatch(r"https?://[!-~]+", text):
        raise ValueError("must be the URL of a page, like https://ci.example.com/jobs/17")
    return text


def _rate(value: object) -> float:
    rate = _number(str(value))
    if not rate >= 0:
        raise ValueError("must be a number of requests a second, like 10, or 0 for no limit")
    return rate


def _days(value: object) -> float:
    days = _number(re.sub(r"\s*days?$", "", str(value).strip()))
    if not days >= 0:
        raise ValueError("must be a number of days, like 90 or 90 days, or 0 for no history")
    return days


def _name(value: object) -> str:
    text = str(value).strip()
    if not text or re.search(r"[\x00-\x1f\x7f]", text):
        raise ValueError("must be the name of a schema, like candu_sync")
    return text


def _number(text: str) -> float:
    """The finite number that ``text`` is, else NaN."""
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _count(value: object) -> int:
    text = str(value).strip()
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise ValueError("must be a whole number, 1 or more")
    return int(text)


def _switch(value: object) -> bool:
    text = str(value).strip().lower()
    if text not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
        raise ValueError("must be true or false")
    return text in ("true", "1", "yes", "on")


def _route(value: object) -> str:
    text = str(value).strip().lower()
    if text not in ROUTES:
        raise ValueError(f"must be {' or '.join(ROUTES)}{did_you_mean(text, ROUTES)}")
    return text


def _log(value: object) -> str:
    text = str(value).strip().lower()
    if text not in _LOGS:
        raise ValueError(f"must be {' or '.join(_LOGS)}{did_you_mean(text, _LOGS)}")
    return text


def _nulls(value: object) -> str:
    text = str(value).strip().lower()
    if text not in _NULLS:
        raise ValueError(f"must be {' or '.join(_NULLS)}{did_you_mean(text, _NULLS)}; a sync's YAML sets constants")
    return text


_Count = Annotated[int, BeforeValidator(_count)]


class Settings(BaseSettings):
    """What ``load_settings`` read. Each field is the ``CANDU_`` variable of its name, but those of Segment."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore",
        frozen=True, hide_input_in_errors=True)

    environment: Annotated[str, BeforeValidator(_environment)] | None = None
    """What this deployment is, like production or staging; a state of another one is refused."""
    api_key: Annotated[SecretStr, BeforeValidator(_api_key)] | None = None
    api_url: Annotated[str, BeforeValidator(_candu_url)] = "https://api.candu.ai/api"
    """Without a slash at its end."""
    route: Annotated[Literal["candu", "segment"], BeforeValidator(_route)] = "candu"
    """How messages reach Candu, where the YAML of a sync does not say it: directly, or by Segment."""
    segment_write_key: Annotated[SecretStr, BeforeValidator(_write_key)] | None = Field(
        default=None, validation_alias="SEGMENT_WRITE_KEY")
    segment_api_url: Annotated[str, BeforeValidator(_segment_url)] = Field(
        default=_SEGMENT_URL, validation_alias="SEGMENT_API_URL")
    """Without a slash at its end, and without ``/v1``."""
    warehouse_url: SecretStr | None = None
    """A SQLAlchemy URL; may hold a password."""
    query_timeout: Annotated[float, BeforeValidator(_limit)] = 0.0
    """Seconds that a query may take, from its start to its last row; 0: no limit."""
    state_url: Annotated[str, BeforeValidator(_state_url)] = ".candu_sync"
    """A folder, or ``s3://``, ``gs://``, ``az://``."""
    sql_dir: Path = Path("sql")
    memory: Annotated[int, BeforeValidator(_bytes)] = 1_000_000_000
    """Bytes that the diff may use before it goes to disk."""
    batch_size: _Count = 100
    """Messages in a request. The number is ours; Candu publishes none."""
    rate: Annotated[float, BeforeValidator(_rate)] = 10.0
    """Requests a second; 0: no limit. The number is ours; Candu publishes none."""
    concurrency: _Count = 4
    """Requests in flight."""
    timeout: Annotated[float, BeforeValidator(_seconds)] = 30.0
    """Seconds until a request is given up."""
    max_attempts: _Count = 8
    """Times that a request is tried."""
    message_id: Annotated[bool, BeforeValidator(_switch)] = True
    """Send a deterministic ``messageId`` with each message."""
    nulls: Annotated[Literal["send", "omit"], BeforeValidator(_nulls)] = "send"
    """What becomes of a sent trait that turns null, in syncs whose YAML does not say it."""
    history: Annotated[float, BeforeValidator(_days)] = 90.0
    """Days that the history of what was sent is kept; 0: none is written."""
    log: Annotated[Literal["text", "json"], BeforeValidator(_log)] = "text"
    """What the command line writes to stderr: lines for people, or JSON objects, one a line."""
    alerts_url: Annotated[SecretStr, BeforeValidator(_alerts_url)] | None = None
    """Where notices go (``alerts``); holds tokens and passwords."""
    run_url: Annotated[str, BeforeValidator(_run_url)] | None = None
    """A page about the runs of this process, like that of a job in CI; notices link to it."""
    report_schema: Annotated[str, BeforeValidator(_name)] | None = None
    """The schema of the tables ``sync_runs`` and ``sync_rows``; None: there are none."""
    report_url: SecretStr | None = None
    """A SQLAlchemy URL of the database that has these tables; None: the warehouse's."""
    history_size: Annotated[int, BeforeValidator(_most_bytes)] = 0
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


class _OfSegment(BaseSettings):
    """The two variables of Segment as they are, for one prefix."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore",
                                      hide_input_in_errors=True)

    write_key: SecretStr | None = None
    api_url: str = _SEGMENT_URL


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
        wrong = "\n".join(f"{_variable(str(detail['loc'][0]))} {_sentence(detail)}" for detail in details)
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
    # pydantic-settings takes a prefix for one object.
    sources = _segment_of(workspace) | {_source(name): value for name, value in given.items()}
    settings = Settings(_env_prefix=prefix_of(workspace), **sources)  # type: ignore[call-arg]
    if workspace is not None and "state_url" not in settings.model_fields_set:
        settings = settings.model_copy(update={"state_url": state_of(workspace)})
    settings._workspace = workspace
    settings._warnings = tuple(_unknown(workspace))
    return settings


def _segment_of(workspace: str | None) -> dict[str, Any]:
    """Segment's settings of a workspace with a name: they do not fall back to those without it."""
    if workspace is None:
        return {}
    found = _OfSegment(_env_prefix=segment_prefix_of(workspace))  # type: ignore[call-arg]
    return {f"{SEGMENT_PREFIX}WRITE_KEY": found.write_key, f"{SEGMENT_PREFIX}API_URL": found.api_url}


def _source(name: str) -> str:
    """What pydantic takes a field's value by."""
    alias = Settings.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else name


def _variable(source: str) -> str:
    """The name of a variable, by what pydantic takes its value by."""
    return source if source.startswith(SEGMENT_PREFIX) else f"{PREFIX}{source.upper()}"


def _names() -> list[str]:
    """The names of the settings that begin with ``CANDU_``, without that."""
    return [name.upper() for name, field in Settings.model_fields.items() if field.validation_alias is None]


def _unknown(workspace: str | None) -> Iterable[str]:
    """A sentence for each variable with the workspace's prefix that is no setting, and is none of other workspaces."""
    known, prefix = _names(), prefix_of(workspace)
    for place, source in ((".env", DotEnvSettingsSource(Settings)), ("the environment", EnvSettingsSource(Settings))):
        variables = {name.upper() for name in source.env_vars}
        for variable in sorted(variables - others_settings(variables, known) - {CHOICE}):
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
