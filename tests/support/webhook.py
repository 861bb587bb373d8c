"""A webhook's server on this machine: it keeps what is posted, and answers as the test wants."""

from __future__ import annotations

import json
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.serving import InThread


class Webhook(InThread, ThreadingHTTPServer):
    """A context manager.

    Attributes:
        posted: path and JSON body of each request.
        authorizations: that header of each request.
        status: what it answers with.
        location: where it redirects to, if anywhere.
        kills: a process that it kills when something is posted, in place of an answer.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.posted: list[tuple[str, dict[str, Any]]] = []
        self.authorizations: list[str | None] = []
        self.status = 200
        self.location: str | None = None
        self.kills: subprocess.Popen[str] | None = None

    def url(self, path: str = "hook", form: str = "") -> str:
        """``form``: ``slack+`` for Slack's."""
        return f"{form}http://127.0.0.1:{self.server_port}/{path}"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [body for _, body in self.posted]

    def take(self) -> list[dict[str, Any]]:
        """The bodies so far; they are forgotten."""
        found = self.bodies
        self.posted.clear()
        return found


class _Handler(BaseHTTPRequestHandler):
    server: Webhook

    def do_GET(self) -> None:
        self._answer(200)

    def do_POST(self) -> None:
        assert self.headers["Content-Type"] == "application/json"
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.posted.append((self.path, body))
        self.server.authorizations.append(self.headers["Authorization"])
        if self.server.kills is not None:
            self.server.kills.kill()
            return
        self._answer(self.server.status)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        if self.server.location is not None and status >= 300:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass
