"""Progress on stderr: a bar on a terminal, a line every few seconds elsewhere. stdout holds the result alone."""

from __future__ import annotations

import time
from collections.abc import Callable


def lines(say: Callable[[str], None], every: float) -> Progress:
    """A progress that says a line every so many seconds: "read 50,000 rows", "push 300 of 4,999 messages"."""
    last = time.monotonic()

    def show(phase: str, done: int, total: int | None) -> None:
        nonlocal last
        if time.monotonic() - last >= every:
            last = time.monotonic()
            of = "" if total is None else f" of {total:,}"
            say(f"{phase} {done:,}{of} {'rows' if phase == 'read' else 'messages'}")

    return show

# What a caller is told while a run goes on: the phase, how much is done, and of how much (None: not known).
Progress = Callable[[str, int, int | None], None]


def silent(phase: str, done: int, total: int | None) -> None:
    """Nobody listens."""
