"""The workspace of Candu, and the source of Segment, that a state belongs to.

A snapshot says what *one* workspace accepted. For another workspace, it would call rows unchanged that were never sent
there. So ``destination.json`` keeps the API's URL, and a salted digest of the key: the key itself is never stored. It
also keeps the name of the environment, if there is one: a laptop or a branch deployment is not production.
``destination-segment.json`` has the same of Segment, where a sync is sent by it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from candu_sync.errors import DamagedState, OtherWorkspace
from candu_sync.routes import CANDU, SEGMENT, Route
from candu_sync.state.root_files import RootFiles

# Route → the file.
NAMES = {CANDU.name: "destination.json", SEGMENT.name: "destination-segment.json"}

_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class _Known:
    """What is stored: the URL, and the salt and digest of the key; ``key`` None: no key was used yet.
    ``environment`` None: it has no name."""

    url: str
    salt: str
    key: str | None
    environment: str | None = None


class Destination:
    """The destination of a state by one route. It is taken on at the first message that is accepted, and read once.

    Example:
        >>> from candu_sync.routes import CANDU
        >>> destination = project.state.destination(CANDU)
        >>> destination.take_on("https://api.candu.ai/api", "the-key")
        >>> destination.check("https://api.candu.ai/api", "the-key")
        >>> destination.check("https://other.example/api", "the-key")
        Traceback (most recent call last):
        candu_sync.errors.OtherWorkspace: the state ... belongs to Candu at https://api.candu.ai/api, ...
    """

    def __init__(self, root: RootFiles, route: Route) -> None:
        self._root = root
        self._store = root.store
        self._route = route
        self._name = NAMES[route.name]
        self._known: _Known | None = None

    def check(self, url: str, key: str | None, environment: str | None = None, *, new_key: bool = False) -> None:
        """Refuse another workspace or environment. A state that belongs to none yet takes any.

        Args:
            url: the API's URL.
            key: the API key; None: it is not used now.
            environment: ``CANDU_ENVIRONMENT``; None: it is not set.
            new_key: another key for the same URL is a rotation.

        Raises:
            OtherWorkspace: the environment is another one, or the URL, or the key and ``new_key`` is not set.
            DamagedState: ``destination.json`` cannot be read.
        """
        known, route = self._read(), self._route
        if known is None:
            return
        self.check_environment(environment)
        if _normal(known.url) != _normal(url):
            raise OtherWorkspace(
                f"the state {self._store.place('')} belongs to {route.service} at {known.url}, and {route.url_setting} "
                f"is {url}. What was accepted there was never sent here. Give this {route.owner} a state of its own "
                "(set CANDU_STATE_URL), or forget what was sent there: `candu-sync reset --all`", key=False)
        if key and known.key and not new_key and _digest(known.salt, key) != known.key:
            raise OtherWorkspace(
                f"the state {self._store.place('')} was filled with another {route.key} of {route.service} at {url}. "
                f"If {route.key_setting} is wrong, correct it. If the key was replaced and the {route.owner} is the "
                f"same, run once with --new-key. If it is another {route.owner}, give it a state of its own (set "
                "CANDU_STATE_URL), or forget what was sent: `candu-sync reset --all`", key=True)

    def check_environment(self, environment: str | None) -> None:
        """As ``check``, of the environment alone: for those who change the state and send nothing."""
        known = self._read()
        if known is not None and known.environment not in (None, environment):
            raise OtherWorkspace(
                f"the state {self._store.place('')} is that of the environment {known.environment}, and "
                f"CANDU_ENVIRONMENT is {environment or 'not set'} here. If this is {known.environment}, set "
                f"CANDU_ENVIRONMENT={known.environment}. If it is not, give it a state and a key of its own: set "
                f"CANDU_STATE_URL and {self._route.key_setting}", key=False)

    def take_on(self, url: str, key: str | None, environment: str | None = None, *, new_key: bool = False) -> None:
        """Belong to this workspace from now on. It costs nothing if that is known already. Safe in any thread.

        Args:
            url, key, environment, new_key: as ``check`` takes them. A name that is known stays.

        Raises:
            OtherWorkspace: another process took on another workspace in the meantime.
            StateError: it cannot be written.
        """
        self.check(url, key, environment, new_key=new_key)
        known = self._known
        if known is not None and known.environment == environment and (
                not key or known.key == _digest(known.salt, key)):
            return
        salt = secrets.token_hex(16) if key or known is None else known.salt
        mine = _Known(url, salt, _digest(salt, key) if key else known.key if known else None, environment)
        if self._root.put(self._name, _as_json(mine), create=known is None):
            self._known = mine
        else:
            self.check(url, key, environment, new_key=new_key)

    def forget(self) -> None:
        """Belong to no destination: nothing that one accepted is kept any more."""
        self._root.delete(self._name)
        self._known = None

    def _read(self) -> _Known | None:
        if self._known is None and (data := self._root.get(self._name)) is not None:
            try:
                self._known = _Known(**json.loads(data))
            except (ValueError, TypeError) as error:
                place = self._store.place(self._name)
                raise DamagedState(self._name, f"{place} cannot be read: restore it from a backup. Or remove it: the "
                                   f"next message that {self._route.service} accepts writes it again") from error
        return self._known


def _as_json(known: _Known) -> bytes:
    """Without an environment that has no name: an earlier version reads it then."""
    return json.dumps({name: value for name, value in asdict(known).items()
                       if name != "environment" or value is not None}).encode()


def _normal(url: str) -> tuple[str, str | None, int | None, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme), parts.path.rstrip("/")


def _digest(salt: str, key: str) -> str:
    return hashlib.sha256(f"{salt}:{key}".encode()).hexdigest()
