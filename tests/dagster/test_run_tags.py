"""What the list of runs says of each: how much was sent, and what stopped it."""

from __future__ import annotations

from typing import Any

import pytest
from dagster import AssetCheckKey, AssetKey, ExecuteInProcessResult

from dagster_defs.ranges import range_tags
from tests.dagster.room import CHANGES, PUSH, Room, evaluation, failure, metadata, people


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
    assert tags(room, stopped) == {"candu/stopped": "users/people: the model returned 3 rows, min_rows is 9"}
    assert tags(room, room.materialize(CHANGES)).keys() == {"candu/stopped"}


def test_who_passed_a_guard_and_why_is_there_too(room: Room) -> None:
    people(room, yaml="guard: {min_rows: 9}")
    run = room.materialize(CHANGES, PUSH, allow=["rows"], reason="three it is")
    assert tags(room, run) == {"candu/accepted": "3", "candu/guards_passed": "users/people: rows (three it is)"}
    check = evaluation(run, "guard")
    assert (check.metadata["guards passed"].value, check.metadata["reason"].value) == ("rows", "three it is")
    assert "Passed on request (guards: rows): three it is" in (check.description or "")


@pytest.mark.parametrize("keys", [(CHANGES, PUSH), (PUSH,)])
@pytest.mark.parametrize("launch", [{"force": True}, {"allow": ["rows", "changed"]}])
def test_a_launch_that_no_guard_was_in_the_way_of_passed_none(room: Room, keys: tuple[str, ...],
                                                              launch: dict[str, Any]) -> None:
    people(room)
    run = room.materialize(*keys, **launch)
    assert tags(room, run) == {"candu/accepted": "3"}
    assert "guards passed" not in metadata(run, PUSH)


def test_only_the_guards_in_the_way_were_passed(room: Room) -> None:
    people(room, yaml="guard: {min_rows: 9}")
    run = room.materialize(PUSH, allow=["rows", "messages"], reason="three it is")
    assert tags(room, run) == {"candu/accepted": "3", "candu/guards_passed": "users/people: rows (three it is)"}
    assert metadata(run, PUSH)["guards passed"] == "rows: three it is"


@pytest.mark.parametrize("keys", [(CHANGES, PUSH), (PUSH,)])
def test_of_several_partitions_only_those_with_a_guard_in_the_way_passed_it(room: Room, keys: tuple[str, ...]) -> None:
    people(room)
    room.instance.add_dynamic_partitions("plans", ["free", "pro"])
    room.sync("users/people", "select * from people where plan = :partition",
              "partitions: {dynamic: plans, values: select 'free'}")
    run = room.materialize(*keys, tags=range_tags(["free", "pro"]), force=True, reason="no pro yet")
    assert tags(room, run)["candu/guards_passed"] == "users/people: all (no pro yet)"
    records = room.instance.fetch_materializations(AssetKey(PUSH.split("/")), limit=9).records
    passed = {str(event.partition): "guards passed" in event.metadata
              for event in (record.asset_materialization for record in records) if event is not None}
    assert passed == {"free": False, "pro": True}


def test_of_several_syncs_the_tags_say_what_each_was_stopped_by_or_passed(room: Room) -> None:
    people(room)
    for name, least in (("people", 8), ("others", 9)):
        room.sync(f"users/{name}", f"select user_id, plan as {name} from people", f"guard: {{min_rows: {least}}}")
    keys = (CHANGES, PUSH, *(key.replace("people", "others") for key in (CHANGES, PUSH)))
    stopped = tags(room, room.materialize(*keys))["candu/stopped"]
    assert sorted(stopped.split("; ")) == ["users/others: the model returned 3 rows, min_rows is 9",
                                           "users/people: the model returned 3 rows, min_rows is 8"]
    passed = tags(room, room.materialize(*keys, allow=["rows"], reason="three it is"))
    assert passed["candu/accepted"] == "6"
    assert sorted(passed["candu/guards_passed"].split("; ")) == ["users/others: rows (three it is)",
                                                                 "users/people: rows (three it is)"]


def test_the_check_of_changes_that_no_guard_was_in_the_way_of_stays(room: Room) -> None:
    people(room)
    room.materialize(CHANGES)
    room.materialize(PUSH, force=True)
    key = AssetCheckKey(AssetKey(CHANGES.split("/")), "guard")
    [latest] = room.instance.event_log_storage.get_latest_asset_check_execution_by_key([key]).values()
    assert latest.event.dagster_event.event_specific_data.passed  # type: ignore[union-attr]


def test_a_key_that_no_row_has_fails_the_run_after_the_others_went(room: Room) -> None:
    people(room)
    run = room.materialize(CHANGES, PUSH, keys=["u1", "u99"])
    assert "no row has the key u99" in failure(run, PUSH)
    assert list(room.simulator.users()) == ["u1"]
    assert "no row has the key u99" in failure(room.materialize(CHANGES, keys=["u99"]), CHANGES)
