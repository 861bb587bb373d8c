"""OpenTelemetry: a span for each operation and phase, and metrics, from what the pipeline reports.

Knows neither what rows mean nor HTTP. Without ``candu-sync[otel]``, or where nothing is configured, it loads nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.telemetry.process import Telemetry as Telemetry
    from candu_sync.telemetry.signals import Signals as Signals
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "process": "Telemetry",
        "signals": "Signals",
    })
