"""Spans and metrics of runs in Dagster: sent at the end of each step, since its process may end without notice."""

from __future__ import annotations

import pytest

from tests.dagster.room import CHANGES, PUSH, Room, people
from tests.telemetry.collector import collecting


def test_each_step_sends_its_operations(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    people(room)
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        assert room.materialize(CHANGES, PUSH).success
    assert collector.spans == ["read", "diff", "plan users/people", "guard", "push", "commit", "push users/people"]
    assert len(collector.traces) == 2


def test_a_broken_endpoint_is_a_warning_in_the_run_s_log(room: Room, monkeypatch: pytest.MonkeyPatch,
                                                         caplog: pytest.LogCaptureFixture) -> None:
    people(room)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    result = room.materialize(CHANGES)
    assert result.success
    log = room.instance.all_logs(result.run_id)
    assert [event.message for event in log if "metrics and traces were not all sent" in event.message]
