"""An HTTP server on this machine that answers 200, counts, and does nothing else: ``python bench/sink.py [PORT]``.

    --delay SECONDS     answer so much later, as a server far away would; other requests do not wait
    GET /stats          requests, messages, bytes of bodies, the rate, and the most requests in any window of a second
    GET /reset          forget what was counted

It prints its port. Counting costs it little: messages are the occurrences of ``"userId"`` in what comes in, which each
message has once; nothing is parsed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from array import array
from typing import Any

_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
_MARK = b'"userId"'


class Counts:
    """What came in, by this process's clock."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.arrivals = array("d")
        self.messages = 0
        self.bytes = 0

    def stats(self) -> dict[str, Any]:
        at = self.arrivals
        span = at[-1] - at[0] if len(at) > 1 else 0.0
        return {"requests": len(at), "messages": self.messages, "bytes": self.bytes, "span": span,
                "rate": (len(at) - 1) / span if span else None, "most_in_a_second": most_in_a_second(at)}


def most_in_a_second(at: array[float]) -> int:
    """The most arrivals (sorted, in seconds) in any window [t, t + 1)."""
    most = first = 0
    for last, time_ in enumerate(at):
        while time_ - at[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


class Sink(asyncio.Protocol):
    """Reads requests that carry a content-length, and answers each."""

    def __init__(self, counts: Counts, delay: float) -> None:
        self._counts = counts
        self._delay = delay
        self._buffer = b""
        self._left = -1
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        # The mark may lie across two pieces.
        self._counts.messages += data.count(_MARK) + (self._tail + data[:len(_MARK) - 1]).count(_MARK)
        self._tail = (self._tail + data[1 - len(_MARK):])[1 - len(_MARK):]
        if self._left > len(data):
            self._left -= len(data)
            return
        self._buffer += data
        while self._next():
            pass

    def _next(self) -> bool:
        """Take one whole request off the buffer, when there is one, and answer it."""
        if self._left < 0:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return False
            if head.startswith(b"GET "):
                self._buffer = rest
                self._tell(head)
                return True
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            self._left, self._buffer = int(length or 0), rest
            self._counts.arrivals.append(time.monotonic())
            self._counts.bytes += self._left
        if len(self._buffer) < self._left:
            self._left -= len(self._buffer)
            self._buffer = b""
            return False
        self._buffer = self._buffer[self._left:]
        self._left = -1
        if self._delay:
            asyncio.get_running_loop().call_later(self._delay, self._transport.write, _OK)
        else:
            self._transport.write(_OK)
        return True

    def _tell(self, head: bytes) -> None:
        body = b""
        if head.startswith(b"GET /reset"):
            self._counts.reset()
        else:
            body = json.dumps(self._counts.stats()).encode()
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))


async def main(port: int, delay: float) -> None:
    """Serve until killed."""
    counts = Counts()
    server = await asyncio.get_running_loop().create_server(lambda: Sink(counts, delay), "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("port", nargs="?", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0, metavar="SECONDS")
    options = parser.parse_args()
    asyncio.run(main(options.port, options.delay))
