"""A deadline for a whole answer, and its first bytes.

httpx's timeouts are for each part: a server that sends a byte every half second would never be late. Here each read and
write of a connection may take the time that is left of one deadline (httpcore docs, "Network Backends").
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r\n]")

# Enough for the status line, after an interim answer or two.
_KEPT = 512

# Bytes written before the clock is looked at again.
_WRITTEN = 65_536


class Deadline(httpcore.NetworkBackend):
    """The network backend of one connection, which is used by one thread.

    Call ``start`` before each request. After a failure, ``status`` is what the status line said.
    """

    def __init__(self) -> None:
        self._backend = httpcore.SyncBackend()
        self._until = 0.0
        self._head = b""

    def start(self, seconds: float) -> None:
        """A request begins, which may take so long in all."""
        self._until = time.monotonic() + seconds
        self._head = b""

    @property
    def status(self) -> int | None:
        """The status of the answer, as far as it came: an answer whose headers cannot be parsed has one too."""
        found = [int(code) for code in _STATUS_LINE.findall(self._head)]
        final = [code for code in found[:3] if code >= 200]
        return final[0] if final else None

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
                    socket_options: Iterable[Any] | None = None) -> httpcore.NetworkStream:
        stream = self._backend.connect_tcp(host, port, self.left(timeout, httpcore.ConnectTimeout), local_address,
                                           socket_options)
        return _Stream(stream, self)

    def left(self, timeout: float | None, late: type[Exception]) -> float:
        """Seconds left for a step that may take ``timeout`` by itself. Raises ``late`` when there are none."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise late
        return left if timeout is None else min(left, timeout)

    def received(self, data: bytes) -> None:
        """Some of the answer came."""
        if len(self._head) < _KEPT:
            self._head += data[:_KEPT]

    def forget(self) -> None:
        """What came so far was a proxy's answer, not the API's."""
        self._head = b""


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._stream.read(max_bytes, self._deadline.left(timeout, httpcore.ReadTimeout))
        self._deadline.received(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _WRITTEN):
            self._stream.write(buffer[start:start + _WRITTEN], self._deadline.left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(self, ssl_context: ssl.SSLContext, server_hostname: str | None = None,
                  timeout: float | None = None) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname,
                                        self._deadline.left(timeout, httpcore.ConnectTimeout))
        self._deadline.forget()
        return _Stream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
