"""A connection to a destination; the only file that imports httpx.

    POST {url}/…   messages, in the form that the destination wants
    GET  {url}/…   a harmless read
    authorization: …, content-type: application/json, accept-encoding: identity

What an answer means is in ``answers.py``. A request always ends within its timeout, and at
most 1 MB of an answer is read.
"""

from __future__ import annotations

import contextlib
import functools
import os
import ssl
import zlib
from collections.abc import Iterator
from typing import ClassVar, Self

import httpcore
import httpx

from candu_sync.delivery.acceptance import Item
from candu_sync.delivery.answers import LARGEST_ANSWER, Reply, decompressed, judge
from candu_sync.delivery.deadline import Deadline
from candu_sync.delivery.destination import Destination
from candu_sync.delivery.environment import ProxyChoice, bad_certificates, check_certificates, proxy_for
from candu_sync.delivery.words import Words
from candu_sync.errors import Transient

# Seconds for which an idle connection is used again. Servers close it after 5 s or more (uvicorn: timeout_keep_alive).
_IDLE = 2.0

# What httpcore raises. httpx has an exception of the same name for each.
_FAILURES = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError,
             httpcore.UnsupportedProtocol)

# What httpx raises before a byte of the request has left.
_NOT_REACHED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol,
                httpx.InvalidURL, httpx.ProxyError)


class HttpConnection:
    """One connection to a destination, for one thread. ``Candu`` and ``Segment`` are such connections.

    httpx scans its pool for each request, so a connection of its own for each worker is fastest (measured: 2,400
    requests a second with four workers, against 1,660 with one shared client). It uses a transport (httpx docs,
    "Transports"): no destination needs redirects, cookies or authentication flows, which a client looks after, and a
    request takes a third less time without them. httpx2's transport costs the same as this one. That of pyreqwest costs
    a third less, but gives no status of an answer whose headers cannot be read: whether the messages were taken is then
    not known, and here it is.

    Args:
        url: the API's base.
        key: what proves who sends.
        timeout: seconds for a request in all, from its first byte to the answer's last.

    Raises:
        SettingsError: the environment names a proxy, or certificates, that cannot be used.
        Transient: ``url`` is no URL.

    Attributes:
        destination: the contract of the service.
    """

    destination: ClassVar[Destination]

    def __init__(self, url: str, key: str, timeout: float = 30.0) -> None:
        authorization = self.destination.authorization(key)
        self._secrets = (key, authorization.rpartition(" ")[2])
        self._timeout = timeout
        self._headers = {"content-type": "application/json", "accept": "application/json",
                         "accept-encoding": "identity", "user-agent": "candu-sync"}
        self._with_key = {"authorization": authorization} | self._headers
        self._extensions = {"timeout": httpx.Timeout(timeout).as_dict()}
        proxy = proxy_for(url)
        self._place = f"{self.destination.route.service} at {url}" + (f" (by {proxy.described})" if proxy else "")
        try:
            self._send_url, self._probe_url = (
                httpx.URL(f"{url}/{path}") for path in (self.destination.send_path, self.destination.probe_path))
        except httpx.InvalidURL as error:
            raise self._silence(error) from None
        self._deadline = Deadline()
        # Now, not with the first request: reading the certificates would delay that after its turn.
        self._transport = _Transport(proxy, self._deadline)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def status(self) -> int | None:
        """The status of the last answer, as soon as its first line has come; None: nothing has come."""
        return self._deadline.status

    def close(self) -> None:
        """Close the connection; a request that is under way in another thread fails."""
        self._transport.close()

    def send(self, body: bytes, messages: int) -> tuple[Item, ...] | None:
        """Post one JSON array of ``messages`` messages.

        Returns:
            None: all of them are accepted. Else the outcome of each, in order.

        Raises:
            Unauthorized, Refused, Transient, DestinationTrouble: see ``answers.py``. Anything that stops httpx is
                Transient. An error with a ``status`` means that the destination did not take the messages.
        """
        reply = self._ask("POST", self._send_url, self._with_key, self.destination.body(body))
        return judge(reply, messages, self.destination, self._place, Words(body, self._secrets))

    def probe(self) -> None:
        """A harmless read. What it proves, the destination's own file says.

        Raises:
            Unauthorized: the key is refused.
            DestinationTrouble: what answers is not the destination's API.
            Transient: as for ``send``.
        """
        headers = self._with_key if self.destination.probe_with_key else self._headers
        reply = self._ask("GET", self._probe_url, headers, None)
        self.destination.judge_probe(reply, self.destination, self._place, Words(None, self._secrets))

    def _ask(self, method: str, url: httpx.URL, headers: dict[str, str], body: bytes | None) -> Reply:
        self._deadline.start(self._timeout)
        request = httpx.Request(method, url, headers=headers, content=body, extensions=self._extensions)
        try:
            answer = self._transport.handle_request(request)
            try:
                return _reply(answer, self.destination.wait_headers)
            finally:
                answer.close()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            status = self._deadline.status
            if isinstance(error, _NOT_REACHED) or status is None or status < 300:
                raise self._silence(error) from None
            # Its headers cannot be parsed, but the status line came: the messages were not taken.
            return Reply(status, None, problem=type(error).__name__)

    def _silence(self, error: Exception) -> Transient:
        reached, kind = not isinstance(error, _NOT_REACHED), type(error).__name__
        if isinstance(error, httpx.TimeoutException):
            return Transient(f"{self._place} did not answer in time ({kind})", reached=reached, late=reached)
        if isinstance(error, httpx.ProxyError):
            return Transient(f"{self._place} cannot be reached: the proxy refused the connection ({error})",
                             reached=reached)
        if isinstance(error, httpx.ConnectError):
            return Transient(f"{self._place} cannot be reached: {error}. Check {self.destination.route.url_setting} "
                             "and the network", reached=reached)
        return Transient(f"the connection to {self._place} broke before its answer ({kind})", reached=reached)


