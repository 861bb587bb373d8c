"""The rules of turns, which are the same by a file and by Redis; and what stands in nobody's way."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
import redis

from candu_sync import pipeline
from candu_sync.errors import SettingsError
from candu_sync.rate import Pace, books, fallback, open_pace
from candu_sync.rate.books import FileBook
from candu_sync.rate.fallback import share_of
from candu_sync.rate.redis_turns import RedisTurns
from candu_sync.rate.turns import SAME_TROUBLE, SLOTS, BookTurns
from candu_sync.routes import CANDU, SEGMENT
from candu_sync.state import State
from candu_sync.target import Target
from tests.rate.arrivals import RedisServer, Sharer, redis_server
from tests.support.lab import Lab
from tests.support.waiting import until


@dataclass(frozen=True)
class Answer:
    """What was answered to somebody who asked for a turn, or to enter. A busy machine may take its time between the
    two.

    Attributes:
        low, high: the moments between which the turn comes.
        asked, answered: when that was known.
    """

    low: float
    high: float
    asked: float
    answered: float

    def comes_after(self, other: Answer, distance: float) -> None:
        """Fail unless it is so many seconds after another: later only if it was asked for later."""
        assert self.high - other.low >= distance - 0.001
        assert self.low - other.high <= max(distance, self.answered - other.asked) + 0.001


def asked(ask: Callable[[], float]) -> Answer:
    before = time.monotonic()
    wait = ask()
    after = time.monotonic()
    return Answer(before + wait, after + wait, before, after)


def test_turns_of_two_processes_alternate(sharer: Sharer) -> None:
    one, other = sharer(2), sharer(2)
    answers = [asked(turns.turn) for turns in (one, other, one, other)]
    for before, after in pairwise(answers):
        after.comes_after(before, 0.5075)


def test_no_more_enter_than_the_rate_says_also_without_turns(sharer: Sharer) -> None:
    one, other = sharer(3), sharer(3)
    first = asked(one.enter)
    assert [turns.enter() for turns in (other, one)] == [0, 0]
    asked(other.enter).comes_after(first, 1.01)


def test_what_the_destination_asks_for_holds_for_all(sharer: Sharer) -> None:
    one, other = sharer(10), sharer(10)
    assert other.turn() == 0
    one.slow_down(3600)
    assert 3000 < other.enter() <= 3600
    assert 3000 < other.turn() <= 3600.3


def test_answers_to_requests_under_way_slow_down_once(sharer: Sharer) -> None:
    """Else four workers that get a 429 at the same moment make the distance 16 times as long."""
    one, other = sharer(1), sharer(1)
    began = time.monotonic()
    for turns in (one, other, one, other):
        turns.slow_down(0)
    if time.monotonic() - began > 0.9 * SAME_TROUBLE:
        pytest.skip("this machine stood still for a second")
    first, second, third = asked(one.turn), asked(other.turn), asked(one.turn)
    second.comes_after(first, 2.03)
    third.comes_after(second, 2.03)
    for _ in range(10):
        one.speed_up()
    before = asked(one.turn)
    asked(other.turn).comes_after(before, 1.015)


def test_a_rate_below_one_and_a_high_one(sharer: Sharer) -> None:
    slow = sharer(0.5)
    first = asked(slow.turn)
    asked(slow.turn).comes_after(first, 2.03)
    fast = sharer(2 * SLOTS)
    assert [fast.enter() for _ in range(20)] == [0] * 20


def test_a_new_boot_or_a_damaged_file_stalls_nobody(tmp_path: Path) -> None:
    """The clock of a machine begins anew with each boot."""
    path = tmp_path / "rate"
    turns = BookTurns(10, 0.05, FileBook(path))
    turns.hold(1e9)
    assert turns.turn() > 1e8
    later = books._HEAD.pack(b"CSRATE1\n", 7, time.monotonic() + 5e6, 1e9, 1e9, 1.0, 0.0, 0, 9)
    for damaged in (later, b"x" * 99, b""):
        path.write_bytes(damaged)
        assert turns.turn() == 0
        assert turns.enter() == 0
    turns.close()


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_the_clock_of_redis_jumps(running_redis: RedisServer, tmp_path: Path, seconds: int) -> None:
    """A jump stalls nobody, and lets no burst through."""
    turns = RedisTurns(2, 0.05, running_redis.url, str(tmp_path), "m")
    first = asked(turns.enter)
    assert turns.enter() == 0
    turns.turn()
    with redis.Redis.from_url(running_redis.url) as client:
        client.hincrby(turns._keys[0], "offset", seconds * 1_000_000)
    then = asked(turns.enter)
    # 0.2 s are added to what this process knows to have passed.
    assert 1.01 - 0.3 - (then.answered - first.asked) <= then.low - then.asked <= 1.01
    assert turns.turn() <= 1.1
    turns.close()


def test_redis_that_was_emptied_lets_no_burst_through(running_redis: RedisServer, tmp_path: Path) -> None:
    turns = RedisTurns(2, 0.05, running_redis.url, str(tmp_path), "m")
    assert [turns.enter(), turns.enter()] == [0, 0]
    with redis.Redis.from_url(running_redis.url) as client:
        client.flushall()
        client.script_flush()
    assert turns.enter() > 0.5
    turns.close()


def test_a_process_that_was_stopped_with_the_lock_blocks_nobody(tmp_path: Path,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "PATIENCE", 0.05)
    monkeypatch.setattr(fallback, "RETRY", 0.1)
    monkeypatch.setattr(fallback, "WINDOW", 0.05)
    said: list[str] = []
    path = tmp_path / "rate"
    pace = open_pace(10, path, url=None, key="k", say=said.append)
    assert pace.wait(threading.Event())
    with open(path, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert pace.wait(threading.Event())
        assert pace.wait(threading.Event())
    until(lambda: pace.wait(threading.Event()) and len(said) > 1)
    assert ["locked by a process that does not go on" in said[0], "again" in said[1], len(said)] == [True, True, 2]
    pace.close()


def test_a_process_that_is_forked_has_a_lock_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "PATIENCE", 60.0)
    book = FileBook(tmp_path / "rate")
    with book:
        pass
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        with book:
            os.write(writes, b"locked")
            time.sleep(0.2)
            os.write(writes, str(time.monotonic()).encode())
        os._exit(0)
    assert os.read(reads, 6) == b"locked"
    with book:
        assert time.monotonic() >= float(os.read(reads, 50))
    os.waitpid(child, 0)
    os.close(reads)
    os.close(writes)
    book.close()


def test_a_share_of_whole_requests() -> None:
    assert [share_of(10, 1), share_of(2.5, 1), share_of(10, 3), share_of(10, 20)] == [10, 2.5, 3, 0.5]


def test_a_wait_for_redis_that_hangs_ends_when_the_run_is_stopped(tmp_path: Path) -> None:
    with redis_server() as server:
        said: list[str] = []
        stop = threading.Event()
        # It is stopped while it waits for Redis.
        pace = open_pace(10, tmp_path / "rate", url=server.url, key="k",
                         say=lambda text: (said.append(text), stop.set()))
        assert pace.wait(stop)
        server.freeze()
        assert not pace.wait(stop)
        server.stop()
        assert not pace.enter(stop)
        pace.close()
    assert len(said) == 1


def test_what_was_known_of_other_machines_is_known_to_the_next_process(running_redis: RedisServer,
                                                                       tmp_path: Path) -> None:
    """Each run is a process of its own: one that begins while Redis is away has its share too."""
    key, said = str(tmp_path), list[str]()
    for n in range(3):
        pace = open_pace(9, tmp_path / f"rate {n}", url=running_redis.url, key=key, say=said.append)
        assert pace.wait(threading.Event())
        pace.close()
    later = open_pace(9, tmp_path / "rate 2", url="redis://:hunter2@127.0.0.1:9/0", key=key, say=said.append)
    _wait_of(later)
    later.close()
    assert len(said) == 1
    assert "cannot be reached (ConnectionError)" in said[0]
    assert "This machine goes on at 3 requests a second, its share among 3" in said[0]
    assert "hunter2" not in said[0]


def test_a_wrong_password_is_said_and_not_shown(running_redis: RedisServer, tmp_path: Path) -> None:
    said: list[str] = []
    url = running_redis.url.replace(running_redis.password, "tr0ub4dor")
    pace = open_pace(10, tmp_path / "rate", url=url, key="k", say=said.append)
    _wait_of(pace)
    pace.close()
    assert len(said) == 1
    assert "refuses the user or the password" in said[0]
    assert "all of CANDU_RATE, as no other machine is known" in said[0]
    assert "tr0ub4dor" not in said[0]


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(SettingsError, match=r"install candu-sync\[redis\]"):
        open_pace(10, tmp_path / "rate", url="redis://host", key="k", say=print)


def test_without_a_url_no_redis_is_loaded(tmp_path: Path) -> None:
    code = ("import sys, pathlib; from candu_sync.rate import open_pace; "
            "open_pace(10, pathlib.Path(sys.argv[1]), url=None, key='k', say=print); assert 'redis' not in sys.modules")
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "rate")], check=True)


def test_a_project_shares_a_rate_for_each_route(lab: Lab) -> None:
    lab.overrides["rate"] = 0.1
    with lab.project() as one, lab.project() as other:
        assert one.destinations.pace(CANDU) is one.destinations.pace(CANDU)
        assert _wait_of(one.destinations.pace(CANDU)) == 0
        assert 0 < _wait_of(other.destinations.pace(CANDU)) <= 10.2
        assert _wait_of(other.destinations.pace(SEGMENT)) == 0
    assert State(lab.overrides["state_url"]).store.list("") == ["format.json"]


def _wait_of(pace: Pace) -> float:
    return pace._turn()[0]


def test_no_rate_is_not_shared(lab: Lab) -> None:
    with lab.project() as project:
        assert _wait_of(project.destinations.pace(CANDU)) == 0
        assert list(Path(lab.overrides["state_url"]).glob(".rate*")) == []


def test_a_run_of_many_partitions_keeps_to_the_rate_too(lab: Lab) -> None:
    """Each partition is a delivery of its own, with one request here."""
    lab.overrides |= {"rate": 10}
    lab.table("nothing", n=[1])
    sync = lab.sync("users/x", "select 'u' || :partition as user_id, 1 as a",
                    "partitions: {static: [a, b, c, d, e]}")
    with lab.project() as project:
        began = time.monotonic()
        for key in "abcde":
            assert pipeline.run(Target(project, sync, key)).accepted == 1
        assert time.monotonic() - began >= 4 * 0.1
