"""Each of Candu's answers, and each kind of silence, becomes one type of error: what delivery decides on."""

from __future__ import annotations

import datetime as dt
import email.utils
import gzip
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import orjson
import pytest

from candu_sync.delivery.candu import Candu
from candu_sync.delivery.environment import proxy_for
from candu_sync.errors import CanduError, DestinationTrouble, Refused, SettingsError, Transient, Unauthorized
from candu_sync.simulator import Simulator

MESSAGE = b'[{"type":"identify","userId":"u1","traits":{"plan":"pro"}}]'


@pytest.fixture
def candu(simulator: Simulator) -> Iterator[Candu]:
    with Candu(simulator.url, simulator.key, timeout=60) as candu:
        yield candu


def refusal(candu: Candu) -> CanduError:
    with pytest.raises(CanduError) as caught:
        candu.send(MESSAGE, 1)
    return caught.value


def test_an_accepted_request(candu: Candu, simulator: Simulator) -> None:
    candu.send(MESSAGE, 1)
    assert simulator.users() == {"u1": {"plan": "pro"}}
    (request,) = simulator.requests()
    assert (request["method"], request["path"], request["status"]) == ("POST", "/api/eventWebhook", 200)
    assert request["body"].encode() == MESSAGE


def test_the_probe_reads_and_writes_nothing(candu: Candu, simulator: Simulator) -> None:
    candu.probe()
    assert [(r["method"], r["path"]) for r in simulator.requests()] == [("GET", "/api/contentMetadata")]


def test_a_wrong_key_is_unauthorized(candu: Candu, simulator: Simulator) -> None:
    simulator.fault("status", status=401, times=1)
    error = refusal(candu)
    assert isinstance(error, Unauthorized)
    assert error.status == 401
    assert "CANDU_API_KEY" in str(error)


def test_a_403_to_messages_may_be_a_firewalls_and_to_the_probe_is_the_keys(candu: Candu, simulator: Simulator) -> None:
    simulator.fault("status", status=403, times=2)
    assert isinstance(refusal(candu), Refused)
    with pytest.raises(Unauthorized):
        candu.probe()


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


@pytest.mark.parametrize("status", [400, 404, 409, 413, 415, 422])
def test_a_message_may_be_to_blame(candu: Candu, simulator: Simulator, status: int) -> None:
    simulator.fault("status", status=status, times=1)
    error = refusal(candu)
    assert isinstance(error, Refused)
    assert error.status == status


@pytest.mark.parametrize("status", [301, 302, 307, 308, 402, 405, 407, 410, 451])
def test_answers_about_the_address_or_the_account_blame_no_row(
        candu: Candu, simulator: Simulator, status: int) -> None:
    simulator.fault("status", status=status, times=1)
    error = refusal(candu)
    assert isinstance(error, DestinationTrouble)
    assert error.status == status
    assert "no row" in str(error).lower()


