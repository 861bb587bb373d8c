"""Signs of life in the log of a run that takes long."""

from __future__ import annotations

import logging

from candu_sync.progress import Progress, lines

# Every line stays in Dagster's event log.
_LINE_EVERY = 30.0


def log_progress(log: logging.Logger) -> Progress:
    """A progress that writes a line every half minute."""
    return lines(log.info, _LINE_EVERY)
