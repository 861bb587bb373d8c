"""Several processes keep to one rate: real processes, a real server, a real Redis."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from candu_sync.rate.books import FileBook
from tests.rate.arrivals import RedisServer, Senders, Server, redis_server, serving
from tests.support.waiting import until

RATE = 80.0
NAMES = ("a", "b", "c", "d")


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


def test_processes_of_a_machine_share_the_rate_and_one_that_is_killed_takes_nothing_with_it(
        server: Server, senders: Senders, tmp_path: Path) -> None:
    """At last a ``Retry-After`` holds for all."""
    for name in NAMES:
        senders.start(name, RATE, file=tmp_path / "rate")
    server.until_each_sent(NAMES, 20)
    senders.kill("a")
    server.until_each_sent(NAMES[1:], 20)

    book = FileBook(tmp_path / "rate")

    def held() -> float:
        with book as page:
            return page.held

    server.too_many = 1.0
    until(held)
    began, end = time.monotonic(), held()
    server.until_each_sent(NAMES[1:], 20)
    book.close()
    assert server.entered_within(began, end) == 0
    assert server.most_entered() <= RATE


def test_machines_share_the_rate_by_redis_and_keep_to_their_shares_while_it_hangs(
        server: Server, senders: Senders, own_redis: RedisServer, tmp_path: Path) -> None:
    def all_say(sentence: str) -> None:
        until(lambda: all(sentence in "".join(senders.said(name)[-1:]) for name in NAMES), sentence)

    for name in NAMES:
        senders.start(name, RATE, file=tmp_path / f"rate of {name}", url=own_redis.url)
    server.until_each_sent(NAMES, 20)
    own_redis.freeze()
    all_say("Redis does not answer. This machine goes on at 20 requests a second, its share among 4")
    server.until_each_sent(NAMES, 20)
    own_redis.thaw()
    all_say("shared with other machines again")
    server.until_each_sent(NAMES, 10)
    assert server.most_entered() <= RATE
    assert all(own_redis.password not in line for name in NAMES for line in senders.said(name))
