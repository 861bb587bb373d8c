"""Candu's HTTP contract; the only file that imports httpx.

    POST {url}/eventWebhook      one JSON array of messages of one type → 2xx: accepted, all of them
    GET  {url}/contentMetadata   a harmless read: the key and the network work
    Authorization: Bearer <API key>, content-type: application/json

Answers (docs/candu.md):

| answer                                     | becomes         |
|--------------------------------------------|-----------------|
| 2xx, and its body does not say it failed   | accepted        |
| 401, 403                                   | Unauthorized    |
| 408, 425, 429, 5xx, no answer              | Transient       |
| 2xx with `"success": false`, other 3xx 4xx | Refused         |
"""

from __future__ import annotations

import datetime as dt
import email.utils
import functools
import ssl
import urllib.request

import httpx
import orjson

from candu_sync.errors import Refused, Transient, Unauthorized

_TRANSIENT = frozenset({408, 425, 429})
_UNAUTHORIZED = frozenset({401, 403})

# Seconds. Whoever asks for more than a day has made a mistake, or has taken milliseconds for seconds.
_LONGEST_WAIT = 86_400.0

# What httpx raises before a byte of the request has left.
_NOT_REACHED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol,
                httpx.InvalidURL)


class Candu:
    """One connection to Candu, for one thread.

    httpx scans its pool for each request, so a connection of its own for each worker is fastest (measured: 2,400
    requests a second with four workers, against 1,660 with one shared client). It goes by httpx's transport (httpx
    docs, "Transports"): of redirects, cookies and authentication flows, which a client looks after, Candu has none, and
    a request takes a third less time without.

    Args:
        url: the API's base, `https://api.candu.ai/api`.
        key: the workspace's API key.
        timeout: seconds for connecting, and for each part of an answer.
    """

    def __init__(self, url: str, key: str, timeout: float = 30.0) -> None:
        self._url = url
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json",
                         "accept": "application/json", "user-agent": "candu-sync"}
        self._extensions = {"timeout": httpx.Timeout(timeout).as_dict()}
        try:
            self._webhook, self._metadata = (httpx.URL(f"{url}/{path}") for path in ("eventWebhook", "contentMetadata"))
        except httpx.InvalidURL as error:
            raise _silence(error, url) from None
        # Now, not with the first request: reading the certificates would hold that up after its turn.
        self._transport = _transport(self._webhook)

    def __enter__(self) -> Candu:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; a request that is under way in another thread fails."""
        self._transport.close()

    def send(self, body: bytes) -> None:
        """Post one JSON array of messages.

        Raises:
            Unauthorized, Refused, Transient: as the table above says; anything else that stops httpx is Transient.
        """
        _judge(self._ask("POST", self._webhook, body))

    def probe(self) -> None:
        """Read the content's metadata: proves that the key and the network work. Raises as ``send``."""
        _judge(self._ask("GET", self._metadata, None))

    def _ask(self, method: str, url: httpx.URL, body: bytes | None) -> httpx.Response:
        request = httpx.Request(method, url, headers=self._headers, content=body, extensions=self._extensions)
        try:
            answer = self._transport.handle_request(request)
            try:
                answer.read()
            finally:
                answer.close()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _silence(error, self._url) from None
        return answer


def _transport(url: httpx.URL) -> httpx.HTTPTransport:
    """A pool of one connection, by the proxy that the environment names for such URLs (HTTPS_PROXY, NO_PROXY, …)."""
    proxy = None if urllib.request.proxy_bypass(url.host) else urllib.request.getproxies().get(url.scheme)
    return httpx.HTTPTransport(verify=_certificates(), proxy=proxy,
                               limits=httpx.Limits(max_connections=1, max_keepalive_connections=1))


@functools.cache
def _certificates() -> ssl.SSLContext:
    """Reading the certificates takes longer than a request: once for all workers."""
    return httpx.create_ssl_context()


def _silence(error: Exception, url: str) -> Transient:
    reached = not isinstance(error, _NOT_REACHED)
    if isinstance(error, httpx.TimeoutException):
        return Transient(f"Candu at {url} did not answer in time ({type(error).__name__})", reached=reached)
    if isinstance(error, httpx.ConnectError):
        return Transient(f"Candu at {url} cannot be reached: {error}. Check CANDU_API_URL and the network",
                         reached=reached)
    return Transient(f"the connection to Candu at {url} broke before its answer ({type(error).__name__})",
                     reached=reached)


def _judge(answer: httpx.Response) -> None:
    status = answer.status_code
    if status in _UNAUTHORIZED:
        raise Unauthorized(f"Candu refused the API key (HTTP {status}). Check CANDU_API_KEY, and that it belongs to "
                           "this workspace", status=status)
    if status in _TRANSIENT or status >= 500:
        raise Transient(f"Candu answered HTTP {status}", status=status, retry_after=_retry_after(answer))
    if not 200 <= status < 300:
        raise Refused(f"Candu refused it (HTTP {status})", status=status)
    if _says_no(answer.content):
        raise Refused('Candu answered "success": false', status=status)


def _says_no(body: bytes) -> bool:
    """Whether a 2xx's body is JSON that says `"success": false`; anything else in it is ignored."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(parsed, dict) and parsed.get("success") is False


def _retry_after(answer: httpx.Response) -> float | None:
    """Seconds to wait, from both forms of the header (RFC 9110, 10.2.3); None: it is not there, or not readable."""
    value = answer.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), _LONGEST_WAIT)
    try:
        until = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=dt.UTC)
    return float(min(max(0.0, (until - dt.datetime.now(dt.UTC)).total_seconds()), _LONGEST_WAIT))
