"""Several processes keep to one rate: real processes, a real server, a real Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rate.arrivals import RedisServer, Senders, Server, most_in_a_second, per_second, redis_server, serving

RATE = 80.0

# Seconds by which a busy machine may delay a process between its turn and its request. The drill has none.
LATE = 0.1

NAMES = ("a", "b", "c", "d")


def at_the_rate(times: list[float]) -> bool:
    """Whether requests went at about the rate. A busy machine may be slower, and is never faster."""
    return 0.5 * RATE <= per_second(times) <= 1.07 * RATE


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


@pytest.fixture
def senders(server: Server, tmp_path: Path) -> Iterator[Senders]:
    with Senders(server, tmp_path) as found:
        yield found


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis that the test may stop."""
    with redis_server() as found:
        yield found


def until(condition: Callable[[], bool], seconds: float = 20.0) -> float:
    """Wait for something; the time then."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
    return time.monotonic()


def test_processes_of_a_machine_share_the_rate_and_one_that_is_killed_takes_nothing_with_it(
        server: Server, senders: Senders, tmp_path: Path) -> None:
    """One has twice the workers of the others, and no more turns. At last a ``Retry-After`` holds for all."""
    for name in NAMES:
        senders.start(name, RATE, file=tmp_path / "rate", workers=8 if name == "a" else 4)
    began = server.wait_for(4)
    time.sleep(1.5)
    shares = server.shares(began)
    senders.kill("a")
    killed = time.monotonic()
    time.sleep(1.0)
    server.too_many = 1.0
    asked = until(lambda: server.too_many is None)
    time.sleep(0.95)
    # Those that had entered by then were under way.
    assert server.times(asked + 0.5) == []
    assert most_in_a_second(server.left(), LATE) <= RATE
    assert at_the_rate(server.times(began, killed))
    assert at_the_rate(server.times(killed + 0.3, asked))
    assert min(shares.values()) >= 0.4 * RATE * 1.5 / 4
    assert max(shares.values()) <= 1.6 * RATE * 1.5 / 4


def test_machines_share_the_rate_by_redis_and_keep_to_their_shares_while_it_hangs(
        server: Server, senders: Senders, own_redis: RedisServer, tmp_path: Path) -> None:
    for name in NAMES:
        senders.start(name, RATE, file=tmp_path / f"rate of {name}", url=own_redis.url)
    began = server.wait_for(4)
    time.sleep(1.0)
    shares = server.shares(began)
    assert at_the_rate(server.times(began))
    assert min(shares.values()) >= 0.4 * RATE * 1.0 / 4
    own_redis.freeze()
    until(lambda: all(senders.said(name) for name in NAMES))
    alone = time.monotonic() + 1.2
    time.sleep(1.6)
    # Whole requests a second for each: 20.
    assert at_the_rate(server.times(alone))
    own_redis.thaw()
    until(lambda: all(len(senders.said(name)) == 2 for name in NAMES))
    assert most_in_a_second(server.left(), LATE) <= RATE
    for name in NAMES:
        away, back = senders.said(name)
        assert "Redis does not answer. This machine goes on at 20 requests a second, its share among 4" in away
        assert "shared with other machines again" in back
        assert own_redis.password not in away + back

