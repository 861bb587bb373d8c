"""Segment's Tracking API: the request as its docs want it, each of its answers, and who is to blame for a refusal."""

from __future__ import annotations

import base64
import http.server
import json
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import orjson
import pyarrow as pa
import pytest

from candu_sync.delivery.connection import HttpConnection
from candu_sync.delivery.delivery import Delivery
from candu_sync.delivery.limits import Limits
from candu_sync.delivery.segment import Segment
from candu_sync.errors import CanduError, DestinationTrouble, Refused, Transient, Unauthorized
from candu_sync.routes import SEGMENT
from candu_sync.simulator import Simulator
from candu_sync.state.receipts import Outcome
from tests.support.serving import InThread

KEY = "write-key-17"
BASIC = base64.b64encode(f"{KEY}:".encode()).decode()
MESSAGES = b'[{"type":"identify","userId":"u1","traits":{"plan":null},"messageId":"m1"}]'


class Host(InThread, http.server.ThreadingHTTPServer):
    """Answers each request with what is set, and keeps the requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: tuple[int, dict[str, str], bytes] = (200, {}, b'{"success": true}')
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Host
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append((self.command, self.path, headers, body))
        status, answered, content = self.server.answer
        self.send_response(status)
        usual = {"content-type": "application/json", "content-length": str(len(content))}
        for name, value in {**usual, **answered}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST  # noqa: N815

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: the requests are kept."""


@pytest.fixture(scope="module")
def running() -> Iterator[Host]:
    with Host() as host:
        yield host


@pytest.fixture
def host(running: Host) -> Host:
    running.answer = (200, {}, b'{"success": true}')
    running.requests.clear()
    return running


@pytest.fixture
def segment(host: Host) -> Iterator[Segment]:
    with Segment(host.url, KEY, timeout=60) as connection:
        yield connection


def error_of(segment: HttpConnection, count: int = 1) -> CanduError:
    with pytest.raises(CanduError) as caught:
        segment.send(MESSAGES, count)
    for secret in (KEY, BASIC):
        assert secret not in f"{caught.value} {caught.value.reason}"
    return caught.value


def test_a_request_has_the_form_of_segments_docs(segment: Segment, host: Host) -> None:
    assert segment.send(MESSAGES, 1) is None
    [(method, path, headers, body)] = host.requests
    assert (method, path) == ("POST", "/v1/batch")
    assert headers["authorization"] == f"Basic {BASIC}"
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == {
        "batch": json.loads(MESSAGES), "context": {"library": {"name": "candu-sync", "version": version("candu-sync")}}}


def test_the_messages_bytes_are_as_they_were_built(segment: Segment, host: Host) -> None:
    segment.send(MESSAGES, 1)
    assert MESSAGES in host.requests[0][3]


def test_the_probe_shows_no_key_and_sends_nothing(segment: Segment, host: Host) -> None:
    host.answer = (404, {"content-type": "text/plain"}, b"no such page")
    segment.probe()
    [(method, _, headers, body)] = host.requests
    assert (method, body) == ("GET", b"")
    assert "authorization" not in headers


@pytest.mark.parametrize(("status", "kind"), [(301, DestinationTrouble), (407, DestinationTrouble), (429, Transient),
                                              (503, Transient)])
def test_the_probe_fails_where_the_host_does_not_answer_itself(
        segment: Segment, host: Host, status: int, kind: type[CanduError]) -> None:
    host.answer = (status, {"location": "https://login.example"}, b"")
    with pytest.raises(kind, match="Segment"):
        segment.probe()


@pytest.mark.parametrize(("status", "kind"), [
    (400, Refused), (413, Refused), (403, Refused), (404, Refused), (401, Unauthorized), (408, Transient),
    (429, Transient), (460, Transient), (500, Transient), (503, Transient), (302, DestinationTrouble),
    (402, DestinationTrouble), (407, DestinationTrouble), (410, DestinationTrouble)])
def test_what_an_answer_becomes(segment: Segment, host: Host, status: int, kind: type[CanduError]) -> None:
    host.answer = (status, {}, b'{"success": false, "code": "invalid_request", "message": "no"}')
    error = error_of(segment)
    assert type(error) is kind
    assert error.status == status
    assert "Segment" in str(error)
    assert "Candu" not in str(error)


