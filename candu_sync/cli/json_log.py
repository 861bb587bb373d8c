"""``CANDU_LOG=json``: what goes to stderr is JSON, one object a line, for programs that collect logs.

Each object has ``time`` (UTC), ``level`` and ``event``; what belongs to a sync has ``verb``, ``run_id``, ``sync``,
``kind`` and ``partition``. No object has a value of a row (docs/metrics.md).
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from candu_sync.progress import Began, Counted, Ended, Event, PhaseBegan, PhaseEnded, Progress

# Seconds are written to the millisecond.
_DIGITS = 3

_LEVELS = {"failed": "error", "guarded": "warning"}

# What of an operation is in each of its objects.
_ABOUT = ("verb", "run_id", "sync", "kind", "partition")

# The logger whose messages are ours. The messages of other libraries may quote what they were given.
_OURS = "candu_sync"


def write(event: str, *, level: str = "info", **fields: Any) -> None:
    """Write one object. The command goes on if nobody reads stderr any more."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    # ASCII alone: a character that stderr's encoding lacks would be written in a way that is no JSON.
    line = json.dumps({"time": now, "level": level, "event": event, **fields}).replace("\x7f", "\\u007f")
    with suppress(OSError, ValueError, AttributeError):
        # In one piece: other threads write too.
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def json_events(every: float) -> Progress:
    """A listener that writes each event; progress within a phase every ``every`` seconds."""
    last = time.monotonic()

    def show(event: Event) -> None:
        nonlocal last
        about = {name: getattr(event.operation, name) for name in _ABOUT}
        match event:
            case Began():
                write("began", **about)
            case PhaseBegan(phase=phase):
                write("phase_began", **about, phase=phase)
            case Counted(phase=phase, done=done, total=total) if time.monotonic() - last >= every:
                last = time.monotonic()
                write("progress", **about, phase=phase, done=done, total=total)
            case PhaseEnded():
                write("phase_ended", level="error" if event.error else "info", **about, phase=event.phase,
                      **event.counts, seconds=_rounded(event.seconds), error=event.error)
            case Ended():
                _write_end(event, about)

    return show


def _write_end(event: Ended, about: Mapping[str, Any]) -> None:
    write("ended", level=_LEVELS.get(event.status, "info"), **about, status=event.status, **event.counts,
          seconds=_rounded(event.seconds), error=event.error, lag=_rounded(event.lag), age=_rounded(event.age))


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, _DIGITS)


@contextmanager
def log_messages() -> Iterator[None]:
    """While the block runs, warnings of all libraries are objects too."""
    handler, root = _Handler(logging.WARNING), logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        ours = record.name.partition(".")[0] == _OURS
        text = record.getMessage() if ours else "a message of another library, which may quote values: CANDU_LOG=text"
        write("message", level=record.levelname.lower(), logger=record.name, message=text)
