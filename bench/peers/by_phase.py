"""``candu-sync`` with the seconds of processor of each phase: ``python -P by_phase.py FILE.json WORDS …``.

It works with both builds that are measured, each by its own Python: only the name of what times the phases differs. The
sum of each phase, of all threads of the process, is written to the file.
"""

from __future__ import annotations

import atexit
import importlib
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# The class whose method ``phase`` is a context manager around each phase: of this build, and of the earlier one.
_TIMERS = (("candu_sync.progress", "Reporter"), ("candu_sync.seconds", "Seconds"))


def watch(cpu: dict[str, float]) -> None:
    """Add up the seconds of processor by phase in ``cpu``."""
    timer = next(timer for timer in map(_timer, _TIMERS) if timer is not None)
    timed = timer.phase

    @contextmanager
    def phase(self: Any, name: str) -> Iterator[Any]:
        began = time.process_time()
        try:
            with timed(self, name) as found:
                yield found
        finally:
            cpu[name] = cpu.get(name, 0.0) + time.process_time() - began

    timer.phase = phase


def _timer(name: tuple[str, str]) -> Any:
    module, type_ = name
    try:
        return getattr(importlib.import_module(module), type_, None)
    except ModuleNotFoundError:
        return None


if __name__ == "__main__":
    _, written, *sys.argv[1:] = sys.argv
    found: dict[str, float] = {}
    atexit.register(lambda: Path(written).write_text(json.dumps(found)))
    watch(found)
    importlib.import_module("candu_sync.cli").main()
