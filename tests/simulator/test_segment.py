"""Segment's Tracking API over real HTTP: what it answers, what it drops, and what reaches Candu's side."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest

from candu_sync.simulator import Simulator
from candu_sync.simulator.contract import Batch
from candu_sync.simulator.reading import Reading
from candu_sync.simulator.segment import MAX_EVENTS
from candu_sync.simulator.store import Entry, Store
from tests.simulator.messages import identify, track

Post = Callable[..., httpx.Response]

GROUP = {"type": "group", "groupId": "g1", "userId": "u1", "traits": {"plan": "pro"}}


def basic(key: str) -> dict[str, str]:
    return {"authorization": f"Basic {b64encode(key.encode()).decode()}"}


@pytest.fixture
def segment(sim: Simulator) -> Iterator[httpx.Client]:
    """A client of Segment's API with the source's write key."""
    with httpx.Client(base_url=sim.segment_url, headers=basic(f"{sim.write_key}:"), timeout=60) as client:
        yield client


@pytest.fixture
def batch(segment: httpx.Client) -> Post:
    def post(*messages: object, **envelope: object) -> httpx.Response:
        return segment.post("/v1/batch", json={"batch": messages, **envelope})

    return post


def dropped(sim: Simulator) -> str | None:
    error = sim.requests()[-1]["error"]
    assert error is None or isinstance(error, str)
    return error


def test_a_batch_of_all_types_reaches_candu_in_its_own_form(sim: Simulator, batch: Post) -> None:
    at = {"timestamp": "2025-04-22T17:58:02.276+02:00", "context": {"library": {"name": "x"}}, "integrations": {}}
    answer = batch(identify("u1", plan="pro") | at | {"messageId": "m1"}, GROUP, track("u1", "Upgraded", "m2"),
                   sentAt="2026-01-01T00:00:00.000Z")
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert (sim.users(), sim.groups(), sim.members()) == ({"u1": {"plan": "pro"}}, {"g1": {"plan": "pro"}},
                                                          {("g1", "u1")})
    first, group, event = (message["payload"] for message in sim.messages())
    assert first == identify("u1", plan="pro") | {"messageId": "m1", "timestamp": "2025-04-22T15:58:02Z"}
    assert group.keys() == GROUP.keys() | {"messageId", "timestamp"}, "Segment gives a message both"
    assert event["event"] == "Upgraded"
    assert sim.stats()["segment"] == {"passed_on": 3, "dropped": 0, "repeated": 0}


@pytest.mark.parametrize("call", ["identify", "group", "track"])
def test_each_call_has_a_path_of_its_own(sim: Simulator, segment: httpx.Client, call: str) -> None:
    body = {"identify": identify("u1"), "group": GROUP, "track": track("u1", "Upgraded", "m1")}[call]
    answer = segment.post(f"/v1/{call}", json={name: body[name] for name in body if name != "type"})
    assert answer.json() == {"success": True}
    assert [message["type"] for message in sim.messages()] == [call]


@pytest.mark.parametrize(("body", "reason"), [
    (b'{"batch": [', "not JSON"),
    (b'[{"type": "identify"}]', "must be a JSON object"),
    (b'{"messages": []}', "batch: must be an array"),
    (orjson.dumps({"batch": [identify("u1", note="x" * 32_000)]}), "message 0: more than 32000 bytes"),
    (orjson.dumps({"batch": [identify(f"u{n}", note="x" * 20_000) for n in range(26)]}), "more than 500000"),
])  # fmt: skip
def test_what_is_not_json_or_too_large_gets_a_400(sim: Simulator, segment: httpx.Client, body: bytes,
                                                  reason: str) -> None:
    answer = segment.post("/v1/batch", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert reason in answer.json()["message"]
    assert sim.users() == {}
    assert segment.post("/v1/batch", content=b"{}").status_code == 400, "without a content-type"


@pytest.mark.parametrize("header", [None, "Bearer simulator", "Basic c2ltdWxhdG9y", "Basic Og==", "Basic %%%",
                                    basic("simulator:password")["authorization"]])
def test_a_write_key_of_another_form_gets_a_400(sim: Simulator, header: str | None) -> None:
    headers = {} if header is None else {"authorization": header}
    answer = httpx.post(f"{sim.segment_url}/v1/batch", json={"batch": [identify("u1")]}, headers=headers)
    assert (answer.status_code, sim.users()) == (400, {})


def test_a_wrong_write_key_is_accepted_and_everything_dropped(sim: Simulator) -> None:
    """Segment's edge checks no key: it answers 200 (segmentio/analytics-ruby, issues 136 and 257)."""
    answer = httpx.post(f"{sim.segment_url}/v1/batch", json={"batch": [identify("u1")]}, headers=basic("another:"))
    assert (answer.status_code, answer.json(), sim.users()) == (200, {"success": True}, {})
    assert dropped(sim) == "dropped: the write key is not this source's"
    assert sim.stats()["segment"]["dropped"] == 1


def test_the_write_key_may_be_in_the_body(sim: Simulator) -> None:
    body = {"batch": [identify("u1")], "writeKey": sim.write_key}
    assert httpx.post(f"{sim.segment_url}/v1/batch", json=body).status_code == 200
    assert sim.users() == {"u1": {"plan": "pro"}}


