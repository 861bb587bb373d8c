"""Servers of the standard library that work in a thread while their block runs."""

from __future__ import annotations

import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
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


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class _FileServer(InThread, ThreadingHTTPServer):
    daemon_threads = True


@contextmanager
def serve_folder(folder: Path) -> Iterator[str]:
    """The address of a web server of the folder's files."""
    with _FileServer(("127.0.0.1", 0), partial(_Files, directory=folder)) as server:
        yield f"http://127.0.0.1:{server.server_port}/"
