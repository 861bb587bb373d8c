"""What the list of runs says of each: how much was sent, and what stopped it."""

from __future__ import annotations

from dagster import ExecuteInProcessResult

from tests.dagster.room import CHANGES, PUSH, Room, evaluation, failure, people


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


def test_who_passed_a_guard_and_why_is_there_too(room: Room) -> None:
    people(room, yaml="guard: {min_rows: 9}")
    run = room.materialize(CHANGES, PUSH, allow=["rows"], reason="three it is")
    assert tags(room, run) == {"candu/accepted": "3", "candu/guards_passed": "rows: three it is"}
    check = evaluation(run, "guard")
    assert (check.metadata["guards passed"].value, check.metadata["reason"].value) == ("rows", "three it is")
    assert "Passed on request (guards: rows): three it is" in (check.description or "")


def test_a_key_that_no_row_has_fails_the_run_after_the_others_went(room: Room) -> None:
    people(room)
    run = room.materialize(CHANGES, PUSH, keys=["u1", "u99"])
    assert "no row has the key u99" in failure(run, PUSH)
    assert list(room.simulator.users()) == ["u1"]
    assert "no row has the key u99" in failure(room.materialize(CHANGES, keys=["u99"]), CHANGES)