@pytest.mark.parametrize(("message", "reason"), [
    ("text", "message 1: must be a JSON object"),
    ({"userId": "u2"}, "message 1: type: must be one of"),
    ({"type": "identify", "traits": {"n": 1}}, "message 1: userId or anonymousId"),
    (identify("u2") | {"userId": 7}, "message 1: userId or anonymousId"),
    (identify("u2") | {"user_id": "u2"}, "message 1: 'user_id': unknown field of identify"),
    (identify("u2") | {"traits": [1]}, "message 1: traits: must be an object"),
    (identify("u2") | {"timestamp": "yesterday"}, "message 1: timestamp: must be ISO 8601"),
    (identify("u2") | {"timestamp": "2025-04-22T15:58:02"}, "message 1: timestamp: must have a time zone"),
    (identify("u2") | {"messageId": "x" * 100}, "message 1: messageId: must be a string of at most 99"),
    ({"type": "track", "userId": "u2"}, "message 1: event: required for track"),
    ({"type": "group", "userId": "u2"}, "message 1: groupId: required for group"),
    ({"type": "page", "userId": "u2"}, "message 1: type: Candu's REST API has no page"),
    (identify("u2", tags=["a"]), "message 1, refused by Candu: traits.tags: must be a string"),
    ({"type": "identify", "userId": "u2"}, "message 1, refused by Candu: traits: required"),
    (identify("u2") | {"integrations": {"Candu": False}}, "message 1: integrations: the destination Candu"),
])  # fmt: skip
def test_a_bad_message_is_dropped_behind_a_200_and_the_others_are_not(sim: Simulator, batch: Post, message: Any,
                                                                      reason: str) -> None:
    assert batch(identify("u1"), message, identify("u3")).json() == {"success": True}
    assert set(sim.users()) == {"u1", "u3"}
    assert (dropped(sim) or "").startswith(f"dropped: {reason}")
    assert sim.stats()["segment"] == {"passed_on": 2, "dropped": 1, "repeated": 0}


def test_integrations_of_the_batch_are_those_of_its_messages(sim: Simulator, batch: Post) -> None:
    batch(identify("u1"), identify("u2") | {"integrations": {"Candu": True}}, integrations={"All": False})
    assert list(sim.users()) == ["u2"]


def test_more_than_2500_messages_are_dropped_behind_a_200(sim: Simulator, batch: Post) -> None:
    messages = [{"type": "track", "userId": "u", "event": "e", "messageId": str(n)} for n in range(MAX_EVENTS + 1)]
    assert batch(*messages).status_code == 200
    assert sim.messages() == []
    assert batch(*messages[1:]).status_code == 200
    assert len(sim.messages()) == MAX_EVENTS


def test_a_repeated_message_id_is_dropped_also_after_an_answer_that_was_lost(sim: Simulator, batch: Post) -> None:
    sim.fault("lost", times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        batch(track("u1", "first", "m1"), track("u1", "second", "m2"))
    assert batch(track("u1", "first", "m1"), track("u1", "second", "m2"), track("u1", "third", "m3")).is_success
    assert [event["event"] for event in sim.events()] == ["first", "second", "third"]
    assert sim.stats()["segment"] == {"passed_on": 3, "dropped": 0, "repeated": 2}
    assert sim.stats()["repeated_message_ids"] == 0


def test_what_was_not_accepted_is_not_remembered(sim: Simulator, batch: Post) -> None:
    sim.fault("status", status=500, times=1)
    assert batch(identify("u1") | {"messageId": "m1"}).status_code == 500
    assert batch(identify("u1") | {"messageId": "m1"}).status_code == 200
    assert list(sim.users()) == ["u1"]


def test_a_message_id_is_forgotten_after_24_hours() -> None:
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    store = Store(clock=lambda: now[0])
    message = track("u1", "e", "m1")

    def events_after(hours: float) -> int:
        now[0] = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
        entry = Entry(method="POST", path="/v1/batch", status=200, messages=1, bytes=1)
        store.record(entry, b"", [Batch("track", [message], [orjson.dumps(message)])], "segment")
        return len(Reading(store).events())

    assert [events_after(0), events_after(23.9), events_after(24.1)] == [1, 1, 2]
    store.close()


def test_faults_work_on_this_way_too(sim: Simulator, batch: Post) -> None:
    sim.fault("status", status=429, retry_after=1, times=1)
    sim.fault("status", status=502, body="<html>Bad gateway</html>", times=1)
    sim.fault("success_false", times=1)
    sim.fault("refuse", user_ids=["u9"], status=400)
    answers = [batch(identify("u1")) for _ in range(3)]
    assert [(a.status_code, a.headers.get("retry-after")) for a in answers] == [(429, "1"), (502, None), (200, None)]
    assert answers[0].headers["x-ratelimit-reset"] == "1"
    assert answers[1].text == "<html>Bad gateway</html>"
    assert answers[2].json()["success"] is False
    assert batch(identify("u9")).status_code == 400
    assert sim.users() == {}


def test_values_are_shown_by_the_way_that_they_came(sim: Simulator, batch: Post, http: httpx.Client) -> None:
    http.post("/api/eventWebhook", json=identify("u1", plan="pro", seats=1))
    batch(identify("u1", plan="free"), identify("u1", mrr=9), identify("u2", plan="pro"))
    ways = {user["user_id"]: user["ways"] for user in http.get("/_sim/users").json()["users"]}
    assert ways == {"u1": ["api", "segment"], "u2": ["segment"]}
    user = http.get("/_sim/users/u1").json()
    assert user["traits"] == {"plan": "free", "seats": 1, "mrr": 9}
    sent = {way: values["traits"] for way, values in user["sent"].items()}
    assert sent == {"api": {"plan": "pro", "seats": 1}, "segment": {"plan": "free", "mrr": 9}}
    http.delete("/_sim/users/u1")
    batch(identify("u1", plan="new"))
    assert list(http.get("/_sim/users/u1").json()["sent"]) == ["segment"]
