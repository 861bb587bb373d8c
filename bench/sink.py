"""An HTTP server on this machine that answers 200 and does nothing else: `python bench/sink.py PORT`."""

from __future__ import annotations

import asyncio
import sys

_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Sink(asyncio.Protocol):
    """Reads requests that carry a content-length, and answers each."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer = b""
        self._left = -1

    def data_received(self, data: bytes) -> None:
        if self._left > len(data):
            self._left -= len(data)
            return
        self._buffer += data
        while self._next():
            self._transport.write(_OK)

    def _next(self) -> bool:
        """Take one whole request off the buffer, when there is one."""
        if self._left < 0:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return False
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            self._left, self._buffer = int(length or 0), rest
        if len(self._buffer) < self._left:
            self._left -= len(self._buffer)
            self._buffer = b""
            return False
        self._buffer = self._buffer[self._left:]
        self._left = -1
        return True


async def main(port: int) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
