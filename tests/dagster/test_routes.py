"""Through Segment, in Dagster: the metadata name the route, and a change of it is refused as on the command line."""

from __future__ import annotations

import pytest

from tests.dagster.room import CHANGES, PUSH, Room, failure, metadata, people


def test_a_route_is_named_and_its_change_is_refused(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    people(room)
    for name, value in {"CANDU_ROUTE": "segment", "SEGMENT_API_URL": room.simulator.segment_url,
                        "SEGMENT_WRITE_KEY": room.simulator.write_key}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CANDU_API_KEY")
    run = room.materialize(CHANGES, PUSH)
    assert run.success
    assert (metadata(run, CHANGES)["route"], metadata(run, PUSH)["route"]) == ("segment", "segment")
    assert {request["path"] for request in room.simulator.requests()} == {"/v1/batch"}
    people(room, count=5)
    assert room.materialize(CHANGES).success

    monkeypatch.setenv("CANDU_ROUTE", "candu")
    monkeypatch.setenv("CANDU_API_KEY", room.simulator.key)
    before = len(room.simulator.messages())
    refused = failure(room.materialize(CHANGES, PUSH), CHANGES)
    assert "the snapshot has what was sent to Candu by Segment" in refused
    assert "candu-sync baseline users/people" in refused
    assert "were planned to go to Candu by Segment" in failure(room.materialize(PUSH), PUSH)
    assert len(room.simulator.messages()) == before
