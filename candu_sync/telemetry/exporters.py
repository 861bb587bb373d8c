"""Providers of our own, by the standard variables ``OTEL_*``: OTLP over HTTP, and nothing else.

https://opentelemetry.io/docs/specs/otel/protocol/exporter/ names the variables.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import AggregationTemporality
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.trace import TracerProvider

Warn = Callable[[str], None]
Close = Callable[[], object]

_NAME = "OTEL_EXPORTER_OTLP_{0}"
_PROTOCOL = "http/protobuf"

# Seconds that a request to the endpoint may take: as long as the end of a run waits for one that hangs.
_TIMEOUT = 5.0
_LONGEST = 60.0


def wanted() -> bool:
    """Whether the environment names an endpoint, and does not switch OpenTelemetry off."""
    return _value("OTEL_SDK_DISABLED").lower() != "true" and bool(
        _value(_NAME.format("ENDPOINT")) or any(_endpoint(signal) for signal in ("TRACES", "METRICS")))


def request_timeout() -> float:
    """Seconds that a request to the endpoint may take."""
    try:
        seconds = float(_value(_NAME.format("TIMEOUT")) or _TIMEOUT)
    except ValueError:
        seconds = _TIMEOUT
    return min(seconds, _LONGEST) if math.isfinite(seconds) and seconds > 0 else _TIMEOUT


def make_providers(version: str, warn: Warn) -> tuple[TracerProvider, MeterProvider, list[Close]]:
    """The providers, one that does nothing where its signal has no endpoint; and what sends the rest and closes them.

    Raises:
        ImportError: ``candu-sync[otel]`` is not installed.
    """
    resource = _resource(version)
    traces, close_traces = _traces(resource) if _goes("TRACES", warn) else (None, [])
    metrics, close_metrics = _metrics(resource) if _goes("METRICS", warn) else (None, [])
    from opentelemetry.metrics import NoOpMeterProvider
    from opentelemetry.trace import NoOpTracerProvider

    return traces or NoOpTracerProvider(), metrics or NoOpMeterProvider(), [*close_traces, *close_metrics]


def _resource(version: str) -> Resource:
    from opentelemetry.sdk.resources import Resource

    found = Resource.create({"service.version": version})
    named = _value("OTEL_SERVICE_NAME") or "service.name=" in _value("OTEL_RESOURCE_ATTRIBUTES")
    return found if named else found.merge(Resource({"service.name": "candu-sync"}))


def _traces(resource: Resource) -> tuple[TracerProvider, list[Close]]:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # At the end of the process it is too late: the end of the project sends the rest, for a limited time.
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=request_timeout())))
    return provider, [provider.shutdown]


def _metrics(resource: Resource) -> tuple[MeterProvider, list[Close]]:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    exporter = OTLPMetricExporter(timeout=request_timeout(), preferred_temporality=_temporality())
    reader = PeriodicExportingMetricReader(exporter)
    provider = MeterProvider([reader], resource, shutdown_on_exit=False)
    return provider, [provider.shutdown]


def _temporality() -> dict[type, AggregationTemporality] | None:
    """Deltas, unless the environment says something else: each run is a process of its own, and its sums would
    look like those of the run before."""
    if _value(_NAME.format("METRICS_TEMPORALITY_PREFERENCE")):
        return None
    from opentelemetry.sdk.metrics import Counter, Histogram
    from opentelemetry.sdk.metrics.export import AggregationTemporality

    return dict.fromkeys((Counter, Histogram), AggregationTemporality.DELTA)


def _goes(signal: str, warn: Warn) -> bool:
    """Whether a signal has an endpoint that we can send to."""
    if not (_value(_NAME.format("ENDPOINT")) or _endpoint(signal)):
        return False
    exporter = _value(f"OTEL_{signal}_EXPORTER") or "otlp"
    name = next((name for name in (_NAME.format(f"{signal}_PROTOCOL"), _NAME.format("PROTOCOL")) if _value(name)), "")
    if exporter == "none":
        return False
    if exporter != "otlp":
        warn(f"OTEL_{signal}_EXPORTER is {exporter}, and candu-sync has otlp alone: no {signal.lower()} are sent")
        return False
    if name and _value(name) != _PROTOCOL:
        warn(f"{name} is {_value(name)}, and candu-sync speaks {_PROTOCOL} alone (a collector takes it at port 4318): "
             f"no {signal.lower()} are sent")
        return False
    return True


def _endpoint(signal: str) -> str:
    return _value(_NAME.format(f"{signal}_ENDPOINT"))


def _value(name: str) -> str:
    """A variable; one that is empty counts as not set."""
    return os.environ.get(name, "").strip()
