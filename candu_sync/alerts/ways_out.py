"""The ways out: a webhook of Slack's form, any JSON webhook, and e-mail.

Nothing that an error says here holds an address's URL: it is a secret.
"""

from __future__ import annotations

import base64
import http.client
import json
import smtplib
import ssl
import urllib.error
import urllib.request
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from candu_sync.alerts.addresses import Address, login_of, server_of
from candu_sync.alerts.notices import Notice

# Seconds for an address to answer: a run, or Dagster's daemon, waits for it.
_SECONDS = 10


class NotTaken(Exception):
    """An address did not take a notice; the text says why, without the URL."""


def send(address: Address, notice: Notice) -> None:
    """Send a notice to one address.

    Raises:
        NotTaken: it did not take it.
    """
    if address.way == "smtp":
        _mail(address, notice)
    else:
        _post(address, notice.slack() if address.way == "slack" else notice.json())


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect of a POST becomes a GET, which a page of a login answers with 200: that is no acceptance."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none."""


def _post(address: Address, body: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/json", "User-Agent": "candu-sync"}
    parts, login = urlsplit(address.url), login_of(address.url)
    if login is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
    url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=_SECONDS):
            pass
    except urllib.error.HTTPError as error:
        error.close()
        raise NotTaken(f"it answered HTTP {error.code}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotTaken(f"no answer ({_kind(error)})") from None


def _mail(address: Address, notice: Notice) -> None:
    host, port = server_of(address)
    tls = ssl.create_default_context()
    try:
        server = (smtplib.SMTP_SSL(host, port, timeout=_SECONDS, context=tls)
                  if urlsplit(address.url).scheme == "smtps" else smtplib.SMTP(host, port, timeout=_SECONDS))
        with server:
            _introduce(server, address, host, tls)
            refused = server.send_message(_letter(address, notice), address.sender, list(address.to))
    except smtplib.SMTPResponseException as error:
        raise NotTaken(f"it answered {error.smtp_code}") from None
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise NotTaken(f"it did not take the letter ({_kind(error)})") from None
    if refused:
        raise NotTaken(f"it refused {len(refused)} of {len(address.to)} recipients")


def _introduce(server: smtplib.SMTP, address: Address, host: str, tls: ssl.SSLContext) -> None:
    """Say hello, encrypted where the server can, and log in. A password goes to no other machine in plain text."""
    server.ehlo()
    encrypted = isinstance(server, smtplib.SMTP_SSL)
    if not encrypted and server.has_extn("starttls"):
        server.starttls(context=tls)
        server.ehlo()
        encrypted = True
    login = login_of(address.url)
    if login is None:
        return
    if not encrypted and not _this_machine(host):
        raise NotTaken("it offers no STARTTLS, and a password is not sent in plain text: use smtps://, or no password")
    server.login(*login)


def _letter(address: Address, notice: Notice) -> EmailMessage:
    letter = EmailMessage()
    letter["Subject"] = " ".join(f"[candu-sync] {notice.title}".split())
    letter["From"], letter["To"] = address.sender, ", ".join(address.to)
    letter["Date"] = format_datetime(notice.at)
    letter["Message-ID"] = make_msgid(domain="candu-sync.invalid")
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(notice.text)
    return letter


def _this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _kind(error: Exception) -> str:
    """What kind of error it is. Its text may quote the URL."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, OSError) and reason.strerror and not isinstance(reason, urllib.error.URLError):
        return reason.strerror
    return type(reason).__name__
