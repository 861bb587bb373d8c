"""Spans and metrics of operations, by the SDK's own exporters in memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, get_current_span

from candu_sync import pipeline
from candu_sync.errors import WarehouseError
from candu_sync.progress import Began, Ended, Event, Operation
from candu_sync.simulator import Simulator
from candu_sync.syncs.sync import Sync
from candu_sync.target import Target
from candu_sync.telemetry import Signals
from tests.support.lab import Lab

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text("utf-8")

About = dict[str, Any]


def value_of(point: Any) -> Any:
    """A point's value; of a histogram, how many values there were."""
    return point.value if hasattr(point, "value") else point.count


def distinction(attributes: Any) -> str:
    return str(attributes.get("candu_sync.outcome", attributes.get("candu_sync.phase", "")))


@dataclass(frozen=True)
class Collected:
    """What was sent: spans as they ended, and metrics."""

    signals: Signals
    memory: InMemorySpanExporter
    reader: InMemoryMetricReader

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.memory.get_finished_spans())

    def span(self, name: str) -> ReadableSpan:
        [found] = [span for span in self.spans if span.name == name]
        return found

    def points(self, name: str) -> list[tuple[About, Any]]:
        """The attributes of each series of a metric, with its value; of a histogram, how many values there were."""
        data = self.reader.get_metrics_data()
        return [(dict(point.attributes), value_of(point))
                for resource in (data.resource_metrics if data else []) for scope in resource.scope_metrics
                for metric in scope.metrics if metric.name == name for point in metric.data.data_points]

    def by(self, name: str, attribute: str) -> dict[str, Any]:
        """The values of a metric by one of its attributes."""
        points = self.points(name)
        assert len({about[attribute] for about, _ in points}) == len(points)
        return {about[attribute]: value for about, value in points}


@pytest.fixture
def collected() -> Iterator[Collected]:
    memory, reader = InMemorySpanExporter(), InMemoryMetricReader()
    traces, metrics = TracerProvider(shutdown_on_exit=False), MeterProvider([reader], shutdown_on_exit=False)
    traces.add_span_processor(SimpleSpanProcessor(memory))
    # A reader is asked once for each test: all metrics of it are looked at together.
    yield Collected(Signals(traces, metrics, "1.2.3"), memory, reader)
    traces.shutdown()
    metrics.shutdown()


@pytest.fixture
def users(lab: Lab) -> Sync:
    lab.table("people", user_id=["u1", "u2", "u3"], plan=["pro", "free", "pro"])
    return lab.sync("users/profile", "select * from people", 'automation: "0 * * * *"')


def run(lab: Lab, sync: Sync, collected: Collected, partition: str | None = None) -> Any:
    return lab.run(sync, partition, progress=collected.signals)


def test_a_run_is_a_span_with_one_for_each_phase(lab: Lab, users: Sync, collected: Collected) -> None:
    result = run(lab, users, collected)
    assert [span.name for span in collected.spans] == [
        "read", "diff", "guard", "push", "commit", "run users/profile"]
    root = collected.spans[-1]
    assert root.parent is None
    assert {span.parent.span_id for span in collected.spans[:-1] if span.parent} == {root.context.span_id}
    assert dict(root.attributes or {}) == {
        "candu_sync.operation": "run", "candu_sync.sync": "users/profile", "candu_sync.kind": "users",
        "candu_sync.run.id": result.run_id, "candu_sync.status": "succeeded", "candu_sync.state.age": 0.0,
        **{f"candu_sync.{name}": value for name, value in result.counts().items()}}
    push = dict(collected.span("push").attributes or {})
    assert (push["candu_sync.phase"], push["candu_sync.accepted"], push["candu_sync.run.id"]) == (
        "push", 3, result.run_id)
    assert root.instrumentation_scope is not None
    assert (root.instrumentation_scope.name, root.instrumentation_scope.version) == ("candu_sync", "1.2.3")
    assert {span.status.status_code for span in collected.spans} == {StatusCode.UNSET}
    assert not get_current_span().get_span_context().is_valid


