"""Events of operations → spans and metrics, by OpenTelemetry's interface. Names and units are in docs/metrics.md.

An attribute is the name of a sync, a kind, a run's id, a phase, a status, the class of an error, or a part of a
partition's key that the sync's files declare. A key that the warehouse gave (``dynamic``) may be personal data, and is
none.
"""

from __future__ import annotations

from contextvars import Token

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span, StatusCode, TracerProvider, set_span_in_context

from candu_sync.progress import Began, Counted, Ended, Event, Operation, PhaseBegan, PhaseEnded

Attributes = dict[str, str]

_SCOPE = "candu_sync"

# Rows and messages that a phase counts, by what became of them.
_ROWS = ("added", "changed", "removed", "unchanged", "invalid")
_MESSAGES = ("accepted", "refused")

# What is left over after a run.
_LEFT = ("invalid", "refused", "waiting")

# Seconds: a run with nothing to do takes less than one, a first run by a small rate takes hours.
_BUCKETS = (0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 14400)


class Signals:
    """A listener that makes spans and metrics.

    Args:
        traces, metrics: where they go.
        version: of candu-sync.
    """

    def __init__(self, traces: TracerProvider, metrics: MeterProvider, version: str) -> None:
        self._tracer = traces.get_tracer(_SCOPE, version)
        self._metrics = _Metrics(metrics, version)
        # The spans that are open, and what was the current context before.
        self._open: dict[tuple[Operation, str | None], tuple[Span, Token[Context]]] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case Began(operation=about):
                self._start(about, None, f"{about.verb} {about.sync}")
            case PhaseBegan(operation=about, phase=phase):
                self._start(about, phase, phase)
            case Counted():
                pass
            case PhaseEnded(operation=about, phase=phase):
                numbers: dict[str, int | float] = {f"candu_sync.{name}": value for name, value in event.counts.items()}
                self._end(about, phase, numbers, event.error, failed=event.error is not None)
                self._metrics.phase(event)
            case Ended(operation=about):
                numbers = {f"candu_sync.{name}": value for name, value in event.counts.items()}
                times = {"candu_sync.schedule.lag": event.lag, "candu_sync.state.age": event.age}
                numbers |= {name: value for name, value in times.items() if value is not None}
                self._end(about, None, numbers, event.error, status=event.status, failed=event.status == "failed")
                self._metrics.end(event)

    def _start(self, about: Operation, phase: str | None, name: str) -> None:
        attributes = _attributes(about) | {"candu_sync.run.id": about.run_id}
        if declared := "|".join(part for part in (about.window, about.segment) if part is not None):
            attributes["candu_sync.partition"] = declared
        if phase is not None:
            attributes["candu_sync.phase"] = phase
        span = self._tracer.start_span(name, attributes=attributes)
        # Spans of other libraries, such as a database's driver, become children of the phase.
        self._open[about, phase] = span, context.attach(set_span_in_context(span))

    def _end(self, about: Operation, phase: str | None, numbers: dict[str, int | float], error: str | None, *,
             failed: bool, status: str | None = None) -> None:
        span, token = self._open.pop((about, phase))
        context.detach(token)
        span.set_attributes(numbers)
        if status is not None:
            span.set_attribute("candu_sync.status", status)
        if error is not None:
            span.set_attribute("error.type", error)
        if failed:
            # Without a description: the text of an error may quote the warehouse.
            span.set_status(StatusCode.ERROR)
        span.end()


class _Metrics:
    def __init__(self, provider: MeterProvider, version: str) -> None:
        meter = provider.get_meter(_SCOPE, version)
        self._operations = meter.create_histogram(
            "candu_sync.operation.duration", "s", "How long plans, pushes and runs took.",
            explicit_bucket_boundaries_advisory=_BUCKETS)
        self._phases = meter.create_histogram("candu_sync.phase.duration", "s", "How long each phase took.",
                                              explicit_bucket_boundaries_advisory=_BUCKETS)
        self._rows = meter.create_counter("candu_sync.rows", "{row}", "Rows that were compared, by what was found.")
        self._messages = meter.create_counter("candu_sync.messages", "{message}",
                                              "Messages that were settled, by what Candu answered.")
        self._requests = meter.create_counter("candu_sync.requests", "{request}", "Requests to Candu.")
        self._retries = meter.create_counter("candu_sync.retries", "{request}", "Requests that repeated another one.")
        self._sent = meter.create_counter("candu_sync.sent", "By", "Bytes of the bodies of requests.")
        self._rate = meter.create_gauge("candu_sync.rate", "{message}/s", "Messages that the last push settled, a "
                                        "second.")
        self._result = meter.create_gauge("candu_sync.result", "{row}", "Rows of the last result.")
        self._left = meter.create_gauge("candu_sync.left", "{row}", "Rows and messages that did not go with the last "
                                        "run, by why.")
        self._lag = meter.create_gauge("candu_sync.schedule.lag", "s", "From the first tick of the cron line that no "
                                       "good run had answered, to the end of the run.")
        self._age = meter.create_gauge("candu_sync.state.age", "s", "Since a run last ended well.")

    def phase(self, event: PhaseEnded) -> None:
        about, counts = _series(event.operation), event.counts
        self._phases.record(event.seconds, about | {"candu_sync.phase": event.phase} | _error(event.error))
        if event.phase == "diff":
            for name in _ROWS:
                self._rows.add(counts.get(name, 0), about | {"candu_sync.outcome": name})
        if event.phase == "push":
            for name in _MESSAGES:
                self._messages.add(counts[name], about | {"candu_sync.outcome": name})
            self._requests.add(counts["requests"], about)
            self._retries.add(counts["retries"], about)
            self._sent.add(counts["bytes"], about)
            self._rate.set(sum(counts[name] for name in _MESSAGES) / max(event.seconds, 1e-6), about)

    def end(self, event: Ended) -> None:
        about = _series(event.operation)
        self._operations.record(event.seconds, about | {"candu_sync.status": event.status} | _error(event.error))
        if event.operation.verb == "plan" or event.operation.dynamic:
            # A plan leaves all as it is. Of many keys without an attribute, the last one would stand for all.
            return
        if event.counts:
            self._result.set(event.counts["rows"], about)
            for name in _LEFT:
                self._left.set(event.counts[name], about | {"candu_sync.outcome": name})
        if event.lag is not None:
            self._lag.set(event.lag, about)
        if event.age is not None:
            self._age.set(event.age, about)


def _attributes(about: Operation) -> Attributes:
    return {"candu_sync.operation": about.verb, "candu_sync.sync": about.sync, "candu_sync.kind": about.kind}


def _series(about: Operation) -> Attributes:
    """The attributes of metrics. A run's id and a window would make a series of each run."""
    segment = {} if about.segment is None else {"candu_sync.partition": about.segment}
    return _attributes(about) | segment


def _error(error: str | None) -> Attributes:
    return {} if error is None else {"error.type": error}