def test_a_refused_key_names_its_setting(segment: Segment, host: Host) -> None:
    host.answer = (401, {}, f'{{"message": "write key {KEY} is unknown, {BASIC}"}}'.encode())
    assert "Segment refused the write key (HTTP 401)" in str(error_of(segment))
    assert "SEGMENT_WRITE_KEY" in str(error_of(segment))


@pytest.mark.parametrize("body", [b'{"success": true}', b"", b"{}"])
def test_a_200_is_an_acceptance(segment: Segment, host: Host, body: bytes) -> None:
    host.answer = (200, {}, body)
    assert segment.send(MESSAGES, 1) is None


@pytest.mark.parametrize(("body", "kind"), [(b'{"success": false}', Refused), (b"<html>sign in</html>",
                                                                             DestinationTrouble)])
def test_a_200_that_is_none(segment: Segment, host: Host, body: bytes, kind: type[CanduError]) -> None:
    host.answer = (200, {"content-type": "text/html"}, body)
    assert type(error_of(segment)) is kind


@pytest.mark.parametrize(("headers", "seconds"), [
    ({"Retry-After": "7"}, 7.0), ({"X-RateLimit-Reset": "9"}, 9.0),
    ({"Retry-After": "7", "X-RateLimit-Reset": "9"}, 7.0), ({}, None)])
def test_how_long_to_wait(segment: Segment, host: Host, headers: dict[str, str], seconds: float | None) -> None:
    host.answer = (429, headers, b"")
    error = error_of(segment)
    assert isinstance(error, Transient)
    assert error.retry_after == seconds


def test_the_answers_words_are_kept_without_values_and_without_the_key(segment: Segment, host: Host) -> None:
    host.answer = (400, {}, orjson.dumps({"code": "invalid_request", "message": f"m1 of u1 by {BASIC} is too large"}))
    assert "is too large" in str(error_of(segment))
    assert "u1" not in str(error_of(segment))


class Sending:
    """A delivery by Segment, and what became of each message."""

    def __init__(self, connect: Any, *numbers: str, note: str = "", **limits: Any) -> None:
        self.outcome = Outcome()
        destination = Segment.destination
        quick = {"rate": 0.0, "concurrency": 1, "max_attempts": 2, "first_pause": 0.001,
                 "batch_bytes": destination.most_bytes, "unproven": destination.unproven}
        self.delivery = Delivery(connect, Limits(**{**quick, **limits}), self.outcome.note, route=SEGMENT)
        bodies = [orjson.dumps({"type": "identify", "userId": user, "traits": {"note": note}}).decode() + ","
                  for user in numbers]
        self.report = self.delivery.run([pa.record_batch({"message": list(range(len(bodies))), "body": bodies})])


@pytest.mark.parametrize("status", [200, 400, 403, 404, 422])
def test_few_rows_are_not_to_blame_while_nothing_was_accepted(host: Host, status: int) -> None:
    """A malformed write key is answered with 400: each of a few rows was set aside for it."""
    host.answer = (status, {}, b'{"success": false, "message": "invalid write key"}')
    sending = Sending(lambda: Segment(host.url, KEY), "u1", "u2", "u3")
    assert isinstance(sending.report.error, DestinationTrouble)
    assert sending.report.rejected == 0
    assert sending.outcome.rejected == {}
    assert "SEGMENT_API_URL" in str(sending.report.error)


def test_a_refused_row_is_set_aside_once_others_were_accepted(simulator: Simulator) -> None:
    simulator.fault("refuse", user_ids=["u2"], status=400)
    sending = Sending(lambda: Segment(simulator.segment_url, simulator.write_key), *(f"u{n}" for n in range(8)))
    assert sending.report.error is None
    assert (sending.report.accepted, sending.report.rejected) == (7, 1)
    assert list(sending.outcome.rejected) == [2]
    assert sorted(simulator.users()) == [f"u{n}" for n in range(8) if n != 2]


def test_no_request_is_larger_than_segment_takes(host: Host) -> None:
    sending = Sending(lambda: Segment(host.url, KEY), *(f"u{n}" for n in range(6_000)), note="x" * 200,
                      batch_size=SEGMENT.batch_size(1_000_000))
    assert sending.report.accepted == 6_000
    sizes = [len(json.loads(body)["batch"]) for _, _, _, body in host.requests]
    assert sum(sizes) == 6_000
    assert max(sizes) <= 2_500
    assert max(len(body) for _, _, _, body in host.requests) <= 500_000