def test_each_metric_has_its_number(lab: Lab, users: Sync, simulator: Simulator, collected: Collected) -> None:
    lab.overrides["batch_size"] = 1
    simulator.fault("refuse", user_ids=["u2"], status=422)
    simulator.fault("status", status=503, times=1)
    result = run(lab, users, collected)
    data = collected.reader.get_metrics_data()
    assert data is not None
    metrics = {metric.name: metric for scope in data.resource_metrics[0].scope_metrics for metric in scope.metrics}
    numbers = {name: {distinction(point.attributes): value_of(point) for point in metric.data.data_points}
               for name, metric in metrics.items()}
    assert result.retries == 1
    assert numbers.pop("candu_sync.rate")[""] > 0
    assert numbers == {
        "candu_sync.operation.duration": {"": 1},
        "candu_sync.phase.duration": dict.fromkeys(("read", "diff", "guard", "push", "commit"), 1),
        "candu_sync.rows": {"added": 3, "changed": 0, "removed": 0, "unchanged": 0, "invalid": 0},
        "candu_sync.messages": {"accepted": 2, "refused": 1},
        "candu_sync.requests": {"": result.requests}, "candu_sync.retries": {"": 1},
        "candu_sync.sent": {"": result.bytes},
        "candu_sync.result": {"": 3}, "candu_sync.left": {"invalid": 0, "refused": 1, "waiting": 0},
        "candu_sync.state.age": {"": 0.0}}
    assert {name: metric.unit for name, metric in metrics.items()} == {
        "candu_sync.operation.duration": "s", "candu_sync.phase.duration": "s", "candu_sync.rows": "{row}",
        "candu_sync.messages": "{message}", "candu_sync.requests": "{request}", "candu_sync.retries": "{request}",
        "candu_sync.sent": "By", "candu_sync.rate": "{message}/s", "candu_sync.result": "{row}",
        "candu_sync.left": "{row}", "candu_sync.state.age": "s"}
    for metric in metrics.values():
        for point in metric.data.data_points:
            assert {"candu_sync.sync": "users/profile", "candu_sync.kind": "users",
                    "candu_sync.operation": "run"}.items() <= dict(point.attributes).items()
            assert "candu_sync.run.id" not in point.attributes


def test_the_page_lists_the_metrics_with_their_units(lab: Lab, users: Sync, collected: Collected) -> None:
    listed = re.findall(r"^\| `(candu_sync\.[a-z.]+)` \| (histogram|counter|gauge) \| `([^`]+)` \|", PAGE, re.MULTILINE)
    collected.signals(Began(operation := Operation(verb="run", run_id="", sync="s", kind="users", partition=None)))
    collected.signals(Ended(operation=operation, status="succeeded", seconds=1, lag=1.0))
    run(lab, users, collected)
    data = collected.reader.get_metrics_data()
    assert data is not None
    kinds = {"Histogram": "histogram", "Sum": "counter", "Gauge": "gauge"}
    made = {(metric.name, kinds[type(metric.data).__name__], metric.unit)
            for scope in data.resource_metrics[0].scope_metrics for metric in scope.metrics}
    assert made == set(listed)


def test_counters_add_up_and_gauges_are_the_last(lab: Lab, users: Sync, collected: Collected) -> None:
    run(lab, users, collected)
    lab.query("update people set plan = 'team' where user_id = 'u1'")
    run(lab, users, collected)
    rows = collected.by("candu_sync.rows", "candu_sync.outcome")
    assert rows == {"added": 3, "changed": 1, "removed": 0, "unchanged": 2, "invalid": 0}


def test_a_failed_query_is_an_error_without_its_words(lab: Lab, users: Sync, collected: Collected) -> None:
    broken = lab.sync("users/profile", "select user_id, cast(plan as integer) as sesame from people")
    with pytest.raises(WarehouseError):
        run(lab, broken, collected)
    for name in ("read", "run users/profile"):
        span = collected.span(name)
        assert span.status.status_code == StatusCode.ERROR
        assert (span.status.description, list(span.events)) == (None, [])
        assert dict(span.attributes or {})["error.type"] == "WarehouseError"
    assert collected.by("candu_sync.operation.duration", "error.type") == {"WarehouseError": 1}


def test_a_guard_is_no_error_and_has_its_status(lab: Lab, users: Sync, collected: Collected) -> None:
    lab.run(users)
    lab.query("delete from people")
    run(lab, users, collected)
    root = collected.span("run users/profile")
    assert root.status.status_code == StatusCode.UNSET
    attributes = dict(root.attributes or {})
    assert (attributes["candu_sync.status"], attributes["error.type"]) == ("guarded", "GuardTripped")
    assert dict(collected.span("guard").attributes or {})["candu_sync.reasons"] > 0
    assert 0 <= attributes["candu_sync.state.age"] < 60


