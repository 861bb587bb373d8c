"""A server of the standard library that works in a thread while its block runs."""

from __future__ import annotations

import socketserver
from threading import Thread
from typing import Self


class InThread(socketserver.BaseServer):
    """A context manager, to be inherited from before the server's class."""

    def __enter__(self) -> Self:
        self._thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
