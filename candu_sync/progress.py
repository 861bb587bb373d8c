"""Progress of a run: what a caller gets while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable

from candu_sync.naming import counted

Progress = Callable[[str, int, int | None], None]
"""Called with the phase ("read" or "push"), how much is done, and of how much (None: not known)."""


def silent(phase: str, done: int, total: int | None) -> None:
    """Progress that nobody looks at."""


def lines(say: Callable[[str], None], every: float) -> Progress:
    """Progress as a line every ``every`` seconds: "read 50,000 rows", "push 300 of 4,999 messages"."""
    last = time.monotonic()

    def show(phase: str, done: int, total: int | None) -> None:
        nonlocal last
        if time.monotonic() - last >= every:
            last = time.monotonic()
            thing = "row" if phase == "read" else "message"
            say(f"{phase} {counted(done, thing)}" if total is None else f"{phase} {done:,} of {counted(total, thing)}")

    return show
