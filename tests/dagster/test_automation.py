"""What runs by itself, and what does not."""

from __future__ import annotations

from datetime import datetime, timedelta
from unittest import mock

import pytest
from dagster import (
    AssetKey,
    AssetMaterialization,
    AutomationConditionSensorDefinition,
    DefaultSensorStatus,
    Definitions,
    RunRequest,
    SensorResult,
    SkipReason,
    build_sensor_context,
    evaluate_automation_conditions,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from candu_sync.syncs.sync import Sync
from dagster_defs import automation
from dagster_defs.automation import new_partitions
from dagster_defs.resources import CanduSyncResource
from tests.dagster.live import instance_of
from tests.dagster.room import CHANGES, PUSH, Room, people
from tests.support.waiting import today

# Dagster's own tester of conditions, not the conditions.
pytestmark = pytest.mark.filterwarnings("ignore:Parameter `include_sources`")

BOTH = {AssetKey(CHANGES.split("/")), AssetKey(PUSH.split("/"))}


class Clock:
    """Ticks of the sensor, each with what the last one knew."""

    def __init__(self, room: Room, definitions: Definitions | None = None) -> None:
        self.room = room
        self.definitions = definitions or room.definitions()
        self.before = evaluate_automation_conditions(
            self.definitions, room.instance, evaluation_time=datetime(2026, 11, 15, 9, 59))

    def tick(self, hour: int, minute: int) -> set[AssetKey]:
        self.before = evaluate_automation_conditions(
            self.definitions, self.room.instance, cursor=self.before.cursor,
            evaluation_time=datetime(2026, 11, 15, hour, minute))
        return {key for key in BOTH if self.before.get_requested_partitions(key)}


def test_changes_that_a_person_materialized_are_not_pushed_by_themselves(room: Room) -> None:
    people(room, yaml="automation: on_upstream\ndeps: [dim_users]")
    clock = Clock(room)
    room.materialize(CHANGES)
    assert clock.tick(10, 1) == set()
    assert clock.tick(10, 2) == set()


def test_on_upstream_follows_the_upstream_assets(room: Room) -> None:
    people(room, yaml="automation: on_upstream\ndeps: [dim_users, dim_accounts]")
    clock = Clock(room)
    assert clock.tick(10, 1) == set()
    room.instance.report_runless_asset_event(materialization("dim_users"))
    assert clock.tick(10, 2) == BOTH
    assert clock.tick(10, 3) == set()


def materialization(key: str) -> AssetMaterialization:
    return AssetMaterialization(key)


def test_a_sync_without_automation_waits_for_a_person(room: Room) -> None:
    people(room)
    assert list(room.definitions().sensors or ()) == []


def test_the_sensor_of_conditions_is_on(room: Room) -> None:
    people(room, yaml="automation: on_upstream")
    [sensor] = room.definitions().sensors or ()
    assert isinstance(sensor, AutomationConditionSensorDefinition)
    assert sensor.default_status == DefaultSensorStatus.RUNNING


def covered(request: RunRequest, keys: list[str]) -> list[str]:
    """The partitions of a run, by Dagster's list of keys."""
    if request.partition_key is not None:
        return [request.partition_key]
    first, last = (request.tags[f"dagster/asset_partition_range_{end}"] for end in ("start", "end"))
    found = keys[keys.index(first):keys.index(last) + 1]
    assert request.tags["candu/partitions"] == str(len(found))
    return found


class TestNewPartitions:
    """A value that appears in the warehouse becomes a partition."""

    def sync(self, room: Room, *segments: str) -> Sync:
        room.table("members", user_id=[f"u{n}" for n in range(len(segments))], segment=list(segments))
        return room.sync("users/segments", "select * from members where segment = :partition",
                         "partitions: {dynamic: segments, values: select distinct segment from members order by 1}\n"
                         "automation: '5 * * * *'")

    def look(self, room: Room, sync: Sync) -> SensorResult | SkipReason:
        with build_sensor_context(room.instance, resources={"candu_sync": CanduSyncResource()},
                                  definitions=room.definitions()) as context:
            return new_partitions(context, sync)

    def test_new_values_are_added_and_run(self, room: Room) -> None:
        sync = self.sync(room, "trial", "won")
        room.instance.add_dynamic_partitions("segments", ["won"])
        found = self.look(room, sync)
        assert isinstance(found, SensorResult)
        assert [request.partition_key for request in found.run_requests or ()] == ["trial"]
        assert [list(r.partition_keys) for r in found.dynamic_partitions_requests or ()] == [["trial"]]

    @settings(max_examples=15)
    @given(arrivals=st.lists(st.lists(st.integers(0, 400), unique=True, max_size=300), min_size=1, max_size=4),
           alone=st.booleans())
    def test_each_new_value_is_asked_for_once_and_none_is_forgotten(self, arrivals: list[list[int]],
                                                                     alone: bool) -> None:
        """A model of ticks: values come, a tick adds the first of them, and its runs cover exactly those."""
        sync = Sync.model_validate({
            "name": "users/segments", "kind": "users", "key": ["user_id"], "path": "users/segments.sql",
            "sql": "select * from members where segment = :partition",
            "partitions": {"dynamic": "segments", "values": "select 1"}})
        resource, values, keys, asked = mock.MagicMock(), list[str](), list[str](), list[str]()
        project = resource.project.return_value.__enter__.return_value
        project.known_values.side_effect = lambda *_: list(values)
        context = mock.Mock(resources=mock.Mock(candu_sync=resource))
        context.instance.get_dynamic_partitions.side_effect = lambda _: list(keys)
        with mock.patch.object(automation, "ended_partitions", return_value=[]):
            for came in [*arrivals, *[[] for _ in range(45)]]:
                values += [f"s{n}" for n in came if f"s{n}" not in values]
                tick = new_partitions(context, sync, alone=alone)
                if isinstance(tick, SkipReason):
                    continue
                [added] = tick.dynamic_partitions_requests or ()
                keys += added.partition_keys
                requests = tick.run_requests or ()
                assert len(requests) <= (2 if alone else 10)
                asked += [key for request in requests for key in covered(request, keys)]
                assert asked == keys
        assert asked == values

    def test_new_values_that_another_sync_adds_too_have_runs_of_their_own(self, room: Room) -> None:
        """Its keys may come between these, or in another order."""
        room.table("members", user_id=["u1", "u2"], segment=["trial", "won"])
        yaml = "partitions: {dynamic: segments, values: select distinct segment from members order by 1}"
        for name in "users/segments", "users/others":
            room.sync(name, "select * from members where segment = :partition", yaml)
        repository = room.definitions().get_repository_def()
        with instance_of(room) as instance, build_sensor_context(
                instance_ref=instance.get_ref(), repository_def=repository,
                resources={"candu_sync": CanduSyncResource()}) as context:
            tick = repository.get_sensor_def("users__segments__partitions").evaluate_tick(context)
        assert [request.partition_key for request in tick.run_requests or ()] == ["trial", "won"]

    def test_values_that_are_gone_are_reported_and_kept(self, room: Room) -> None:
        sync = self.sync(room, "won")
        room.instance.add_dynamic_partitions("segments", ["lost", "won"])
        assert self.look(room, sync) == SkipReason("No new value among 1. Not in the warehouse any more: lost.")

    def test_a_value_that_is_gone_is_run_once_more_for_its_removals(self, room: Room) -> None:
        """Then it is not asked for any more. A run that a person starts does nothing, and does not fail."""
        keys = "candu/users/segments_changes", "candu/users/segments"
        room.table("members", user_id=["u0", "u1", "u2", "u3", "u4", "u5"], segment=["lost", *["won"] * 5])
        sync = room.sync("users/segments", "select * from members where segment = :partition",
                         "partitions: {dynamic: segments, values: select distinct segment from members order by 1}\n"
                         "removed: {segment: none}\nautomation: '5 * * * *'")
        room.instance.add_dynamic_partitions("segments", ["lost", "won"])
        for partition in "lost", "won":
            assert room.materialize(*keys, partition=partition).success
        room.query("delete from members where segment = 'lost'")
        found = self.look(room, sync)
        assert isinstance(found, SensorResult)
        assert [(r.partition_key, r.run_key) for r in found.run_requests or ()] == [
            ("lost", "lost ended after version 1")]
        assert room.materialize(*keys, partition="lost").success
        assert room.simulator.users()["u0"]["segment"] == "none"
        assert self.look(room, sync) == SkipReason("No new value among 1. Not in the warehouse any more: lost.")
        requests = len(room.simulator.requests())
        assert room.materialize(*keys, partition="lost").success
        assert len(room.simulator.requests()) == requests

    def test_with_windows_the_newest_that_has_ended_is_run(self, room: Room) -> None:
        date = today()
        start = date - timedelta(days=3)
        room.table("members", user_id=["u1", "u2"], segment=["trial", "a|b"])
        sync = room.sync("users/segments", "select * from members where segment = :partition and :window_start < now()",
                         f"partitions: {{daily: {start}, dynamic: segments, values: select distinct segment from "
                         "members order by 1}\nautomation: '5 * * * *'")
        found = self.look(room, sync)
        assert isinstance(found, SensorResult)
        assert [r.partition_key for r in found.run_requests or ()] == [f"{date - timedelta(days=1)}|trial"]
        room.instance.add_dynamic_partitions("segments", ["trial"])
        assert self.look(room, sync) == SkipReason("No new value among 2. Dagster takes no such key: 'a|b'.")

    def test_the_daemon_takes_a_new_segment_with_windows(self, room: Room) -> None:
        yesterday = today() - timedelta(days=1)
        room.table("members", user_id=["u1"], segment=["trial"])
        room.sync("users/segments", "select * from members where segment = :partition and :window_start < now()",
                  f"partitions: {{daily: {yesterday}, dynamic: segments, values: select segment from members}}")
        repository = room.definitions().get_repository_def()
        with instance_of(room) as instance, build_sensor_context(
                instance_ref=instance.get_ref(), repository_def=repository,
                resources={"candu_sync": CanduSyncResource()}) as context:
            tick = repository.get_sensor_def("users__segments__partitions").evaluate_tick(context)
        [request] = tick.run_requests or ()
        assert request.tags["dagster/partition"] == f"{yesterday}|trial"

    def test_a_value_that_cannot_be_a_key_is_named_and_left_out(self, room: Room) -> None:
        sync = self.sync(room, "a...b")
        assert self.look(room, sync) == SkipReason("No new value among 1. Dagster takes no such key: 'a...b'.")
