"""An OTLP endpoint on this machine: it takes what is posted to ``/v1/traces`` and ``/v1/metrics``, and keeps it."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Collector:
    """What came in, and where it listens.

    Attributes:
        status: with which it answers.
        hanging: it does not answer until ``free`` is set.
    """

    url: str = ""
    status: int = 200
    hanging: bool = False
    free: threading.Event = field(default_factory=threading.Event)
    traces: list[Any] = field(default_factory=list)
    metrics: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        body = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
        into, message = ((self.traces, ExportTraceServiceRequest()) if path == "/v1/traces" else
                         (self.metrics, ExportMetricsServiceRequest()))
        message.ParseFromString(body)
        into.append(message)
        self.headers.append(headers)

    @property
    def spans(self) -> list[str]:
        """The names of all spans."""
        return [span.name for request in self.traces for resource in request.resource_spans
                for scope in resource.scope_spans for span in scope.spans]

    @property
    def instruments(self) -> dict[str, Any]:
        """All metrics by name."""
        return {metric.name: metric for request in self.metrics for resource in request.resource_metrics
                for scope in resource.scope_metrics for metric in scope.metrics}

    @property
    def resource(self) -> dict[str, str]:
        """The attributes of the process, by its traces."""
        return {attribute.key: attribute.value.string_value
                for attribute in self.traces[0].resource_spans[0].resource.attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if collector.hanging:
                collector.free.wait(300)
                return
            collector.take(self.path, dict(self.headers), body)
            self.send_response(collector.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        collector.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield collector
        finally:
            collector.free.set()
            server.shutdown()
