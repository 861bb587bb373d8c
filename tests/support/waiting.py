"""What a test waits for: it asks again and again, with a bound that the busiest machine keeps."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import TypeVar

import httpx

from candu_sync.simulator import Simulator

# A machine that does nothing else needs a small part of it.
PATIENCE = 60.0

T = TypeVar("T")


def until(found: Callable[[], T], what: str = "it never came to this", seconds: float = PATIENCE) -> T:
    """What ``found`` gives, once that is true."""
    end = time.monotonic() + seconds
    while not (result := found()):
        assert time.monotonic() < end, what
        time.sleep(0.01)
    return result


def delayed(simulator: Simulator) -> int:
    """How many requests a fault of the kind delay has held up, of those that hold until they are cleared."""
    faults = httpx.get(f"{simulator.page}_sim/faults", timeout=PATIENCE, trust_env=False).json()["faults"]
    return sum(fault["fired"] for fault in faults if fault["kind"] == "delay")


def today() -> dt.date:
    """The date in UTC. In the last two minutes of a day it waits: no day ends within a test that asks for it."""
    def early() -> dt.datetime | None:
        now = dt.datetime.now(dt.UTC)
        return None if (now + dt.timedelta(minutes=2)).date() > now.date() else now

    now = until(early, seconds=180)
    assert now is not None
    return now.date()
