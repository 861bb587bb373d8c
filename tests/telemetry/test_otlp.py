"""Spans and metrics of real commands, as they arrive at an OTLP endpoint; and what a broken endpoint does to a run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    AGGREGATION_TEMPORALITY_DELTA,
)

from candu_sync.telemetry import Signals
from tests.support.folder import Folder
from tests.telemetry.collector import Collector, collecting

PHASES = ["read", "diff", "guard", "push", "commit"]

# An application with providers of its own, which runs a sync as a library.
APPLICATION = """
import sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from candu_sync import Project, Target, load_settings, load_syncs, run
memory, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(BatchSpanProcessor(memory))
trace.set_tracer_provider(provider)
with trace.get_tracer("mine").start_as_current_span("job") as job:
    with Project(load_settings()) as project:
        run(Target(project, load_syncs(project.settings.sql_dir).syncs["users/profile"]))
    spans = {span.name: span for span in memory.get_finished_spans()}
    print(*spans, spans["run users/profile"].parent == job.get_span_context())
"""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        yield collector


@pytest.fixture
def folder(project: Folder) -> Folder:
    project.people(3)
    project.model("users/profile", "select * from people")
    return project


def test_a_command_sends_its_spans_and_metrics(folder: Folder, collector: Collector) -> None:
    ended = folder.execute("run", "users/profile", "--json")
    assert (ended.code, ended.row["accepted"], ended.err) == (0, 3, "")
    assert collector.spans == [*PHASES, "run users/profile"]
    assert collector.resource["service.name"] == "candu-sync"
    assert collector.resource["service.version"]
    rows = collector.instruments["candu_sync.rows"]
    assert {point.attributes[-1].value.string_value: point.as_int for point in rows.sum.data_points} == {
        "added": 3, "changed": 0, "removed": 0, "unchanged": 0, "invalid": 0}
    # Deltas: the sums of a process that ends would look like those of the next one.
    assert rows.sum.aggregation_temporality == AGGREGATION_TEMPORALITY_DELTA
    assert rows.unit == "{row}"
    assert collector.instruments["candu_sync.state.age"].gauge.data_points[0].as_double == 0


def test_all_syncs_of_a_command_arrive_the_failed_ones_too(folder: Folder, collector: Collector) -> None:
    folder.model("users/gone", "select * from nowhere")
    assert folder.cli("run", "--all").code == 1
    assert collector.spans == ["read", "run users/gone", *PHASES, "run users/profile"]
    durations = collector.instruments["candu_sync.operation.duration"].histogram.data_points
    assert sorted(attribute.value.string_value for point in durations for attribute in point.attributes
                  if attribute.key == "candu_sync.status") == ["failed", "succeeded"]


def test_the_standard_variables_count(folder: Folder, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "nightly")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=prod")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=acme")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "cumulative")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "otlp")
    folder.cli("run", "users/profile")
    assert collector.resource["service.name"] == "nightly"
    assert collector.resource["deployment.environment.name"] == "prod"
    assert {headers["x-tenant"] for headers in collector.headers} == {"acme"}
    assert collector.instruments["candu_sync.rows"].sum.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE


@pytest.mark.parametrize(("variables", "spans", "metrics"), [
    ({"OTEL_SDK_DISABLED": "true"}, False, False),
    ({"OTEL_TRACES_EXPORTER": "none"}, False, True),
    ({"OTEL_METRICS_EXPORTER": "none"}, True, False),
])
def test_what_is_switched_off_is_not_sent(folder: Folder, collector: Collector, monkeypatch: pytest.MonkeyPatch,
                                          variables: dict[str, str], spans: bool, metrics: bool) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    ended = folder.cli("run", "users/profile")
    assert (ended.code, ended.err, bool(collector.spans), bool(collector.instruments)) == (0, "", spans, metrics)


def test_one_signal_may_have_an_endpoint_of_its_own(
        folder: Folder, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"{collector.url}/v1/metrics")
    folder.cli("run", "users/profile")
    assert (collector.spans, bool(collector.instruments)) == ([], True)


@pytest.mark.parametrize(("name", "value"), [
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
    ("OTEL_TRACES_EXPORTER", "zipkin")])
def test_what_we_cannot_send_is_said(folder: Folder, collector: Collector, monkeypatch: pytest.MonkeyPatch,
                                     caplog: pytest.LogCaptureFixture, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert folder.cli("run", "users/profile").code == 0
    assert f"{name} is {value}" in caplog.text
    assert "no traces are sent" in caplog.text
    assert collector.spans == []


def test_an_endpoint_that_hangs_keeps_a_run_for_a_short_time_only(
        folder: Folder, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    collector.hanging = True
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.3")
    folder.cli("run", "users/profile")
    began = time.monotonic()
    ended = folder.execute("run", "users/profile", "--json")
    assert time.monotonic() - began < 60
    assert (ended.code, ended.row["unchanged"]) == (0, 3)
    [line] = ended.err.splitlines()
    assert "metrics and traces were not all sent" in line


@pytest.mark.parametrize("status", [None, 400, 503])
def test_an_endpoint_that_refuses_is_one_sentence(folder: Folder, collector: Collector, status: int | None,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.3")
    if status is None:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:sesame@127.0.0.1:9/")
    collector.status = status or 200
    folder.secrets = ("sesame",)
    ended = folder.cli("run", "users/profile", log="json")
    assert ended.code == 0
    messages = [line for line in map(json.loads, ended.err.splitlines()) if line["event"] == "message"]
    assert [(line["logger"], line["level"]) for line in messages] == [("candu_sync.telemetry.process", "warning")]
    assert "not all sent" in messages[0]["message"]


@pytest.mark.parametrize(("name", "value"), [
    ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip-sesame"), ("OTEL_METRIC_EXPORT_INTERVAL", "sesame"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "sesame"), ("OTEL_BSP_SCHEDULE_DELAY", "-1"), ("OTEL_TRACES_SAMPLER", "sesame"),
    ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/sesame.pem"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "sesame")])
def test_a_wrong_variable_never_fails_a_run(folder: Folder, collector: Collector, monkeypatch: pytest.MonkeyPatch,
                                            name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    folder.secrets = ("sesame",)
    ended = folder.cli("run", "users/profile", "--json", log="json")
    assert (ended.code, ended.row["accepted"]) == (0, 3)
    assert all(json.loads(line) for line in ended.err.splitlines())


def test_a_failure_within_does_not_fail_the_run(folder: Folder, monkeypatch: pytest.MonkeyPatch,
                                                     collector: Collector) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("sesame")

    monkeypatch.setattr(Signals, "_start", broken)
    folder.secrets = ("sesame",)
    ended = folder.cli("run", "users/profile", "--json", log="json")
    assert (ended.code, ended.row["accepted"]) == (0, 3)
    assert "OpenTelemetry failed with RuntimeError" in ended.err


def test_without_the_extra_the_run_goes_on_and_says_what_to_install(
        folder: Folder, collector: Collector, monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    ended = folder.cli("run", "users/profile", "--json")
    assert (ended.code, ended.row["accepted"]) == (0, 3)
    assert "pip install 'candu-sync[otel]'" in caplog.text
    assert collector.traces == []


def test_nothing_is_loaded_where_nothing_is_configured(folder: Folder) -> None:
    assert loaded(folder, "run", "users/profile") == "[]"


def test_help_loads_nothing_where_it_is_configured(folder: Folder, collector: Collector) -> None:
    assert loaded(folder, "--help") == "[]"


def loaded(folder: Folder, *words: str) -> str:
    """The modules of OpenTelemetry that a command has loaded at its end."""
    code = (f"import atexit, sys; sys.argv = {['candu-sync', *words]!r}; from candu_sync.cli import main; "
            "atexit.register(lambda: print([m for m in sys.modules if 'opentelemetry' in m], file=sys.stderr)); main()")
    ended = subprocess.run([sys.executable, "-c", code], cwd=folder.folder, env=folder.environment(),
                           capture_output=True, text=True, check=True)
    return ended.stderr.strip().splitlines()[-1]


def test_an_application_s_own_provider_is_used(folder: Folder, collector: Collector) -> None:
    """Also where the environment names an endpoint: the application decides. What it batches is sent at the end."""
    said = subprocess.run([sys.executable, "-c", APPLICATION], cwd=folder.folder, env=folder.environment(),
                          capture_output=True, text=True, check=True)
    assert said.stdout.split() == [*PHASES, "run", "users/profile", "True"]
    assert collector.spans == []
