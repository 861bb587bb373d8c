"""Running the simulator: in a thread for tests and the demo, in the foreground for a person."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from candu_sync.simulator.api import CanduApi
from candu_sync.simulator.app import PREFIX, make_app
from candu_sync.simulator.assumptions import Assumed, Assumptions
from candu_sync.simulator.browser import BrowserApi
from candu_sync.simulator.endpoint import Endpoint
from candu_sync.simulator.faults import FaultKind, Faults
from candu_sync.simulator.reading import Reading
from candu_sync.simulator.sample import Sample
from candu_sync.simulator.segment import SegmentApi
from candu_sync.simulator.store import Store

_START_SECONDS = 60


class Simulator:
    """A strict stand-in for Candu on this machine, as a context manager.

    Args:
        port: 0: any port that is free.
        key: the API key that it expects.
        database: a SQLite file that keeps what was accepted; None: it is kept in memory, until the simulator stops.
        host: an address of this machine.
        log: False: keep states and counts only, for measurements.
        write_key: the write key of its Segment source.
        client_token: what a page gives ``Candu.init``.
        identity_secret: switches Signed Identities on: identify calls of a browser need an HMAC made with it.

    Raises:
        OSError: the port is taken.
        ValueError: ``host`` is not an address of this machine.

    Example:
        >>> from candu_sync import Project, Target, load_settings, run
        >>> with Simulator(key="secret") as candu:
        ...     settings = load_settings(api_url=candu.url, api_key="secret", state_url=str(tmp_path / "state"))
        ...     with Project(settings) as project:
        ...         run(Target(project, sync)).accepted
        ...     candu.users()
        2
        {'u1': {'plan': 'pro'}, 'u2': {'plan': 'free'}}
    """

    def __init__(
        self,
        port: int = 0,
        key: str = "simulator-key",
        database: Path | None = None,
        host: str = "127.0.0.1",
        *,
        log: bool = True,
        write_key: str = "simulator",
        client_token: str = "simulator-token",
        identity_secret: str | None = None,
    ) -> None:
        self.key = key
        self.write_key = write_key
        self.client_token = client_token
        self._assumed = Assumed(Assumptions(signed_identities=identity_secret is not None))
        self._store = Store(database, log=log, assumed=self._assumed)
        try:
            self._socket = _listen(host, port)
        except (OSError, ValueError):
            self._store.close()
            raise
        self._host = f"[{host}]" if ":" in host else host
        self._faults = Faults()
        self._reading = Reading(self._store)
        stopping = asyncio.Event()
        browser = BrowserApi(client_token, identity_secret, self._assumed)
        apis = CanduApi(key, self._assumed), SegmentApi(write_key), browser
        endpoints = {api.way: Endpoint(api, self._store, self._faults, stopping) for api in apis}
        app = make_app(self._store, self._faults, self._assumed, endpoints, Sample(client_token, identity_secret))
        self._server = _Server(_config(app), stopping)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="simulator", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when requests are answered."""
        self._thread.start()
        if not self._server.ready.wait(_START_SECONDS):
            raise RuntimeError(f"the simulator did not start within {_START_SECONDS} s")

    def stop(self) -> None:
        """Ends the server and closes the database; the connections of delayed requests are closed."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
        self._store.close()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._socket.getsockname()[1])

    @property
    def page(self) -> str:
        """Where a person looks: ``http://127.0.0.1:PORT/``."""
        return f"http://{self._host}:{self.port}/"

    @property
    def url(self) -> str:
        """The base URL of the API, for ``CANDU_API_URL``."""
        return f"http://{self._host}:{self.port}{PREFIX}"

    @property
    def segment_url(self) -> str:
        """The base URL of Segment's API, for ``SEGMENT_API_URL``."""
        return self.page.rstrip("/")

    def users(self) -> dict[str, dict[str, Any]]:
        """Traits by user id."""
        return self._reading.traits("users")

    def groups(self) -> dict[str, dict[str, Any]]:
        """Traits by group id."""
        return self._reading.traits("groups")

    def members(self) -> set[tuple[str, str]]:
        """Memberships as (group_id, user_id)."""
        return self._reading.members()

    def events(self) -> list[dict[str, Any]]:
        """Events in the order of their arrival; the keys are those of ``Reading.events``."""
        return self._reading.events()[::-1]

    def requests(self) -> list[dict[str, Any]]:
        """The request log in order; the keys are those of ``Reading.requests``."""
        return self._reading.requests()[::-1]

    def messages(self) -> list[dict[str, Any]]:
        """Accepted messages in order; the keys are those of ``Reading.messages``."""
        return self._reading.messages()[::-1]

    def stats(self) -> dict[str, Any]:
        """Counts; the keys are those of ``Reading.stats``."""
        return self._reading.stats()

    def fault(self, kind: FaultKind, **settings: object) -> None:
        """Adds a fault with the settings of ``FaultSpec``; ValueError says what is wrong."""
        self._faults.add({"kind": kind, **settings})

    def assume(self, **changes: object) -> None:
        """Changes some of the ``Assumptions``; ValueError says what is wrong."""
        self._assumed.change(changes)

    def clear_faults(self) -> None:
        """Behaves again."""
        self._faults.clear()

    def reset(self) -> None:
        """Forgets all that arrived, all faults, and assumptions that were changed."""
        self._store.reset()
        self._faults.clear()
        self._assumed.reset()


def serve(simulator: Simulator, ready: Callable[[Simulator], None] = lambda _: None) -> None:
    """Runs it in the foreground until SIGINT or SIGTERM; ``ready`` is called when it answers."""
    ended = threading.Event()
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with simulator:
            ready(simulator)
            ended.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Server(uvicorn.Server):
    """Signals when it is ready, and wakes delayed requests when it ends."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self._stopping = stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.set()
        await super().shutdown(sockets)


class _Protocol(H11Protocol):
    """Hands the connection to the application, which must be able to close it without an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,  # as nginx: a client's idle connection is not closed while the client uses it
        timeout_graceful_shutdown=1,
    )


def _listen(host: str, port: int) -> socket.socket:
    if host != "localhost" and not _is_loopback(host):
        raise ValueError(f"The simulator serves this machine only: {host} is not a loopback address such as 127.0.0.1")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        raise OSError(
            f"The simulator cannot listen on {host}:{port}: {error.strerror}. Choose another port, or 0 for a free one"
        ) from error
    return listener


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
