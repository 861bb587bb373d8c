"""What Candu does not publish can go either way, and each way shows in what the simulator holds."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from candu_sync.simulator import Simulator
from tests.simulator.messages import Send, identify, track

OLD = "2020-01-02T03:04:05Z"


@pytest.fixture
def sim(simulator: Simulator) -> Simulator:
    """The one of the session: here it only has to hold nothing yet."""
    return simulator


def test_more_messages_than_are_assumed_are_refused(sim: Simulator, send: Send) -> None:
    many = [identify(f"u{n}") for n in range(150)]
    assert send(*many).status_code == 413
    sim.assume(most_messages=150)
    assert send(*many).status_code == 200
    sim.assume(most_messages=149, too_many=400)
    assert send(*many).status_code == 400
    assert len(sim.users()) == 150


def test_only_the_first_of_a_request_may_be_stored(sim: Simulator, send: Send) -> None:
    sim.assume(most_stored=2)
    assert send(*(identify(f"u{n}") for n in range(5))).status_code == 200
    assert sorted(sim.users()) == ["u0", "u1"]


@pytest.mark.parametrize(("nulls", "status", "traits"), [
    ("kept", 200, {"plan": None, "seats": 2}), ("removed", 200, {"seats": 2}),
    ("ignored", 200, {"plan": "a", "seats": 2}), ("refused", 400, {"plan": "a", "seats": 1})])
def test_a_null(sim: Simulator, send: Send, nulls: str, status: int, traits: dict[str, object]) -> None:
    sim.assume(nulls=nulls)
    send(identify("u1", plan="a", seats=1))
    assert send(identify("u1", plan=None, seats=2)).status_code == status
    assert sim.users() == {"u1": traits}


@pytest.mark.parametrize(("message_ids", "status", "events"),
                         [("stored", 200, 4), ("once", 200, 2), ("refused", 400, 0)])
def test_a_repeated_message_id(sim: Simulator, send: Send, message_ids: str, status: int, events: int) -> None:
    sim.assume(message_ids=message_ids)
    repeated = track("u1", "Upgraded", "m1")
    for messages in ([repeated, repeated], [repeated, track("u1", "Upgraded", "m2")]):
        assert send(*messages).status_code == status
    assert len(sim.events()) == events


@pytest.mark.parametrize(("past_events", "kept"), [("kept", True), ("now", False)])
def test_an_event_of_the_past(sim: Simulator, send: Send, past_events: str, kept: bool) -> None:
    sim.assume(past_events=past_events)
    send(track("u1", "Upgraded", "m1") | {"timestamp": OLD})
    [event] = sim.events()
    assert (event["timestamp"] == OLD) is kept
    assert kept or event["timestamp"][:16] == event["at"][:16]


@pytest.mark.parametrize("changes", [{"not_stored": ["identify"]},
                                     {"signed_identities": True, "rest_is_exempt": False}])
def test_an_identify_may_be_answered_200_and_not_stored(sim: Simulator, send: Send, changes: dict[str, Any]) -> None:
    sim.assume(**changes)
    assert send(identify("u1")).status_code == 200
    assert sim.users() == {}
    sim.assume(not_stored=[], rest_is_exempt=True)
    send(identify("u1"))
    assert list(sim.users()) == ["u1"]


def test_over_http(sim: Simulator, http: httpx.Client) -> None:
    changed = http.post("/_sim/assumptions", json={"nulls": "ignored", "most_messages": 500})
    assert {"nulls": "ignored", "most_messages": 500}.items() <= changed.json()["assumptions"].items()
    assert http.get("/_sim/assumptions").json() == changed.json()
    for wrong in ({"nuls": "kept"}, {"nulls": "perhaps"}, {"most_messages": 0}, []):
        answer = http.post("/_sim/assumptions", json=wrong)
        assert (answer.status_code, "perhaps" in answer.text) == (400, False)
    assert http.get("/_sim/assumptions").json() == changed.json()
    assert http.delete("/_sim/assumptions").json()["assumptions"]["nulls"] == "kept"
    sim.assume(nulls="ignored")
    http.post("/_sim/reset")
    assert http.get("/_sim/assumptions").json()["assumptions"]["nulls"] == "kept"
