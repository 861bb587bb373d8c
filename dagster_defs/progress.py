"""Signs of life in the log of a run that takes long."""

from __future__ import annotations

import logging
import time

from candu_sync.project import Progress

# Every line stays in Dagster's event log.
_LINE_EVERY = 30.0


def log_progress(log: logging.Logger) -> Progress:
    """A progress that writes a line every half minute."""
    last = time.monotonic()

    def show(phase: str, done: int, total: int | None) -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_EVERY:
            last = time.monotonic()
            of = "" if total is None else f" of {total:,}"
            log.info(f"{phase} {done:,}{of} {'rows' if phase == 'read' else 'messages'}")

    return show
