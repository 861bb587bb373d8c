"""A state belongs to one workspace of Candu, in Dagster too; a rotated key is taken on by a launch's configuration."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from candu_sync.simulator import Simulator
from tests.dagster.room import CHANGES, PUSH, Room, failure, people


@pytest.fixture
def other() -> Iterator[Simulator]:
    with Simulator(key="other-key") as simulator:
        yield simulator


def test_another_url_is_refused_before_anything_is_read(
        room: Room, other: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    people(room)
    assert room.materialize(CHANGES, PUSH).success
    monkeypatch.setenv("CANDU_API_URL", other.url)
    monkeypatch.setenv("CANDU_API_KEY", other.key)
    assert "belongs to Candu at" in failure(room.materialize(CHANGES, PUSH), CHANGES)
    assert other.requests() == []


def test_a_rotated_key_is_asked_about_and_taken_on(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = people(room)
    assert room.materialize(CHANGES, PUSH).success
    # The state was filled with another key than the one that is good now.
    room.state(sync).store.delete("destination.json")
    with room.project() as project:
        project.state.destination.take_on(room.simulator.url, "the-old-key")
    people(room, count=4)
    refused = room.materialize(CHANGES, PUSH)
    assert "another API key" in failure(refused, PUSH)
    assert "In Dagster `new_key: true` in the launchpad stands for --new-key" in failure(refused, PUSH)
    assert room.materialize(PUSH, new_key=True).success
    assert len(room.simulator.users()) == 4
    people(room, count=5)
    assert room.materialize(CHANGES, PUSH).success
