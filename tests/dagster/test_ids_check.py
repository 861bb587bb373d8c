"""The check `ids`: the ids that Candu sees in browsers against those that it accepted, with numbers over time."""

from __future__ import annotations

import datetime as dt

import pytest
from dagster import (
    AssetKey,
    AssetMaterialization,
    AssetRecordsFilter,
    DagsterEventType,
    ExecuteInProcessResult,
    evaluate_automation_conditions,
)

from tests.dagster.room import CHANGES, PUSH, Room, evaluation, people

IDS = "ids: {seen: select user_id from candu_events}"


def run_job(room: Room, partition: str | None = None) -> ExecuteInProcessResult:
    job = room.definitions().resolve_job_def("candu__users__people")
    return job.execute_in_process(instance=room.instance, partition_key=partition, raise_on_error=False)


def test_it_runs_in_the_job_after_the_push_and_has_numbers_to_plot(room: Room) -> None:
    people(room, count=10, yaml=IDS)
    room.table("candu_events", user_id=[*(f"U{n}" for n in range(4)), "u4", "other"])
    result = run_job(room)
    assert result.success
    check = evaluation(result, "ids")
    assert not check.passed
    numbers = {name: value.value for name, value in check.metadata.items() if name != "how they differ"}
    assert numbers == {"seen": 6, "given": 10, "equal": 1, "share": 0.1667, "spaces": 0, "unicode": 0, "case": 4,
                       "number": 0, "several": 0, "prefix": 0, "column": 0, "unknown": 1}
    [row] = check.metadata["how they differ"].records
    assert row.data == {"way": "case", "ids": "4", "seen and given": "X9 / x9",
                        "what mends it": "upper(user_id)", "mends": "4"}
    assert "4 ids of 6 differ by upper and lower case" in str(check.description)
    room.table("candu_events", user_id=[f"u{n}" for n in range(10)])
    check = evaluation(run_job(room), "ids")
    assert (check.passed, check.metadata["share"].value) == (True, 1.0)
    observed = room.instance.fetch_observations(AssetRecordsFilter(AssetKey(PUSH.split("/"))), limit=5).records
    assert [one.asset_observation.metadata["ids: share"].value for one in observed] == [1.0, 0.1667]


def test_it_counts_all_partitions_and_its_trouble_is_a_warning(room: Room) -> None:
    room.table("people", user_id=["u1", "u2"], plan=["free", "pro"])
    room.table("candu_events", user_id=["u1", "u2"])
    yaml = "partitions: {static: [free, pro]}\n"
    room.sync("users/people", "select * from people where plan = :partition", yaml + IDS)
    shares = [evaluation(run_job(room, plan), "ids").metadata["share"].value for plan in ("free", "pro")]
    assert shares == [0.5, 1.0]
    room.query("drop table candu_events")
    result = run_job(room, "pro")
    assert result.success
    check = evaluation(result, "ids")
    assert (check.passed, "cannot be compared" in str(check.description)) == (False, True)


def test_a_sync_without_ids_has_no_such_check(room: Room) -> None:
    people(room)
    result = run_job(room)
    assert {check.check_name for check in result.get_asset_check_evaluations()} == {"guard", "oddities", "set_aside"}
    assert not [event for event in result.all_events if event.event_type == DagsterEventType.ASSET_OBSERVATION]


@pytest.mark.filterwarnings("ignore:Parameter `include_sources`")
def test_it_is_asked_for_with_a_push_that_a_sensor_starts(room: Room) -> None:
    people(room, yaml=f"automation: on_upstream\ndeps: [dim_users]\n{IDS}")
    room.table("candu_events", user_id=["u1"])
    before = evaluate_automation_conditions(room.definitions(), room.instance,
                                            evaluation_time=dt.datetime(2026, 11, 15, 9))
    room.instance.report_runless_asset_event(AssetMaterialization("dim_users"))
    after = evaluate_automation_conditions(room.definitions(), room.instance, cursor=before.cursor,
                                           evaluation_time=dt.datetime(2026, 11, 15, 9, 1))
    requested = {str(one.key.to_user_string()) for one in after.results if one.true_subset.size}
    assert requested == {CHANGES, PUSH, f"{PUSH}:ids"}
