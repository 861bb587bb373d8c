"""Faults come when they are due, as often as asked, in the order in which they were asked for."""

from __future__ import annotations

import pytest

from candu_sync.simulator.faults import Faults


def played(faults: Faults, requests: int, user_ids: set[str] | None = None) -> list[str | None]:
    verdicts = [faults.draw(user_ids or set()) for _ in range(requests)]
    return [verdict.fault.described() if verdict.fault else None for verdict in verdicts]


def test_times_and_after_and_then_it_is_gone() -> None:
    faults = Faults()
    faults.add({"kind": "status", "status": 503, "times": 2, "after": 1})
    assert played(faults, 5) == [None, "status 503", "status 503", None, None]
    assert faults.listed() == []


def test_without_times_it_holds_until_cleared() -> None:
    faults = Faults()
    faults.add({"kind": "close", "times": None})
    assert played(faults, 3) == ["close"] * 3
    assert faults.listed() == [{"kind": "close", "times": None, "fired": 3}]
    faults.clear()
    assert played(faults, 1) == [None]


def test_several_play_one_after_the_other() -> None:
    faults = Faults()
    faults.add([{"kind": "status", "status": 503, "times": 2}, {"kind": "lost", "times": 1}])
    assert played(faults, 4) == ["status 503", "status 503", "lost", None]


def test_a_delay_goes_along_with_another_fault() -> None:
    faults = Faults()
    faults.add([{"kind": "delay", "seconds": 0.5, "times": 1}, {"kind": "delay", "seconds": 1, "times": 2},
                {"kind": "success_false", "times": 1}])  # fmt: skip
    first, second, third = (faults.draw(set()) for _ in range(3))
    assert (first.delay, first.fault is not None) == (1.5, True)
    assert (second.delay, second.fault) == (1, None)
    assert (third.delay, third.fault) == (0, None)


def test_a_refused_user_is_refused_every_time_and_others_are_not() -> None:
    faults = Faults()
    faults.add({"kind": "refuse", "user_ids": ["u1"], "status": 422})
    assert played(faults, 1, {"u2", "u3"}) == [None]
    assert played(faults, 2, {"u1", "u2"}) == ["refuse 422"] * 2


def test_a_probability_repeats_with_its_seed() -> None:
    def draw(seed: int) -> list[str | None]:
        faults = Faults()
        faults.add({"kind": "close", "probability": 0.3, "seed": seed})
        return played(faults, 200)

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    assert 30 < draw(1).count("close") < 90


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"kind": "explode"}, "kind"),
        ({"kind": "status"}, "needs a status"),
        ({"kind": "status", "status": 99}, "status"),
        ({"kind": "status", "status": 503, "retry_after": "1\r\nx: y"}, "retry_after"),
        ({"kind": "delay"}, "needs seconds"),
        ({"kind": "refuse"}, "needs user_ids"),
        ({"kind": "refuse", "user_ids": ["u1"], "times": 2}, "until it is cleared"),
        ({"kind": "close", "seconds": 1}, "seconds does not belong"),
        ({"kind": "close", "tims": 1}, "tims"),
        ({"kind": "close", "times": 0}, "times"),
        ({"kind": "close", "times": 1, "probability": 0.5}, "not both"),
        ("close", "valid dictionary"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_and_nothing_is_added(wanted: object, said: str) -> None:
    faults = Faults()
    with pytest.raises(ValueError, match=said):
        faults.add([{"kind": "close"}, wanted])
    assert faults.listed() == []


def test_a_fault_of_large_requests_leaves_the_others_alone() -> None:
    faults = Faults()
    faults.add({"kind": "status", "status": 413, "more_than": 200, "after": 1})
    assert [faults.draw(set(), messages).fault is not None for messages in (300, 200, 1, 201, 200)] == [
        False, False, False, True, False]