def test_how_late_a_run_came_is_a_gauge(lab: Lab, users: Sync, collected: Collected) -> None:
    def late(event: Event) -> None:
        collected.signals(Ended(**{**vars(event), "lag": 5400.5}) if isinstance(event, Ended) else event)

    lab.run(users, progress=late)
    assert collected.by("candu_sync.schedule.lag", "candu_sync.sync") == {"users/profile": 5400.5}


def test_a_plan_says_nothing_of_the_state(lab: Lab, users: Sync, collected: Collected) -> None:
    lab.plan(users, progress=collected.signals)
    assert collected.span("plan users/profile").attributes["candu_sync.status"] == "planned"  # type: ignore[index]
    assert collected.points("candu_sync.left") == []


def test_a_static_key_and_a_window_are_shown_a_dynamic_key_never(lab: Lab, collected: Collected) -> None:
    lab.table("people", user_id=["u1", "u2"], plan=["eu", "jane@example.com"])
    static = lab.sync("users/static", "select * from people where plan = :partition", "partitions: {static: [eu, us]}")
    dynamic = lab.sync("users/dynamic", "select * from people where plan = :partition",
                       'partitions: {dynamic: plans, values: "select plan from people"}')
    lab.table("hits", event_id=["e1"], user_id=["u1"], event=["Hit"], timestamp=["2026-11-01T10:00:00Z"])
    sql = ("select * from hits where timestamp::timestamptz >= :window_start "
           "and timestamp::timestamptz < :window_end")
    daily = lab.sync("events/daily", sql, "partitions: {daily: 2026-11-01}")
    both = lab.sync("events/both", f"{sql} and user_id = :partition",
                    'partitions: {daily: 2026-11-01, dynamic: people, values: "select user_id from people"}')
    for sync, key in ((static, "eu"), (dynamic, "jane@example.com"), (daily, "2026-11-01"), (both, "2026-11-01|u1")):
        run(lab, sync, collected, key)
    shown = {str(span.name): dict(span.attributes or {}).get("candu_sync.partition") for span in collected.spans
             if span.parent is None}
    assert shown == {"run users/static": "eu", "run users/dynamic": None, "run events/daily": "2026-11-01",
                     "run events/both": "2026-11-01"}
    points = collected.points("candu_sync.rows")
    # A window would make a series of each day.
    assert {about["candu_sync.sync"]: about.get("candu_sync.partition") for about, _ in points} == {
        "users/static": "eu", "users/dynamic": None, "events/daily": None, "events/both": None}
    assert "jane@example.com" not in repr([(span.name, dict(span.attributes or {})) for span in collected.spans])


def test_gauges_of_dynamic_keys_would_replace_each_other(lab: Lab, collected: Collected) -> None:
    lab.table("people", user_id=["u1"], plan=["pro"])
    dynamic = lab.sync("users/dynamic", "select * from people where plan = :partition",
                       'partitions: {dynamic: plans, values: "select plan from people"}')
    run(lab, dynamic, collected, "pro")
    assert collected.points("candu_sync.left") == []


def test_no_value_key_or_sql_is_in_a_span(lab: Lab, simulator: Simulator, collected: Collected) -> None:
    lab.table("people", user_id=["u1-key", "u2-key", "u2-key"], nick=["sesame"] * 3)
    sync = lab.sync("users/profile", "select *, 'hushhush' as word from people")
    simulator.fault("refuse", user_ids=["u1-key"], status=422)
    run(lab, sync, collected)
    shown = "".join(span.to_json() for span in collected.spans) + repr(collected.reader.get_metrics_data())
    for secret in ("-key", "sesame", "hushhush", "select", str(lab.overrides["api_key"])):
        assert secret not in shown


def test_a_database_driver_s_span_is_the_phase_s_child(lab: Lab, users: Sync, collected: Collected) -> None:
    inside: list[int] = []
    with lab.project() as project:
        project.listeners.append(collected.signals)
        project.listeners.append(lambda _: inside.append(get_current_span().get_span_context().span_id))
        pipeline.plan(Target(project, users))
    read = collected.span("read")
    assert read.context.span_id in inside
    assert not get_current_span().get_span_context().is_valid
