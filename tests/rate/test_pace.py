"""Requests go as fast as the rate says and never faster; slower while Candu says that it is too much."""

from __future__ import annotations

import datetime as dt
import math
import threading
import time

import pytest

from candu_sync.rate import Pace, pace_of_process
from candu_sync.simulator import Simulator
from tests.rate.clock import Clock, Never, install
from tests.support.lab import Lab


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return install(monkeypatch)


def most_in_a_second(times: list[float]) -> int:
    """The most requests in any second."""
    return max(sum(start <= other < start + 1.0 for other in times) for start in times)


def turns(clock: Clock, pace: Pace, seconds: float, workers: int = 4, *, late: float = 0.0) -> list[float]:
    """When workers got their turns. ``late``: seconds that every tenth is held up between its turn and its going."""
    found: list[float] = []
    end = clock.monotonic() + seconds

    def work() -> None:
        stop, turn = Never(clock), 0
        while clock.monotonic() < end and pace.wait(stop):
            if late and turn % 10 == 0:
                clock.sleep(late)
            turn += 1
            assert pace.enter(stop)
            found.append(clock.monotonic())

    clock.run(work, workers)
    return sorted(found)


@pytest.mark.parametrize("rate", [0.9, 1, 10, 100, 2.5])
def test_never_more_than_the_rate_in_any_second_and_little_less_on_average(clock: Clock, rate: float) -> None:
    times = turns(clock, pace_of_process(rate), 20)
    assert most_in_a_second(times) <= math.ceil(rate)
    assert (len(times) - 1) / (times[-1] - times[0]) >= 0.95 * rate


def test_a_worker_that_slept_does_not_make_the_others_catch_up(clock: Clock) -> None:
    pace = pace_of_process(20)
    times = turns(clock, pace, 2, workers=1)
    clock.run(lambda: clock.sleep(0.5), 1)
    times += turns(clock, pace, 2, workers=1)
    assert most_in_a_second(times) <= 20


@pytest.mark.parametrize("late", [0.02, 0.2, 0.9, 3.0])
def test_requests_that_are_held_up_after_their_turn_do_not_bunch(clock: Clock, late: float) -> None:
    assert most_in_a_second(turns(clock, pace_of_process(50), 20, late=late)) <= 50


def test_no_request_arrives_before_its_turn(lab: Lab, simulator: Simulator) -> None:
    """The request log of a second and a half, four workers, one message a request."""
    lab.overrides |= {"rate": 40, "concurrency": 4, "batch_size": 1}
    lab.query("create table rows as select 'u' || i as user_id, i as seats from range(60) t(i)")
    began = dt.datetime.now(dt.UTC)
    assert lab.run(lab.sync("users/model", "select * from rows")).accepted == 60
    times = [dt.datetime.fromisoformat(request["at"]) for request in simulator.requests()]
    # Each may arrive late on a busy machine, and none early.
    assert all((at - began).total_seconds() >= n / 40 - 0.001 for n, at in enumerate(sorted(times)))


def test_no_rate_is_no_wait() -> None:
    class NoWait(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            raise AssertionError(timeout)

    pace = pace_of_process(0)
    assert all(pace.wait(NoWait()) for _ in range(1000))


def test_a_wait_ends_when_the_run_is_stopped() -> None:
    pace, stop = pace_of_process(0.01), threading.Event()
    assert pace.wait(stop)
    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    assert not pace.wait(stop)
    assert time.monotonic() - began < 60


def test_too_many_requests_makes_all_wait_and_then_go_slower_for_a_while(clock: Clock) -> None:
    pace = pace_of_process(0)
    began = clock.monotonic()
    pace.slow_down(30)
    # Without a rate, twice the least distance: 0.1 s.
    times = turns(clock, pace, 32)
    assert times[0] - began == 30
    assert 15 <= len(times) <= 25
    for _ in range(100):
        pace.speed_up()
    began = clock.monotonic()
    stop = Never(clock)
    clock.run(lambda: [pace.wait(stop) for _ in range(100)].clear(), 1)
    assert clock.monotonic() - began <= 0.1
