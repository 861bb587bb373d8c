"""Where the spans and metrics of this process go: to the application's own providers, or to ours by ``OTEL_*``."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from candu_sync.progress import Event, Progress, silent
from candu_sync.telemetry.exporters import Close, make_providers, request_timeout, wanted

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

_log = logging.getLogger(__name__)

# Seconds for what is not a request, at the end.
_GRACE = 1.0


class Telemetry:
    """A listener that is made ready at the first event. ``close`` sends the rest.

    An application that has configured a provider has it used. Otherwise ``OTEL_EXPORTER_OTLP_ENDPOINT``, or that of a
    signal, gives the process providers of our own, which nobody else sees. Otherwise nothing is loaded.
    """

    def __init__(self) -> None:
        self._listener: Progress | None = None
        self._lock = threading.Lock()
        self._closers: Sequence[Close] = ()
        self._failures = _Failures()

    def __call__(self, event: Event) -> None:
        """Pass an event on. Whatever goes wrong with it is no trouble of the run."""
        try:
            with self._lock:
                listener = self._listener = self._listener or self._made()
            listener(event)
        except Exception as error:
            self._listener = silent
            # Its text may quote a variable, which may be a secret.
            _log.warning("no more metrics and traces are sent: OpenTelemetry failed with %s; look at the variables "
                         "OTEL_*. The runs are not affected", type(error).__name__)

    @property
    def to_flush(self) -> bool:
        """Whether ``close`` has something to send."""
        return bool(self._closers)

    def close(self) -> None:
        """Send what was not sent yet. It takes a limited time, also where the endpoint does not answer."""
        if self._closers and not _closed(self._closers, request_timeout() + _GRACE):
            _log.warning("metrics and traces were not all sent: the endpoint of OTEL_EXPORTER_OTLP_ENDPOINT did not "
                         "answer in time. The runs are not affected")
        elif self._failures.seen:
            _log.warning("metrics and traces were not all sent: the endpoint of OTEL_EXPORTER_OTLP_ENDPOINT does not "
                         "answer, or refuses them. The runs are not affected")
        self._closers = ()
        self._failures.remove()
        self._listener = None

    def _made(self) -> Progress:
        if (own := _own_providers()) is not None:
            traces, metrics = own
            self._closers = [provider.force_flush for provider in own if hasattr(provider, "force_flush")]
        elif wanted():
            self._failures.add()
            try:
                traces, metrics, self._closers = make_providers(_version(), _log.warning)
            except ImportError:
                _log.warning("OTEL_EXPORTER_OTLP_ENDPOINT is set, and no metrics or traces are sent: "
                             "pip install 'candu-sync[otel]'")
                return silent
        else:
            return silent
        from candu_sync.telemetry.signals import Signals

        return Signals(traces, metrics, _version())


def _own_providers() -> tuple[TracerProvider, MeterProvider] | None:
    """The application's providers; None: it has configured none. Nothing is imported for it: an application that has
    one has loaded the module."""
    trace, metrics = (sys.modules.get(f"opentelemetry.{name}") for name in ("trace", "metrics"))
    found: tuple[Any, ...] = (trace.get_tracer_provider() if trace else None,
                              metrics.get_meter_provider() if metrics else None)
    # Until one is configured, each is a proxy.
    if not any(provider is not None and "Proxy" not in type(provider).__name__ for provider in found):
        return None
    from opentelemetry.metrics import get_meter_provider
    from opentelemetry.trace import get_tracer_provider

    return get_tracer_provider(), get_meter_provider()


def _version() -> str:
    from importlib.metadata import version

    return version("candu-sync")


def _closed(closers: Sequence[Close], seconds: float) -> bool:
    """Call all, each in a thread of its own, for a limited time; False where one did not come to its end."""
    threads = [threading.Thread(target=close, name="candu-sync telemetry", daemon=True) for close in closers]
    for thread in threads:
        thread.start()
    until = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)


class _Failures(logging.Handler):
    """Notes that OpenTelemetry logged a failure, in place of its text: that is a traceback with the endpoint's URL,
    which may hold a secret."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.seen = False
        self._logger = logging.getLogger("opentelemetry")

    def emit(self, record: logging.LogRecord) -> None:
        self.seen = True

    def add(self) -> None:
        """Listen, alone."""
        self._logger.addHandler(self)
        self._logger.propagate = False

    def remove(self) -> None:
        """Listen no more."""
        if self in self._logger.handlers:
            self._logger.removeHandler(self)
            self._logger.propagate = True
