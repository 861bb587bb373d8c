"""Each of Candu's answers, and each kind of silence, becomes one type of error: what delivery decides on."""

from __future__ import annotations

import datetime as dt
import email.utils
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import pytest

from candu_sync.delivery.candu import Candu
from candu_sync.errors import CanduError, Refused, Transient, Unauthorized
from candu_sync.simulator import Simulator

MESSAGE = b'[{"type":"identify","userId":"u1","traits":{"plan":"pro"}}]'


@pytest.fixture
def candu(simulator: Simulator) -> Iterator[Candu]:
    with Candu(simulator.url, simulator.key, timeout=5) as candu:
        yield candu


def refusal(candu: Candu) -> CanduError:
    with pytest.raises(CanduError) as caught:
        candu.send(MESSAGE)
    return caught.value


def test_an_accepted_request(candu: Candu, simulator: Simulator) -> None:
    candu.send(MESSAGE)
    assert simulator.users() == {"u1": {"plan": "pro"}}
    (request,) = simulator.requests()
    assert (request["method"], request["path"], request["status"]) == ("POST", "/api/eventWebhook", 200)
    assert request["body"].encode() == MESSAGE


def test_the_probe_reads_and_writes_nothing(candu: Candu, simulator: Simulator) -> None:
    candu.probe()
    assert [(r["method"], r["path"]) for r in simulator.requests()] == [("GET", "/api/contentMetadata")]


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_is_unauthorized(candu: Candu, simulator: Simulator, status: int) -> None:
    simulator.fault("status", status=status, times=1)
    error = refusal(candu)
    assert isinstance(error, Unauthorized)
    assert error.status == status
    assert "CANDU_API_KEY" in str(error)


def test_another_workspaces_key_is_unauthorized_for_the_probe_too(simulator: Simulator) -> None:
    with Candu(simulator.url, "another-key") as candu:
        with pytest.raises(Unauthorized) as caught:
            candu.probe()
        assert "another-key" not in str(caught.value)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_passing_troubles_are_transient(candu: Candu, simulator: Simulator, status: int) -> None:
    simulator.fault("status", status=status, times=1)
    error = refusal(candu)
    assert isinstance(error, Transient)
    assert (error.status, error.retry_after) == (status, None)


@pytest.mark.parametrize("status", [301, 307, 400, 402, 404, 405, 409, 410, 413, 415, 422, 451])
def test_all_other_answers_are_permanent(candu: Candu, simulator: Simulator, status: int) -> None:
    simulator.fault("status", status=status, times=1)
    error = refusal(candu)
    assert isinstance(error, Refused)
    assert error.status == status


class TestRetryAfter:
    def after(self, candu: Candu, simulator: Simulator, value: str) -> float | None:
        simulator.fault("status", status=429, retry_after=value, times=1)
        error = refusal(candu)
        assert isinstance(error, Transient)
        return error.retry_after

    def test_in_seconds(self, candu: Candu, simulator: Simulator) -> None:
        assert self.after(candu, simulator, "7") == 7.0

    def test_as_a_date(self, candu: Candu, simulator: Simulator) -> None:
        soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=60)
        found = self.after(candu, simulator, email.utils.format_datetime(soon, usegmt=True))
        assert found is not None
        assert 50 < found <= 60

    def test_a_date_in_the_past_is_at_once(self, candu: Candu, simulator: Simulator) -> None:
        assert self.after(candu, simulator, "Wed, 21 Oct 2015 07:28:00 GMT") == 0.0

    @pytest.mark.parametrize("value", ["9" * 30, "Fri, 31 Dec 9999 23:59:59 GMT"])
    def test_years_are_a_day(self, candu: Candu, simulator: Simulator, value: str) -> None:
        assert self.after(candu, simulator, value) == 86_400.0

    @pytest.mark.parametrize("value", ["soon", "-5", "1.5.2", "Wed, 99 Oct 2015", "1e9", " "])
    def test_what_cannot_be_read_is_no_answer(self, candu: Candu, simulator: Simulator, value: str) -> None:
        assert self.after(candu, simulator, value) is None


class TestBodies:
    def test_success_false_in_a_2xx_is_a_refusal(self, candu: Candu, simulator: Simulator) -> None:
        simulator.fault("success_false", times=1)
        error = refusal(candu)
        assert isinstance(error, Refused)
        assert "success" in str(error)

    @pytest.mark.parametrize("body", [b"", b"OK", b"{", b"[false]", b'{"success": "false"}',
                                      b'{"success": true}', b"\xff"])
    def test_any_other_body_of_a_2xx_is_ignored(self, body: bytes) -> None:
        with _server(b"HTTP/1.1 202 Accepted\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)) as url, \
                Candu(url, "key") as candu:
            candu.send(MESSAGE)

    def test_an_error_never_quotes_the_body_the_key_or_a_value(self, candu: Candu, simulator: Simulator) -> None:
        simulator.fault("status", status=400, body={"error": "u1 has plan pro"}, times=1)
        said = str(refusal(candu))
        assert "pro" not in said
        assert simulator.key not in said


class TestSilence:
    def test_nobody_listens(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with Candu(f"http://127.0.0.1:{port}/api", "key") as candu:
            error = refusal(candu)
        assert isinstance(error, Transient)
        assert error.status is None
        assert "cannot be reached" in str(error)

    @pytest.mark.parametrize("kind", ["close", "lost"])
    def test_a_connection_that_breaks_is_transient_and_the_next_request_works(
            self, candu: Candu, simulator: Simulator, kind: str) -> None:
        simulator.fault(kind, times=1)  # type: ignore[arg-type]
        error = refusal(candu)
        assert isinstance(error, Transient)
        assert error.status is None
        assert bool(simulator.users()) == (kind == "lost")
        candu.send(MESSAGE)

    def test_an_answer_that_does_not_come_in_time(self) -> None:
        with Simulator() as slow, Candu(slow.url, slow.key, timeout=0.1) as candu:
            slow.fault("delay", seconds=1, times=1)
            error = refusal(candu)
        assert isinstance(error, Transient)
        assert "in time" in str(error)

    @pytest.mark.parametrize("answer", [
        b"not http\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc"])
    def test_an_answer_that_is_no_http_is_transient(self, answer: bytes) -> None:
        with _server(answer) as url, Candu(url, "key") as candu:
            assert isinstance(refusal(candu), Transient)


def test_the_request_on_the_wire() -> None:
    received: list[bytes] = []
    with _server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", received) as url, Candu(url, "secret-key") as candu:
        candu.send(MESSAGE)
    head, _, body = received[0].partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"post /eventwebhook http/1.1"
    assert {b"authorization: bearer secret-key", b"content-type: application/json"} <= set(lines)
    assert isinstance(orjson.loads(body), list)


def test_the_environments_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[bytes] = []
    with _server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", received) as url:
        monkeypatch.setenv("http_proxy", url.removesuffix("/api"))
        monkeypatch.delenv("no_proxy", raising=False)
        with Candu("http://candu.invalid/api", "key") as candu:
            candu.send(MESSAGE)
    assert received[0].startswith(b"POST http://candu.invalid/api/eventWebhook HTTP/1.1")


@contextmanager
def _server(answer: bytes, received: list[bytes] | None = None) -> Iterator[str]:
    """A server that gives one raw answer to one connection; ``received`` gets what was asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                data = b""
                while MESSAGE not in data:
                    data += connection.recv(65536)
                if received is not None:
                    received.append(data)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(5)
