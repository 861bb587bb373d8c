"""What the engine reports during a run, in the log of that run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from candu_sync.progress import Progress, lines

# Every line stays in Dagster's event log.
_LINE_EVERY = 30.0


def log_progress(log: logging.Logger) -> Progress:
    """A progress that writes a line every half minute."""
    return lines(log.info, _LINE_EVERY)


@contextmanager
def warnings_in(log: logging.Logger) -> Iterator[None]:
    """While the block runs, the engine's warnings are written to this log: a long pause that Candu asked for, damaged
    receipts."""
    handler = _Into(log)
    engine = logging.getLogger("candu_sync")
    engine.addHandler(handler)
    try:
        yield
    finally:
        engine.removeHandler(handler)


class _Into(logging.Handler):
    def __init__(self, log: logging.Logger) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.log(record.levelno, record.getMessage())
