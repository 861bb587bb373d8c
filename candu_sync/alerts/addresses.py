"""``CANDU_ALERTS_URL``: the addresses that notices go to, and which syncs each is for.

    https://hooks.slack.com/services/…             a webhook of Slack's form
    slack+https://chat.example/hooks/…             the same form elsewhere: Mattermost, Rocket.Chat, Discord's …/slack
    https://example.com/hook                       any webhook: a JSON object is posted
    smtp://user:password@host:25/?to=…&from=…      e-mail; smtps:// is TLS from the first byte (port 465)

Several are separated by blanks or commas. ``OWNER=`` before one makes it that owner's, ``*=`` lets it have everything;
one with neither has the syncs that no other owner's address is for.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

Way = Literal["slack", "json", "smtp"]

EVERYTHING = "*"

_SLACK = "hooks.slack.com"
_PORTS = {"smtp": 25, "smtps": 465}
_BETWEEN = re.compile(r"[\s,]+(?=(?:[^\s,=/?]+=)?[A-Za-z][A-Za-z0-9+.-]*://)")
_OWNED = re.compile(r"(?P<owner>[^\s=/?]+)=(?P<url>[A-Za-z][A-Za-z0-9+.-]*://.*)", re.DOTALL)
_MAILBOX = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+")
_KNOWN = "https://…, slack+https://…, smtp://… and smtps://…"


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where notices go.

    Attributes:
        way: how a notice is sent there.
        url: of a webhook, or of the mail server without its query. It may hold a password or a token: a secret.
        host: with the port where it was given; the one part of the URL that may be shown.
        owner: whose syncs it is for; ``*``: all syncs; None: those that have no owner with an address.
        to, sender: of e-mail.
    """

    way: Way
    url: str = field(repr=False)
    host: str
    owner: str | None = None
    to: tuple[str, ...] = ()
    sender: str = ""

    @property
    def described(self) -> str:
        """For people: it has no secret."""
        whose = "" if self.owner is None else f" ({self.owner})"
        return f"the mail server {self.host}{whose}" if self.way == "smtp" else f"the webhook at {self.host}{whose}"

    @property
    def id(self) -> str:
        """What the state knows the address by: a digest without user and password. A changed password is no other
        address, and a digest of one could be guessed."""
        parts = urlsplit(self.url)
        named = (self.way, parts.scheme, self.host, parts.path, parts.query, *self.to)
        return hashlib.sha256("\n".join(named).encode()).hexdigest()[:16]


def parse_addresses(text: str) -> tuple[Address, ...]:
    """The addresses in a setting.

    Raises:
        ValueError: one is wrong. It is counted, from 1, and not quoted.

    Example:
        >>> [(a.way, a.owner) for a in parse_addresses("team:growth=https://hooks.slack.com/x *=https://example.com/y")]
        [('slack', 'team:growth'), ('json', '*')]
    """
    entries = _BETWEEN.split(text.strip(" ,\t\r\n"))
    return tuple(_address(entry, number, len(entries)) for number, entry in enumerate(entries, start=1))


def addresses_for(addresses: Sequence[Address], owners: Collection[str]) -> list[Address]:
    """The addresses that a sync's notices go to, each once.

    Args:
        owners: the sync's.
    """
    own = [address for address in addresses if address.owner in owners]
    rest = [] if own else [address for address in addresses if address.owner is None]
    every = [address for address in addresses if address.owner == EVERYTHING]
    return list({address.id: address for address in (*own, *rest, *every)}.values())


def _address(entry: str, number: int, of: int) -> Address:
    owned = _OWNED.fullmatch(entry)
    owner, url = (owned["owner"], owned["url"]) if owned else (None, entry)
    which = f"address {number} of {of}" if of > 1 else "the address"
    try:
        scheme = urlsplit(url).scheme
        if not re.fullmatch(r"[!-~]+", url) or not urlsplit(url).hostname or urlsplit(url).port == 0:
            raise ValueError
    except ValueError:
        raise ValueError(f"holds what is no URL ({which}): there are {_KNOWN}, with OWNER= before one that is an "
                         "owner's, and blanks between several") from None
    if scheme in _PORTS:
        return _mail(url, owner, which)
    form, _, rest = scheme.rpartition("+")
    if rest not in ("https", "http") or form not in ("", "slack"):
        raise ValueError(f"holds a URL of a kind that is not supported ({which}): there are {_KNOWN}")
    url = url.removeprefix("slack+")
    slack = form == "slack" or urlsplit(url).hostname == _SLACK
    return Address(way="slack" if slack else "json", url=url, host=_host(url), owner=owner)


def _mail(url: str, owner: str | None, which: str) -> Address:
    parts = urlsplit(url)
    query = parse_qs(parts.query, keep_blank_values=True)
    to = tuple(one.strip() for found in query.get("to", []) for one in found.split(",") if one.strip())
    sender = query.get("from", [to[0] if to else ""])[-1]
    strangers = sorted(query.keys() - {"to", "from"})
    if strangers or not to or not all(_MAILBOX.fullmatch(one) for one in (*to, sender)):
        raise ValueError(f"holds a mail server without a right to= ({which}): write it like "
                         "smtp://user:password@mail.example.com:587/?to=data@example.com&from=candu-sync@example.com")
    return Address(way="smtp", url=parts._replace(query="", path="").geturl(), host=_host(url), owner=owner, to=to,
                   sender=sender)


def _host(url: str) -> str:
    """The host, and the port where one is written."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return host if parts.port is None else f"{host}:{parts.port}"


def server_of(address: Address) -> tuple[str, int]:
    """Host and port of a mail server."""
    parts = urlsplit(address.url)
    return parts.hostname or "", parts.port or _PORTS[parts.scheme]


def login_of(url: str) -> tuple[str, str] | None:
    """User and password of a URL, unescaped; None: it has none."""
    parts = urlsplit(url)
    return None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
