"""What the list of runs says of each: how much was sent, and what stopped it."""

from __future__ import annotations

from dagster import ExecuteInProcessResult

from tests.dagster.room import CHANGES, PUSH, Room, people


def tags(room: Room, run: ExecuteInProcessResult) -> dict[str, str]:
    found = room.instance.get_run_by_id(run.run_id)
    assert found is not None
    return {name: value for name, value in found.tags.items() if name.startswith("candu/") and name != "candu/sync"}


def test_what_was_sent_is_in_the_list_of_runs(room: Room) -> None:
    people(room)
    assert tags(room, room.materialize(CHANGES, PUSH)) == {"candu/accepted": "3"}
    assert tags(room, room.materialize(CHANGES, PUSH)) == {}
    people(room, count=5)
    assert tags(room, room.materialize(CHANGES, PUSH, sample=1)) == {"candu/accepted": "1", "candu/waiting": "1"}


def test_why_a_guard_stopped_a_run_is_in_the_list_of_runs(room: Room) -> None:
    people(room, yaml="guard: {min_rows: 9}")
    stopped = room.materialize(CHANGES, PUSH)
    assert tags(room, stopped) == {"candu/stopped": "the model returned 3 rows, min_rows is 9"}
    assert tags(room, room.materialize(CHANGES)).keys() == {"candu/stopped"}
