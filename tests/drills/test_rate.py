"""Four processes keep to ten requests a second for a while: by a file, and by Redis, which hangs and is gone meanwhile.

Strict, and for a quiet machine: no request may arrive a few milliseconds late. ``DRILL_RATE=60`` makes it run, so many
seconds each. What the suite has of this is ``tests/rate``.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.rate.arrivals import RedisServer, Senders, Server, most_in_a_second, per_second, redis_server, serving

SECONDS = float(os.environ.get("DRILL_RATE", "0"))
RATE = 10.0
NAMES = ("a", "b", "c", "d")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not SECONDS, reason="long, and for a quiet machine: DRILL_RATE=60")]


def report(server: Server, began: float, until: float = float("inf")) -> None:
    """The limit holds in every second, over everything; the rate and the shares of a part."""
    shares = server.shares(began).values()
    rate, most = per_second(server.times(began, until)), most_in_a_second(server.times())
    print(f"\n{rate:.2f} a second, {most} in the worst one, shares {sorted(shares)}")  # noqa: T201
    assert most <= RATE
    assert rate >= 0.98 * RATE
    assert max(shares) <= 1.1 * min(shares) + 1


def test_by_a_file(tmp_path: Path) -> None:
    with serving() as server, Senders(server, tmp_path) as senders:
        for name in NAMES:
            senders.start(name, RATE, file=tmp_path / "rate")
        began = server.wait_for(4)
        time.sleep(SECONDS)
        report(server, began)


def test_by_redis(tmp_path: Path) -> None:
    with redis_server() as redis, serving() as server, Senders(server, tmp_path) as senders:
        for name in NAMES:
            senders.start(name, RATE, file=tmp_path / f"rate of {name}", url=redis.url)
        began = server.wait_for(4)
        time.sleep(SECONDS)
        report(server, began)
        for trouble in (freeze, restart):
            trouble(redis)
            time.sleep(3)
        again = time.monotonic()
        time.sleep(SECONDS)
        report(server, began, until=began + SECONDS)
        report(server, again)


def freeze(redis: RedisServer) -> None:
    """It hangs for a while."""
    redis.freeze()
    time.sleep(4)
    redis.thaw()


def restart(redis: RedisServer) -> None:
    """It is gone for a while, and comes back empty."""
    redis.stop()
    time.sleep(4)
    redis.start()
