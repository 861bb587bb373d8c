"""A run that failed is reported to a webhook, on a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from dagster import ExecuteInProcessResult, build_run_status_sensor_context

from dagster_defs.alerts import failure_alerts
from tests.dagster.room import CHANGES, PUSH, Room, people


class Webhook(HTTPServer):
    """Keeps what is posted, and answers with ``status``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.posted: list[dict[str, Any]] = []
        self.status = 200


class _Handler(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        assert self.headers["Content-Type"] == "application/json"
        self.server.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    server = Webhook()
    thread = Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("ALERTS_URL", f"http://127.0.0.1:{server.server_port}/services/s3cret")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def alert(room: Room, result: ExecuteInProcessResult) -> None:
    """What the daemon does with a failed run."""
    [event] = [event for event in result.all_events if event.is_failure and not event.is_step_event]
    sensor = failure_alerts("ALERTS_URL")
    run = room.instance.get_run_by_id(result.run_id)
    assert run is not None
    context = build_run_status_sensor_context(sensor.name, event, room.instance, run).for_run_failure()
    sensor(context)


def test_the_errors_of_a_failed_run_are_posted(room: Room, webhook: Webhook) -> None:
    people(room)
    room.simulator.fault("status", status=401)
    result = room.materialize(CHANGES, PUSH)
    alert(room, result)
    [posted] = webhook.posted
    headline, error = posted["text"].splitlines()
    assert headline.endswith(f"failed* (run {result.run_id[:8]})")
    assert error.startswith("candu__users__people: ")
    assert "CANDU_API_KEY" in error
    assert room.simulator.key not in posted["text"]


def test_a_webhook_that_refuses_fails_the_tick_without_its_address(room: Room, webhook: Webhook) -> None:
    people(room, yaml="guard: {min_rows: 9}")
    room.materialize(CHANGES)
    webhook.status = 404
    result = room.materialize(PUSH)
    with pytest.raises(RuntimeError, match=r"^the webhook in ALERTS_URL did not take the alert with 404$"):
        alert(room, result)


def test_a_missing_address_is_named(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    people(room, yaml="guard: {min_rows: 9}")
    result = room.materialize(PUSH)
    with pytest.raises(ValueError, match="ALERTS_URL is not set"):
        alert(room, result)
