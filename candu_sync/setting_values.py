"""What a setting may be: each type reads the text of a variable, and says what is wrong with it.

No sentence quotes a text that may be secret.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, SecretStr, ValidationInfo

from candu_sync.alerts import parse_addresses
from candu_sync.routes import ROUTES
from candu_sync.state import take_apart
from candu_sync.suggestions import did_you_mean

_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*([KMGT])(i?)B", re.IGNORECASE)
_ENVIRONMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
SEGMENT_URL = "https://api.segment.io"
_POWER = {"K": 1, "M": 2, "G": 3, "T": 4}


def _candu_url(value: object) -> str:
    return _url(value, "https://api.candu.ai/api", "CANDU_API_KEY")


def _segment_url(value: object) -> str:
    text = _url(value, SEGMENT_URL, "SEGMENT_WRITE_KEY")
    if re.search(r"/v1(/batch)?$", text):
        raise ValueError("must be without /v1 at its end, like " + SEGMENT_URL)
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


def _rate_url(value: object) -> SecretStr:
    """The address of a Redis. It may hold a password: no part of it is quoted."""
    text = (value.get_secret_value() if isinstance(value, SecretStr) else str(value)).strip()
    try:
        parts = urlsplit(text)
        found = parts.hostname if parts.scheme in ("redis", "rediss") else parts.path.strip("/")
        _ = parts.port
    except ValueError:
        found = None
    if not found or not re.fullmatch(r"[!-~]+", text) or parts.scheme not in ("redis", "rediss", "unix"):
        raise ValueError("must be the URL of a Redis, like redis://host:6379/0, rediss://host (with TLS) or "
                         "unix:///run/redis.sock")
    return SecretStr(text)


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


def _one_of(words: Sequence[str], more: str = "") -> BeforeValidator:
    """One of a few words, in any case."""
    def word(value: object) -> str:
        text = str(value).strip().lower()
        if text not in words:
            raise ValueError(f"must be {' or '.join(words)}{did_you_mean(text, words)}{more}")
        return text

    return BeforeValidator(word)


Environment = Annotated[str, BeforeValidator(_environment)]
"""The name of a deployment, like production."""
ApiKey = Annotated[SecretStr, BeforeValidator(_api_key)]
"""Of a workspace, without the name of its environment."""
WriteKey = Annotated[SecretStr, BeforeValidator(_write_key)]
"""Of a source in Segment, as ``ApiKey``."""
CanduUrl = Annotated[str, BeforeValidator(_candu_url)]
"""Https, or this machine, without a slash at its end."""
SegmentUrl = Annotated[str, BeforeValidator(_segment_url)]
"""As ``CanduUrl``, and without ``/v1``."""
StateUrl = Annotated[str, BeforeValidator(_state_url)]
"""A folder, or ``s3://``, ``gs://``, ``az://``; without credentials."""
AlertsUrl = Annotated[SecretStr, BeforeValidator(_alerts_url)]
"""Addresses of notices, as ``alerts.parse_addresses`` takes them."""
RedisUrl = Annotated[SecretStr, BeforeValidator(_rate_url)]
"""Of a Redis; may hold a password."""
PageUrl = Annotated[str, BeforeValidator(_run_url)]
"""Of a page."""
RouteName = Annotated[Literal["candu", "segment"], _one_of(tuple(ROUTES))]
LogForm = Annotated[Literal["text", "json"], _one_of(("text", "json"))]
RowHashesIn = Annotated[Literal["tested", "all", "none"], _one_of(("tested", "all", "none"))]
Nulls = Annotated[Literal["send", "omit"], _one_of(("send", "omit"), "; a sync's YAML sets constants")]
SchemaName = Annotated[str, BeforeValidator(_name)]
Bytes = Annotated[int, BeforeValidator(_bytes)]
"""A number with its unit, like 512MB."""
BytesOrNoLimit = Annotated[int, BeforeValidator(_most_bytes)]
"""As ``Bytes``; 0: no limit."""
Seconds = Annotated[float, BeforeValidator(_seconds)]
"""Above 0."""
SecondsOrNoLimit = Annotated[float, BeforeValidator(_limit)]
"""0: no limit."""
Days = Annotated[float, BeforeValidator(_days)]
"""0 or more."""
Rate = Annotated[float, BeforeValidator(_rate)]
"""Requests a second; 0: no limit."""
Count = Annotated[int, BeforeValidator(_count)]
"""1 or more."""
Switch = Annotated[bool, BeforeValidator(_switch)]
"""true or false."""
