"""Segment's own libraries are taken by the simulator's Segment, and their calls arrive on Candu's side."""

from __future__ import annotations

from typing import Any

import httpx

from candu_sync.simulator import Simulator
from tests.support.segment_libraries import WRITE_KEY, calls, node_request, send_by_python


def arrived(sim: Simulator) -> dict[str, Any]:
    assert sim.requests()[-1]["error"] is None
    assert sim.stats()["segment"] == {"passed_on": 3, "dropped": 0, "repeated": 0}
    assert [message["message_id"] for message in sim.messages()] == ["m1", "m2", "m3"]
    assert {message["payload"]["timestamp"] for message in sim.messages()} == {"2026-01-02T03:04:05Z"}
    return {"users": sim.users(), "groups": sim.groups(), "members": sim.members(),
            "events": [(event["event"], event["properties"]) for event in sim.events()]}


def test_the_libraries_for_python_and_node_arrive_alike() -> None:
    with Simulator(write_key=WRITE_KEY) as sim:
        send_by_python(sim.segment_url, WRITE_KEY)
        by_python = arrived(sim)
        sim.reset()
        request = node_request()
        answer = httpx.post(f"{sim.segment_url}{request['path']}", json=request["body"], headers=request["headers"])
        assert answer.is_success
        by_node = arrived(sim)
    identify, group, track = calls()
    signed_up = by_python["users"]["u1"].pop("signed up"), by_node["users"]["u1"].pop("signed up")
    assert signed_up == ("2025-04-22T15:58:02+00:00", "2025-04-22T15:58:02.000Z"), "of one instant, two texts"
    del identify["traits"]["signed up"]
    expected = {"users": {"u1": identify["traits"]}, "groups": {"g1": group["traits"]}, "members": {("g1", "u1")},
                "events": [(track["event"], track["properties"])]}
    assert by_python == by_node == expected
