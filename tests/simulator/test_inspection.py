"""What the simulator holds, read as JSON, and faults asked for over HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from candu_sync.simulator import Simulator
from tests.simulator.messages import Send, identify, track
from tests.support.waiting import delayed, until


def test_users_come_in_pages_and_by_search(send: Send, http: httpx.Client) -> None:
    send(*[identify(f"u{n:03}", plan="Pro" if n % 10 == 0 else "free") for n in range(100)])
    page = http.get("/_sim/users", params={"limit": 2, "offset": 98}).json()
    assert (page["total"], [user["user_id"] for user in page["users"]]) == (100, ["u098", "u099"])
    found = http.get("/_sim/users", params={"search": "pro", "limit": 3}).json()
    assert (found["total"], [user["user_id"] for user in found["users"]]) == (10, ["u000", "u010", "u020"])
    assert http.get("/_sim/users", params={"limit": "x"}).status_code == 400


def test_one_user_by_any_id(send: Send, http: httpx.Client) -> None:
    send(identify("a/b ü?", plan="pro"))
    send({"type": "group", "groupId": "g1", "userId": "a/b ü?"})
    user = http.get("/_sim/users/a%2Fb%20%C3%BC%3F").json()
    assert (user["user_id"], user["traits"], user["groups"]) == ("a/b ü?", {"plan": "pro"}, ["g1"])
    assert http.get("/_sim/users/nobody").status_code == 404


def test_a_user_is_removed_by_any_id(send: Send, http: httpx.Client) -> None:
    send(identify("a/b ü?", plan="pro"))
    assert http.delete("/_sim/users/a%2Fb%20%C3%BC%3F", headers={"origin": "http://evil.example"}).status_code == 403
    assert http.delete("/_sim/users/a%2Fb%20%C3%BC%3F").json() == {"removed": 2}
    assert http.get("/_sim/users/a%2Fb%20%C3%BC%3F").status_code == 404


def test_groups_events_messages_requests_and_stats(send: Send, http: httpx.Client) -> None:
    send(*[{"type": "group", "groupId": "g1", "userId": f"u{n}"} for n in range(5)])
    send(track("u1", "first", "m1"), track("u1", "second", "m2"))
    group = http.get("/_sim/groups", params={"members": 2}).json()["groups"][0]
    assert (group["member_count"], group["members"]) == (5, ["u0", "u1"])
    assert [event["event"] for event in http.get("/_sim/events").json()["events"]] == ["second", "first"]
    assert len(http.get("/_sim/messages").json()["messages"]) == 7
    newest = http.get("/_sim/requests", params={"limit": 1}).json()["requests"][0]
    assert (newest["messages"], '"second"' in newest["body"]) == (2, True)
    assert "body" not in http.get("/_sim/requests", params={"bodies": "false"}).json()["requests"][0]
    stats = http.get("/_sim/stats").json()
    assert stats["messages"] == {"identify": 0, "group": 5, "track": 2}
    assert (stats["requests"], stats["members"], stats["groups"]) == ({"200": 2}, 5, 1)


def test_faults_are_added_listed_and_cleared(send: Send, http: httpx.Client) -> None:
    assert http.post("/_sim/faults", json={"kind": "status", "status": 503, "times": 2}).status_code == 200
    http.post("/_sim/faults", json=[{"kind": "refuse", "user_ids": ["u1"], "status": 404}])
    assert send(identify("u1")).status_code == 503
    assert http.get("/_sim/faults").json()["faults"] == [
        {"kind": "status", "status": 503, "times": 2, "fired": 1},
        {"kind": "refuse", "user_ids": ["u1"], "status": 404, "fired": 0},
    ]
    assert http.delete("/_sim/faults").json() == {"faults": []}
    assert send(identify("u1")).status_code == 200
    assert "needs a status" in http.post("/_sim/faults", json={"kind": "status"}).json()["error"]
    assert http.post("/_sim/faults", content=b"{", headers={"content-type": "application/json"}).status_code == 400


def test_reset_forgets_everything(sim: Simulator, send: Send, http: httpx.Client) -> None:
    send(identify("u1", seats=1) | {"messageId": "m1"})
    sim.fault("close")
    assert http.post("/_sim/reset").status_code == 200
    assert (sim.users(), sim.messages(), sim.requests()) == ({}, [], [])
    send(identify("u1", seats="one") | {"messageId": "m1"})
    assert (sim.stats()["warning_count"], sim.stats()["repeated_message_ids"]) == (0, 0)
    assert [request["body"] is not None for request in sim.requests()] == [True]


def test_reset_forgets_a_request_that_is_being_delayed(sim: Simulator, send: Send, http: httpx.Client) -> None:
    sim.fault("delay", seconds=2)
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(send, identify("u1"))
        until(lambda: delayed(sim) == 1)
        assert http.post("/_sim/reset").status_code == 200
        assert isinstance(sent.exception(60), httpx.RemoteProtocolError)
    assert (sim.users(), sim.messages(), sim.requests()) == ({}, [], [])


def test_a_web_page_elsewhere_cannot_read_it_under_its_own_name(http: httpx.Client) -> None:
    assert http.get("/_sim/users", headers={"host": "evil.example"}).status_code == 400
    assert http.get("/_sim/users", headers={"host": "localhost:1234"}).status_code == 200


_FAULT = '{"kind": "status", "status": 503}'
_JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("headers", [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:1"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
])
@pytest.mark.parametrize(("method", "path"), [
    ("POST", "/_sim/faults"), ("DELETE", "/_sim/faults"), ("POST", "/_sim/reset"),
])
def test_a_web_page_elsewhere_cannot_change_it(sim: Simulator, send: Send, http: httpx.Client, method: str, path: str,
                                               headers: dict[str, str]) -> None:
    send(identify("u1", plan="pro"))
    sim.fault("delay", seconds=0.0)
    body = _FAULT if path == "/_sim/faults" and method == "POST" else None
    assert http.request(method, path, content=body, headers=headers | _JSON).status_code == 403
    assert list(sim.users()) == ["u1"]
    assert [fault["kind"] for fault in http.get("/_sim/faults").json()["faults"]] == ["delay"]


def test_its_own_page_may_change_it(sim: Simulator, http: httpx.Client) -> None:
    own = {"origin": sim.page.rstrip("/"), "sec-fetch-site": "same-origin"}
    assert http.post("/_sim/faults", content=_FAULT, headers=own | _JSON).status_code == 200
    assert http.post("/_sim/reset", headers=own).json() == {"reset": True}
    assert http.get("/_sim/faults").json() == {"faults": []}


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
@pytest.mark.parametrize("path", ["/_sim/faults", "/_sim/reset"])
def test_what_changes_it_must_be_json(http: httpx.Client, path: str, kind: str | None) -> None:
    answer = http.post(path, content=_FAULT, headers={} if kind is None else {"content-type": kind})
    assert (answer.status_code, answer.json()) == (415, {"error": "content-type must be application/json"})
    assert http.get("/_sim/faults").json() == {"faults": []}


@pytest.mark.parametrize("path", ["/_sim/faults", "/_sim/reset"])
def test_the_body_of_a_change_has_a_limit(sim: Simulator, http: httpx.Client, path: str) -> None:
    fits = _FAULT + " " * (100_000 - len(_FAULT))
    assert http.post(path, content=fits, headers=_JSON).status_code == 200
    sim.reset()
    assert http.post(path, content=fits + " ", headers=_JSON).status_code == 413
    assert http.get("/_sim/faults").json() == {"faults": []}