class _Transport(httpx.BaseTransport):
    """A pool of one connection over a network backend of ours (httpx docs, "Custom transports"; httpcore docs,
    "Network Backends"). httpx's own transport takes no backend."""

    def __init__(self, proxy: ProxyChoice | None, backend: httpcore.NetworkBackend) -> None:
        certificates = _certificates(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
        self._pool = _pool(proxy, backend, certificates)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = httpcore.URL(scheme=request.url.raw_scheme, host=request.url.raw_host, port=request.url.port,
                           target=request.url.raw_path)
        with _as_httpx():
            answer = self._pool.handle_request(httpcore.Request(
                request.method, url, headers=request.headers.raw, content=request.stream,
                extensions=request.extensions))
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer),
                              extensions=answer.extensions)

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        with _as_httpx():
            yield from self._answer.iter_stream()

    def close(self) -> None:
        # The answer is read. An error from now on concerns the next request, which will report it.
        with contextlib.suppress(Exception):
            self._answer.close()


def _pool(proxy: ProxyChoice | None, backend: httpcore.NetworkBackend,
          certificates: ssl.SSLContext) -> httpcore.ConnectionPool:
    if proxy is None:
        return httpcore.ConnectionPool(certificates, max_connections=1, keepalive_expiry=_IDLE,
                                       network_backend=backend)
    # httpx splits the user and the password off.
    parts = httpx.Proxy(proxy.url)
    url = httpcore.URL(scheme=parts.url.raw_scheme, host=parts.url.raw_host, port=parts.url.port, target=b"/")
    if parts.url.scheme in ("http", "https"):
        return httpcore.HTTPProxy(url, parts.raw_auth, ssl_context=certificates, max_connections=1,
                                  keepalive_expiry=_IDLE, network_backend=backend)
    return httpcore.SOCKSProxy(url, parts.raw_auth, ssl_context=certificates, max_connections=1,
                               keepalive_expiry=_IDLE, network_backend=backend)


@contextlib.contextmanager
def _as_httpx() -> Iterator[None]:
    """What httpcore raises becomes httpx's exception of the same name."""
    try:
        yield
    except _FAILURES as error:
        raise getattr(httpx, type(error).__name__)(str(error)) from error


@functools.cache
def _certificates(file: str | None, folder: str | None) -> ssl.SSLContext:
    """The certificates of the environment, or the usual ones. Reading them takes longer than a request: once for all
    workers."""
    check_certificates()
    try:
        return httpx.create_ssl_context()
    except (OSError, ssl.SSLError):
        if not file and not folder:
            raise
        raise bad_certificates() from None


def _reply(answer: httpx.Response, wait_headers: tuple[str, ...]) -> Reply:
    """Read an answer. What goes wrong after the status line does not raise: the status counts."""
    headers = answer.headers
    body: bytes | None = None
    try:
        body = decompressed(_read(answer), headers.get("content-encoding", "").strip().lower())
        problem = ""
    except httpx.HTTPError as error:
        problem = "it did not end in time" if isinstance(error, httpx.TimeoutException) else type(error).__name__
    except (ValueError, zlib.error) as error:
        problem = str(error)
    wait = next((headers[name] for name in wait_headers if name in headers), "")
    return Reply(answer.status_code, body, wait, headers.get("content-type", ""), problem)


def _read(answer: httpx.Response) -> bytes:
    parts, size = [], 0
    for part in answer.iter_raw():
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            raise ValueError(f"it is larger than {LARGEST_ANSWER:,} bytes")
    return b"".join(parts)
