"""Four processes keep to one rate: runs of the command line; and, by a file and by Redis, for a while.

The latter are nearly strict, and for a quiet machine: no request may arrive much later than others. ``DRILL_RATE=60``
makes them run, so many seconds each. Redis hangs meanwhile, and is gone. What the suite has of this is ``tests/rate``.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from pathlib import Path

import pytest

from candu_sync.simulator import Simulator
from tests.drills.processes import Launcher
from tests.rate.arrivals import RedisServer, Senders, Server, most_in_a_second, per_second, redis_server, serving
from tests.support.lab import Lab

SECONDS = float(os.environ.get("DRILL_RATE", "0"))
RATE = 10.0
NAMES = ("a", "b", "c", "d")

# Seconds by which requests may arrive late, over what the rate allows for.
LATE = 0.03

long = pytest.mark.skipif(not SECONDS, reason="long, and for a quiet machine: DRILL_RATE=60")


def report(server: Server, began: float, until: float = float("inf")) -> None:
    """The limit holds in every second, over everything; the rate and the shares of a part."""
    shares = server.shares(began).values()
    rate, most = per_second(server.times(began, until)), most_in_a_second(server.times())
    print(f"\n{rate:.2f} a second, {most} in the worst one, shares {sorted(shares)}")  # noqa: T201
    assert most_in_a_second(server.times(), LATE) <= RATE
    assert rate >= 0.98 * RATE
    assert max(shares) <= 1.1 * min(shares) + 1


@long
def test_by_a_file(tmp_path: Path) -> None:
    with serving() as server, Senders(server, tmp_path) as senders:
        for name in NAMES:
            senders.start(name, RATE, file=tmp_path / "rate")
        began = server.wait_for(4)
        time.sleep(SECONDS)
        report(server, began)


@long
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


def test_runs_of_the_command_line(lab: Lab, simulator: Simulator) -> None:
    """Each alone would send at the whole rate. One sends all of its partitions, and one two syncs at a time."""
    lab.overrides |= {"rate": 40, "concurrency": 4, "batch_size": 1}
    lab.table("numbers", n=list(range(15)))
    for name in NAMES:
        sql, yaml = "select 'u' || n as user_id, n as seats from numbers", ""
        if name == "d":
            sql, yaml = f"{sql} where n % 3 = :partition::int", "partitions: {static: ['0', '1', '2']}"
        lab.sync(f"users/{name}", sql, yaml)
    launcher = Launcher(lab)
    began = dt.datetime.now(dt.UTC)
    *names, last, but_one = [f"users/{name}" for name in NAMES]
    runs = [[name] for name in names] + [[last, but_one, "--jobs", "2"]]
    for process in [launcher.start("run", *words) for words in runs]:
        assert process.wait() == 0, process.said()
    times = sorted(dt.datetime.fromisoformat(request["at"]) for request in simulator.requests())
    assert len(times) == 60
    # Each may arrive late on a busy machine, and none early.
    assert all((at - began).total_seconds() >= n / 40 - 0.001 for n, at in enumerate(times))
