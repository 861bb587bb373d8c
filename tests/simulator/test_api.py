"""Over real HTTP: what Candu would answer, and what it then knows."""

from __future__ import annotations

import time

import httpx
import pytest

from candu_sync.simulator import Simulator
from tests.simulator.messages import Send, identify, track
from tests.support.waiting import until


def test_traits_merge_and_null_stays_null(sim: Simulator, send: Send) -> None:
    assert send(identify("u1", plan="free", seats=1), identify("u1", seats=2)).json() == {"success": True}
    send(identify("u1", plan=None))
    assert sim.users() == {"u1": {"plan": None, "seats": 2}}


def test_a_group_gets_traits_and_members(sim: Simulator, send: Send) -> None:
    group = {"type": "group", "groupId": "g1"}
    send(group | {"userId": "u1", "traits": {"plan": "pro"}}, group | {"userId": "u2"}, group | {"userId": "u1"})
    assert sim.groups() == {"g1": {"plan": "pro"}}
    assert sim.members() == {("g1", "u1"), ("g1", "u2")}
    assert sim.users() == {}


def test_events_keep_their_order_and_nothing_is_removed_as_a_duplicate(sim: Simulator, send: Send) -> None:
    send(track("u1", "first", "m1"), track("u1", "second", "m2"))
    send(track("u1", "first", "m1"))
    assert [(e["event"], e["message_id"], e["properties"]) for e in sim.events()] == [
        ("first", "m1", {"n": 1}), ("second", "m2", {"n": 1}), ("first", "m1", {"n": 1})
    ]  # fmt: skip
    assert [m["request_id"] for m in sim.messages()] == [1, 1, 2]
    assert sim.messages()[0]["payload"] == track("u1", "first", "m1")
    assert sim.stats()["repeated_message_ids"] == 1


def test_a_request_with_one_bad_message_stores_nothing(sim: Simulator, send: Send) -> None:
    answer = send(identify("u1", plan="free"), identify("u2", plan=["x"]))
    assert answer.status_code == 400
    assert answer.json()["success"] is False
    assert (answer.json()["index"], "traits.plan" in answer.json()["error"]) == (1, True)
    assert sim.users() == {}
    assert sim.messages() == []


def test_an_oversized_body_is_answered_and_the_connection_lives_on(sim: Simulator, http: httpx.Client) -> None:
    headers = {"content-type": "application/json"}
    assert http.post("/api/eventWebhook", content=b" " * 5_000_000, headers=headers).status_code == 413
    assert http.get("/api/contentMetadata").status_code == 200
    assert sim.requests()[0]["bytes"] == 5_000_000


@pytest.mark.parametrize(
    ("header", "status"),
    [(None, 401), ("Bearer", 401), ("Basic c2ltOg==", 401), ("Bearer wrong", 403),
     ("bearer simulator-key", 200)],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_key(sim: Simulator, method: str, header: str | None, status: int) -> None:
    path = "contentMetadata" if method == "GET" else "eventWebhook"
    headers = {} if header is None else {"authorization": header}
    answer = httpx.request(method, f"{sim.url}/{path}", json=identify("u1"), headers=headers)
    assert answer.status_code == status
    assert len(sim.users()) == (1 if status == 200 and method == "POST" else 0)


def test_other_paths_and_methods_are_refused_and_logged(sim: Simulator, http: httpx.Client) -> None:
    assert http.post("/eventWebhook", json=identify("u1")).status_code == 404
    assert http.get("/api/eventWebhook").status_code == 405
    assert [(r["path"], r["status"]) for r in sim.requests()] == [("/eventWebhook", 404), ("/api/eventWebhook", 405)]


def test_a_trait_that_changes_its_type_is_taken_with_a_warning(sim: Simulator, send: Send) -> None:
    for value in (1, None, 2.5, "three", "four", True):
        assert send(identify("u1", seats=value)).status_code == 200
    warnings = {(w["trait"], w["was"], w["became"]): w["times"] for w in sim.stats()["warnings"]}
    assert warnings == {("seats", "number", "string"): 2, ("seats", "number", "boolean"): 1}
    assert sim.stats()["warning_count"] == 3


def test_status_faults_carry_retry_after_and_a_body(sim: Simulator, send: Send) -> None:
    sim.fault("status", status=429, retry_after="1", times=1)
    sim.fault("status", status=500, body="<h1>oops</h1>", times=1)
    sim.fault("status", status=502, body={"why": "proxy"}, retry_after="Wed, 21 Oct 2026 07:28:00 GMT", times=1)
    first, second, third, fourth = (send(identify("u1", n=n)) for n in range(4))
    assert (first.status_code, first.headers["retry-after"]) == (429, "1")
    assert (second.status_code, second.text) == (500, "<h1>oops</h1>")
    assert (third.json(), third.headers["retry-after"]) == ({"why": "proxy"}, "Wed, 21 Oct 2026 07:28:00 GMT")
    assert fourth.status_code == 200
    assert [r["fault"] for r in sim.requests()] == ["status 429", "status 500", "status 502", None]
    assert sim.users() == {"u1": {"n": 3}}


@pytest.mark.parametrize(("kind", "stored"), [("close", {}), ("lost", {"u1": {"n": 1}})])
def test_a_closed_connection_has_stored_or_not(sim: Simulator, send: Send, kind: str, stored: object) -> None:
    sim.fault(kind, times=1)  # type: ignore[arg-type]
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        send(identify("u1", n=1))
    assert sim.users() == stored
    assert sim.requests()[0]["status"] is None
    assert send(identify("u1", n=1)).status_code == 200
    assert sim.stats()["requests"] == {"200": 1, "closed": 1}


def test_success_false_stores_nothing(sim: Simulator, send: Send) -> None:
    sim.fault("success_false", times=1)
    answer = send(identify("u1"))
    assert (answer.status_code, answer.json()["success"]) == (200, False)
    assert sim.users() == {}


def test_a_refused_user_takes_its_whole_request_along(sim: Simulator, send: Send) -> None:
    sim.fault("refuse", user_ids=["u2"])
    assert send(identify("u1"), identify("u2")).status_code == 422
    assert send(identify("u1")).status_code == 200
    sim.clear_faults()
    assert send(identify("u2")).status_code == 200
    assert set(sim.users()) == {"u1", "u2"}


def test_a_delay_delays_and_a_client_that_gives_up_was_heard(sim: Simulator, send: Send, http: httpx.Client) -> None:
    sim.fault("delay", seconds=0.3, times=1)
    sim.fault("delay", seconds=1, after=1, times=1)
    began = time.monotonic()
    assert send(identify("u1")).status_code == 200
    assert time.monotonic() - began >= 0.3
    with pytest.raises(httpx.ReadTimeout):
        http.post("/api/eventWebhook", json=identify("u2"), timeout=httpx.Timeout(60, read=0.1))
    until(lambda: "u2" in sim.users())
