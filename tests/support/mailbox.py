"""A mail server on this machine (RFC 5321), with STARTTLS (RFC 3207) and AUTH PLAIN (RFC 4954) on request."""

from __future__ import annotations

import base64
import email
import email.policy
import socketserver
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from typing import cast

from tests.support.serving import InThread


@dataclass(frozen=True)
class Letter:
    """One that was delivered. ``encrypted``: by TLS."""

    sender: str
    to: tuple[str, ...]
    message: EmailMessage
    encrypted: bool
    login: tuple[str, str] | None


class Mailbox(InThread, socketserver.ThreadingTCPServer):
    """A context manager.

    Attributes:
        letters: that were delivered.
        refuses: recipients that it answers with 550.
    """

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), _Session)
        self.tls = tls
        self.letters: list[Letter] = []
        self.refuses: set[str] = set()
        self.port: int = self.server_address[1]

    def handle_error(self, *_: object) -> None:
        """A client that ends a session early is what some tests are about."""


class _Session(socketserver.StreamRequestHandler):
    server: Mailbox

    tls: ssl.SSLSocket | None = None

    def finish(self) -> None:
        super().finish()
        if self.tls is not None:
            self.tls.close()

    def handle(self) -> None:
        self.sender, self.to, self.encrypted = "", list[str](), False
        self.login: tuple[str, str] | None = None
        self._say("220 mailbox ready")
        while line := self.rfile.readline().decode().rstrip("\r\n"):
            verb, _, rest = line.partition(" ")
            if verb.upper() == "QUIT":
                self._say("221 bye")
                return
            self._answer(verb.upper(), rest)

    def _answer(self, verb: str, rest: str) -> None:
        address = rest.partition("<")[2].partition(">")[0]
        match verb:
            case "EHLO":
                more = ["250-STARTTLS"] if self.server.tls is not None and not self.encrypted else []
                self._say("250-mailbox", *more, "250 AUTH PLAIN")
            case "STARTTLS":
                self._say("220 go on")
                assert self.server.tls is not None
                self.connection = self.tls = self.server.tls.wrap_socket(self.connection, server_side=True)
                self.rfile.close()
                self.rfile, self.encrypted = self.connection.makefile("rb"), True
            case "AUTH":
                _, user, password = base64.b64decode(rest.partition(" ")[2]).decode().split("\0")
                self.login = (user, password)
                self._say("235 welcome" if password == "p@ss" else "535 wrong password")
            case "MAIL":
                self.sender, self.to = address, []
                self._say("250 fine")
            case "RCPT" if address in self.server.refuses:
                self._say("550 unknown")
            case "RCPT":
                self.to.append(address)
                self._say("250 fine")
            case "DATA":
                self._say("354 go on")
                self._take()
                self._say("250 delivered")
            case _:
                self._say("250 fine")

    def _take(self) -> None:
        lines: list[bytes] = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        message = cast(EmailMessage, email.message_from_bytes(b"".join(lines), policy=email.policy.default))
        self.server.letters.append(Letter(self.sender, tuple(self.to), message, self.encrypted, self.login))

    def _say(self, *lines: str) -> None:
        self.connection.sendall("".join(f"{line}\r\n" for line in lines).encode())
