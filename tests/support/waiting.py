"""What a test waits for: it asks again and again, with a bound that the busiest machine keeps."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import httpx
import pytest

from candu_sync.simulator import Simulator
from candu_sync.simulator.endpoint import Endpoint

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
    faults = httpx.get(f"{simulator.page}_sim/faults", timeout=PATIENCE, trust_env=False, verify=False).json()["faults"]
    return sum(fault["fired"] for fault in faults if fault["kind"] == "delay")


@contextmanager
def held_back(simulator: Simulator, after: int = 0) -> Iterator[None]:
    """No request gets an answer until the block ends, but for the first few. Then Candu takes all of them."""
    opened = threading.Event()
    stops_within = Endpoint._stops_within

    async def waits(endpoint: Endpoint, seconds: float) -> bool:
        while not opened.is_set():
            if await stops_within(endpoint, 0.02):
                return True
        return False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Endpoint, "_stops_within", waits)
        simulator.fault("delay", seconds=3600, after=after)
        try:
            yield
        finally:
            count, before = delayed(simulator), len(simulator.requests())
            simulator.clear_faults()
            opened.set()
            until(lambda: len(simulator.requests()) >= before + count)


def today() -> dt.date:
    """The date in UTC. In the last two minutes of a day it waits: no day ends within a test that asks for it."""
    def early() -> dt.datetime | None:
        now = dt.datetime.now(dt.UTC)
        return None if (now + dt.timedelta(minutes=2)).date() > now.date() else now

    now = until(early, seconds=180)
    assert now is not None
    return now.date()