class TestRetryAfter:
    def after(self, candu: Candu, simulator: Simulator, value: str) -> float | None:
        simulator.fault("status", status=429, retry_after=value, times=1)
        error = refusal(candu)
        assert isinstance(error, Transient)
        return error.retry_after

    def test_in_seconds(self, candu: Candu, simulator: Simulator) -> None:
        assert self.after(candu, simulator, "7") == 7.0

    def test_as_a_date(self, candu: Candu, simulator: Simulator) -> None:
        soon = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
        found = self.after(candu, simulator, email.utils.format_datetime(soon, usegmt=True))
        assert found is not None
        assert 3000 < found <= 3600

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
        assert "failed" in str(error)

    def answered(self, body: bytes, status: str = "202 Accepted", kind: str = "application/json") -> str:
        """What one answer becomes: accepted, or the name of an error."""
        head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
        with _server(head.encode() + body) as url, Candu(url, "key") as candu:
            try:
                items = candu.send(MESSAGE, 1)
            except CanduError as error:
                return type(error).__name__
        return "accepted" if items is None else str([item.accepted for item in items])

    @pytest.mark.parametrize("body", [
        b"", b" \n", b"{}", b"[]", b'{"success": true}', b'{"ok": "true"}', b'{"status": "ok"}', b'{"status": 200}',
        b'{"error": null}', b'{"errors": []}', b'{"accepted": 1}', b'[{"success": true}]', b"true", b"null"])
    def test_these_bodies_accept(self, body: bytes) -> None:
        assert self.answered(body) == "accepted"

    @pytest.mark.parametrize("body", [
        b'{"success": false}', b'{"success": "false"}', b'{"ok": false}', b'{"status": false}', b'{"status": "error"}',
        b'{"error": "no"}', b'{"errors": ["no"]}', b'{"errors": {"plan": "no"}}', b'{"data": {"success": false}}',
        b'{"failed": 1}', b"false", b'{"statusCode": 500}'])
    def test_these_bodies_say_no(self, body: bytes) -> None:
        assert self.answered(body) == "Refused"

    @pytest.mark.parametrize("body", [b'[{"success": false}]', b'[false]', b'{"results": [{"status": 422}]}'])
    def test_these_bodies_say_no_to_a_message(self, body: bytes) -> None:
        assert self.answered(body) == "[False]"

    @pytest.mark.parametrize("body", [
        b"OK", b"{", b"\xff", b"5", b'"ok"', b"<!doctype html><title>Sign in</title>", b"Please log in"])
    def test_these_bodies_are_no_answer_of_candu(self, body: bytes) -> None:
        assert self.answered(body, kind="text/html") == "DestinationTrouble"

    def test_207_is_read_message_by_message(self) -> None:
        assert self.answered(b'[{"status": 200}]', "207 Multi-Status") == "accepted"
        assert self.answered(b'[{"status": 400}]', "207 Multi-Status") == "[False]"
        for body in b"", b"{}", b'{"success": true}', b"<html>":
            assert self.answered(body, "207 Multi-Status") == "DestinationTrouble"

    def test_the_probe_demands_json(self, simulator: Simulator) -> None:
        for body in b"", b"<html>log in</html>", b"true":
            answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
            with _server(answer, expected=b"contentMetadata") as url, Candu(url, "key") as candu, \
                    pytest.raises(DestinationTrouble):
                candu.probe()

    def test_a_body_without_end_is_cut_at_a_megabyte(self) -> None:
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        with _server(head + b"10000\r\n" + b" " * 65536 + b"\r\n", repeated=b"10000\r\n" + b" " * 65536 + b"\r\n") \
                as url, Candu(url, "key", timeout=20) as candu:
            error = refusal(candu)
        assert "larger than 1,000,000 bytes" in str(error)

    def test_a_body_that_inflates_is_cut_too(self) -> None:
        body = gzip.compress(b" " * 50_000_000)
        head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body)
        with _server(head + body) as url, Candu(url, "key") as candu:
            assert "without its compression" in str(refusal(candu))

    def test_a_header_that_cannot_be_parsed_hides_no_status(self) -> None:
        with _server(b"HTTP/1.1 422 No\r\nbroken header\r\n\r\n") as url, Candu(url, "key") as candu:
            assert refusal(candu).status == 422

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
        candu.send(MESSAGE, 1)

    def test_an_answer_that_does_not_come_in_time(self) -> None:
        with Simulator() as slow, Candu(slow.url, slow.key, timeout=0.1) as candu:
            slow.fault("delay", seconds=60, times=1)
            error = refusal(candu)
        assert isinstance(error, Transient)
        assert "in time" in str(error)

    def test_an_answer_that_drips_ends_in_time(self) -> None:
        """The server goes on for as long as somebody reads."""
        with _server(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n", repeated=b" ", every=0.1) as url, \
                Candu(url, "key", timeout=0.5) as candu:
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
        candu.send(MESSAGE, 1)
    head, _, body = received[0].partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"post /eventwebhook http/1.1"
    assert {b"authorization: bearer secret-key", b"content-type: application/json"} <= set(lines)
    assert isinstance(orjson.loads(body), list)


class TestEnvironment:
    NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
             "SSL_CERT_FILE", "SSL_CERT_DIR")

    @pytest.fixture(autouse=True)
    def clean(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in self.NAMES:
            monkeypatch.delenv(name, raising=False)

    def test_the_proxy_is_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        received: list[bytes] = []
        with _server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", received) as url:
            monkeypatch.setenv("http_proxy", url.removesuffix("/api"))
            with Candu("http://candu.invalid/api", "key") as candu:
                candu.send(MESSAGE, 1)
        assert received[0].startswith(b"POST http://candu.invalid/api/eventWebhook HTTP/1.1")

    def test_user_and_password_are_sent_only_to_the_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        received: list[bytes] = []
        with _server(b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n", received, expected=b"\r\n\r\n") as url:
            monkeypatch.setenv("https_proxy", url.replace("http://", "http://me:s%40cret@").removesuffix("/api"))
            with Candu("https://candu.invalid/api", "key") as candu:
                error = refusal(candu)
        assert received[0].startswith(b"CONNECT candu.invalid:443 HTTP/1.1")
        assert b"Proxy-Authorization: Basic bWU6c0BjcmV0" in received[0]
        assert b"key" not in received[0]
        assert "s@cret" not in str(error)
        assert "s%40cret" not in str(error)

    def test_a_proxy_that_does_not_answer_ends_in_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with _server(b"HTTP/1.1 200 OK\r\n", repeated=b"x", every=0.05, expected=b"\r\n\r\n") as url:
            monkeypatch.setenv("https_proxy", url.removesuffix("/api"))
            with Candu("https://candu.invalid/api", "key", timeout=0.3) as candu:
                assert isinstance(refusal(candu), Transient)

    def test_an_error_says_that_a_proxy_was_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
        with Candu("https://candu.invalid/api", "key") as candu:
            assert "proxy" in str(refusal(candu))

    def test_this_machine_is_never_asked_by_a_proxy(self, simulator: Simulator,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("all_proxy", "http://127.0.0.1:9")
        with Candu(simulator.url, simulator.key) as candu:
            candu.send(MESSAGE, 1)
        assert simulator.users()

    @pytest.mark.parametrize(("name", "value"), [
        ("https_proxy", "socks5://127.0.0.1:1080"), ("https_proxy", "gopher://127.0.0.1:70"),
        ("SSL_CERT_FILE", "/nowhere/certificates.pem"), ("SSL_CERT_FILE", __file__)])
    def test_what_cannot_be_used_is_one_sentence_that_names_the_variable(
            self, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
        monkeypatch.setenv(name, value)
        with pytest.raises(SettingsError) as caught:
            Candu("https://candu.invalid/api", "key")
        assert name.lower() in str(caught.value).lower()
        assert "\n" not in str(caught.value)

    def test_a_proxy_without_a_scheme_is_one_by_http(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("https_proxy", "127.0.0.1:9")
        with Candu("https://candu.invalid/api", "key") as candu:
            assert "proxy" in str(refusal(candu))

    @pytest.mark.parametrize(("no_proxy", "used"), [
        ("candu.invalid", False), (".invalid", False), ("candu.invalid:443", False), ("candu.invalid:8443", True),
        ("*", False), ("other.example", True), ("10.0.0.0/8", True)])
    def test_no_proxy(self, monkeypatch: pytest.MonkeyPatch, no_proxy: str, used: bool) -> None:
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("no_proxy", no_proxy)
        assert (proxy_for("https://candu.invalid/api") is not None) is used

    def test_networks_in_no_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("no_proxy", "10.0.0.0/8")
        assert proxy_for("https://10.1.2.3/api") is None
        assert proxy_for("https://11.1.2.3/api") is not None


@contextmanager
def _server(answer: bytes, received: list[bytes] | None = None, *, expected: bytes = MESSAGE,
            repeated: bytes = b"", every: float = 0.0) -> Iterator[str]:
    """A server that gives one raw answer to one connection, then ``repeated`` until nobody reads it; ``received`` gets
    what was asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                data = b""
                while expected not in data:
                    data += connection.recv(65536)
                if received is not None:
                    received.append(data)
                with suppress(OSError):
                    connection.sendall(answer)
                    while repeated:
                        connection.sendall(repeated)
                        time.sleep(every)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(5)
