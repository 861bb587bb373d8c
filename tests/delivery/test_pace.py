"""Requests go as fast as the rate says and never faster; slower while Candu says that it is too much."""

from __future__ import annotations

import datetime as dt
import threading
import time

import pytest

from candu_sync.delivery.pace import Pace
from candu_sync.simulator import Simulator
from tests.support.lab import Lab

# Seconds that a clock may be off by: one that is read after the fact, and one at the other end of a connection.
HERE, THERE = 0.03, 0.3


def most_in_a_second(times: list[float], off: float = HERE) -> int:
    """The most requests in any second, less what the clock may be off by."""
    return max(sum(start <= other < start + 1.0 - off for other in times) for start in times)


def turns(pace: Pace, seconds: float, workers: int = 4) -> list[float]:
    """When workers that do nothing but wait got their turns."""
    found: list[float] = []
    end = time.monotonic() + seconds

    def work() -> None:
        stop = threading.Event()
        while time.monotonic() < end and pace.wait(stop) and pace.enter(stop):
            found.append(time.monotonic())

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(found)


@pytest.mark.parametrize("rate", [10, 100])
def test_never_more_than_the_rate_in_any_second_and_little_less_on_average(rate: int) -> None:
    times = turns(Pace(rate), 2)
    assert most_in_a_second(times) <= rate
    assert (len(times) - 1) / (times[-1] - times[0]) >= 0.8 * rate


def test_a_worker_that_slept_does_not_make_the_others_catch_up() -> None:
    pace = Pace(20)
    stop = threading.Event()
    times: list[float] = []
    for turn in range(40):
        assert pace.wait(stop)
        assert pace.enter(stop)
        times.append(time.monotonic())
        if turn == 10:
            time.sleep(0.5)
    assert most_in_a_second(times) <= 20


def test_requests_that_are_held_up_after_their_turn_do_not_bunch() -> None:
    """Of every ten one waits a fifth of a second between its turn and its going."""
    pace, stop = Pace(50), threading.Event()
    times: list[float] = []
    lock = threading.Lock()

    def work() -> None:
        for turn in range(30):
            pace.wait(stop)
            if turn % 10 == 0:
                time.sleep(0.2)
            pace.enter(stop)
            with lock:
                times.append(time.monotonic())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most_in_a_second(sorted(times)) <= 50


def test_by_candus_clock_too(lab: Lab, simulator: Simulator) -> None:
    """The request log of three seconds, four workers, one message a request."""
    lab.overrides |= {"rate": 20, "concurrency": 4, "batch_size": 1}
    lab.query("create table rows as select 'u' || i as user_id, i as seats from range(60) t(i)")
    assert lab.run(lab.sync("users/model", "select * from rows")).accepted == 60
    times = [dt.datetime.fromisoformat(request["at"]).timestamp() for request in simulator.requests()]
    assert most_in_a_second(times, THERE) <= 20
    assert 59 / (times[-1] - times[0]) >= 0.8 * 20


def test_a_rate_below_one_a_second() -> None:
    times = turns(Pace(0.9), 0.1, workers=2)
    assert times[1] - times[0] >= 1.1 - HERE


def test_no_rate_is_no_wait() -> None:
    began = time.monotonic()
    pace = Pace(0)
    assert all(pace.wait(threading.Event()) for _ in range(1000))
    assert time.monotonic() - began < 0.5


def test_a_wait_ends_when_the_run_is_stopped() -> None:
    pace, stop = Pace(0.01), threading.Event()
    assert pace.wait(stop)
    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    assert not pace.wait(stop)
    assert time.monotonic() - began < 5


def test_too_many_requests_makes_all_wait_and_then_go_slower_for_a_while() -> None:
    pace = Pace(0)
    began = time.monotonic()
    pace.slow_down(0.3)
    times = turns(pace, 0.6)
    assert times[0] - began >= 0.3
    assert len(times) <= 10
    for _ in range(100):
        pace.speed_up()
    pace.wait(threading.Event())
    began = time.monotonic()
    assert all(pace.wait(threading.Event()) for _ in range(100))
    assert time.monotonic() - began < 0.5
