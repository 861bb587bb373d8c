"""Where a project's messages go: the route of each sync, the connections, and what the state knows of them."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from candu_sync.errors import DamagedState, StateError
from candu_sync.routes import ROUTES, Route
from candu_sync.settings import Settings, in_words
from candu_sync.state import State
from candu_sync.syncs import Sync

if TYPE_CHECKING:
    from candu_sync.delivery import BatchSizes, KeptConnections, Learned
    from candu_sync.rate import Pace

_log = logging.getLogger(__name__)


class Destinations:
    """The services that take a project's messages: Candu, and Segment where a sync goes by it.

    Args:
        state: opens the project's state, or gives the one that is open.

    Attributes:
        new_key: another key than the one that the state knows is a rotation, of the same workspace or source.

    Example:
        >>> project.destinations.route_of(sync).name
        'candu'
        >>> project.destinations.check(project.destinations.route_of(sync))
    """

    def __init__(self, settings: Settings, state: Callable[[], State]) -> None:
        self._settings = settings
        self._state = state
        self._connections: dict[str, KeptConnections] = {}
        self._paces: dict[str, Pace] = {}
        self._sizes: dict[str, BatchSizes] = {}
        self._known_sizes: dict[str, Learned] = {}
        self._lock, self._keeping = threading.Lock(), threading.Lock()
        self.new_key = False

    def route_of(self, sync: Sync) -> Route:
        """By which route a sync is sent: as its YAML says, else as the settings do."""
        return ROUTES[sync.route or self._settings.route]

    def routes_of(self, syncs: Iterable[Sync]) -> list[Route]:
        """The routes of some syncs, each once; that of the settings where there is no sync."""
        return list({route.name: route for route in map(self.route_of, syncs)}.values()) or [
            ROUTES[self._settings.route]]

    def require_keys(self, syncs: Iterable[Sync]) -> None:
        """Make sure that some of the syncs can be sent. One whose key is missing fails by itself.

        Raises:
            SettingsError: the keys of all routes are missing.
        """
        routes = self.routes_of(syncs)
        if not any(self._settings.key_of(route) for route in routes):
            self._settings.require_key(routes[0])

    def check(self, route: Route, *, key: bool = True) -> None:
        """Refuse to go on where the state belongs to another workspace of Candu, or source of Segment, than the
        settings.

        Args:
            key: the key is about to be used, and must be the one that the state knows.

        Raises:
            OtherWorkspace: it does.
        """
        settings, used = self._settings, self._settings.key_of(route) if key else None
        self._state().destination(route).check(settings.url_of(route), used, settings.environment, new_key=self.new_key)

    def check_environment(self) -> None:
        """Refuse to change a state of another environment than ``CANDU_ENVIRONMENT``. What cannot be read says nothing:
        a reset mends it.

        Raises:
            OtherWorkspace: it is one.
        """
        for route in ROUTES.values():
            with suppress(DamagedState):
                self._state().destination(route).check_environment(self._settings.environment)

    def take_on(self, route: Route) -> None:
        """The state belongs to the settings' workspace, or source, from now on: it holds what that one accepted.

        Raises:
            OtherWorkspace: it belongs to another one.
            StateError: the state cannot be written.
        """
        settings = self._settings
        self._state().destination(route).take_on(settings.url_of(route), settings.key_of(route), settings.environment,
                                                 new_key=self.new_key)

    def connections(self, route: Route) -> KeptConnections:
        """Connections by a route, kept from one sync and partition to the next.

        Raises:
            SettingsError: there is no key.
        """
        # httpx takes longer to load than a plan with nothing to send takes altogether.
        from candu_sync.delivery import KeptConnections, connection_of

        with self._lock:
            if route.name not in self._connections:
                connect, settings = connection_of(route), self._settings
                url, key = settings.url_of(route), settings.require_key(route)
                self._connections[route.name] = KeptConnections(lambda: connect(url, key, settings.timeout))
            return self._connections[route.name]

    def batch_sizes(self, route: Route, kind: str, messages: int) -> BatchSizes:
        """The size of the requests of so many messages. Those of users and groups begin with what the last run has
        learnt. What is uncertain of events after a crash is a request's worth: theirs keep their size."""
        from candu_sync.delivery import LARGEST, BatchSizes

        begin = route.batch_size(self._settings.batch_size)
        if not self._settings.batch_growth or kind == "events" or messages <= begin:
            return BatchSizes(begin)
        with self._lock:
            if route.name not in self._sizes:
                learned = learned_from(self._state().batch_size(route))
                # A push that is killed must not try again what is too large.
                self._sizes[route.name] = sizes = BatchSizes(begin, most=route.batch_size(LARGEST), learned=learned,
                                                             on_bound=lambda: self.keep_batch_sizes(route))
                self._known_sizes[route.name] = learned or sizes.learned
            return self._sizes[route.name]

    def requests(self, route: Route, kind: str, messages: int, size: int) -> int:
        """About how many requests so many messages of ``size`` bytes together take, when all are accepted."""
        from candu_sync.delivery import LARGEST_REQUEST, UNANSWERED

        fitting = max(1, LARGEST_REQUEST * messages // max(1, size))
        return self.batch_sizes(route, kind, messages).requests(
            messages, fitting, UNANSWERED * self._settings.concurrency)

    def keep_batch_sizes(self, route: Route) -> None:
        """Write down what was learnt of the size of requests, if that is something new. Safe in any thread."""
        sizes = self._sizes.get(route.name)
        if sizes is None or sizes.fixed:
            return
        with self._keeping:
            if (learned := sizes.learned) != self._known_sizes[route.name]:
                self._write_sizes(route, learned)

    def _write_sizes(self, route: Route, learned: Learned) -> None:
        try:
            self._state().keep_batch_size(route, {
                "begin": learned.begin, "size": learned.size, "bound": learned.bound,
                "bound_at": learned.bound_at and learned.bound_at.isoformat()})
        except StateError as error:
            _log.warning("what was learnt of the size of requests is not kept: %s", error)
        self._known_sizes[route.name] = learned

    def pace(self, route: Route) -> Pace:
        """When requests by a route may go: ``CANDU_RATE`` holds for all processes of the workspace together, for each
        route.

        Raises:
            SettingsError: ``CANDU_RATE_URL`` cannot be used.
            StateError: see ``State.machine_file``.
        """
        with self._lock:
            if route.name not in self._paces:
                self._paces[route.name] = self._open_pace(route)
            return self._paces[route.name]

    def _open_pace(self, route: Route) -> Pace:
        from candu_sync.rate import open_pace, pace_of_process

        settings, state = self._settings, self._state()
        if not settings.rate:
            return pace_of_process(0)
        url = settings.rate_url.get_secret_value() if settings.rate_url else None
        return open_pace(settings.rate, state.machine_file(f"rate-{route.name}"), url=url,
                         key=f"{state.workspace}:{route.name}",
                         say=lambda text: _log.warning("%s", in_words(settings.workspace, text)))

    def close(self) -> None:
        """Give back what is open."""
        for pace in self._paces.values():
            pace.close()
        for connections in self._connections.values():
            connections.close()


def learned_from(body: dict[str, Any]) -> Learned | None:
    """What ``keep_batch_sizes`` wrote down; None: it says nothing that can be read."""
    from candu_sync.delivery import Learned

    try:
        at = body.get("bound_at")
        return Learned(int(body["begin"]), int(body["size"]), None if at is None else int(body["bound"]),
                       None if at is None else dt.datetime.fromisoformat(at).astimezone(dt.UTC))
    except (ValueError, TypeError, KeyError):
        return None
