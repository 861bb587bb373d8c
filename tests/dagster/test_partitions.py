"""The keys that Dagster makes and the keys that the engine reads are the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from dagster import (
    DagsterInvalidDefinitionError,
    MultiPartitionsDefinition,
    StaticPartitionsDefinition,
    TimeWindowPartitionsDefinition,
)

from candu_sync.syncs.partition_spec import Partitions
from candu_sync.syncs.partitions import join, window, windows
from dagster_defs.partitions import is_partition_key, partitions_def
from tests.dagster.room import CHANGES, PUSH, Room

NOW = datetime(2026, 11, 15, 12, 34, tzinfo=UTC)


@pytest.mark.parametrize("given", [
    {"daily": "2026-11-01"}, {"hourly": "2026-11-14"}, {"hourly": "2026-11-14T13:30+05:45"},
    {"weekly": "2026-01-01"}, {"weekly": "2026-11-02"}, {"monthly": "2026-01-01"}, {"monthly": "2026-02-28"}], ids=str)
def test_windows_have_the_same_keys_and_bounds(given: dict[str, Any]) -> None:
    partitions = Partitions.model_validate(given)
    definition = partitions_def(partitions)
    assert isinstance(definition, TimeWindowPartitionsDefinition)
    keys = definition.get_partition_keys(current_time=NOW)
    assert keys == [w.key for w in windows(partitions, NOW)]
    assert len(keys) >= 1
    bounds = definition.time_window_for_partition_key(keys[-1])
    ours = window(partitions, keys[-1])
    assert (bounds.start.astimezone(UTC), bounds.end.astimezone(UTC)) == (ours.start, ours.end)


def test_static_keys_are_the_sync_s_own() -> None:
    definition = partitions_def(Partitions.model_validate({"static": ["eu", "us / ca", "日本"]}))
    assert definition is not None
    assert list(definition.get_partition_keys()) == ["eu", "us / ca", "日本"]


def test_shards_are_partitions_whose_guard_counts_over_all(room: Room) -> None:
    room.table("folk", user_id=[f"u{i}" for i in range(40)], plan=["pro"] * 40)
    room.sync("users/people", "select * from folk", "partitions: {shards: 2}\nguard: {max_messages: 39}")
    stopped = room.materialize(CHANGES, PUSH, partition="0-of-2")
    assert not stopped.success
    assert room.simulator.messages() == []
    room.sync("users/people", "select * from folk", "partitions: {shards: 2}\nguard: {max_messages: 40}")
    assert all(room.materialize(CHANGES, PUSH, partition=f"{number}-of-2").success for number in (0, 1))
    assert len(room.simulator.users()) == 40


class TestWindowsWithSegments:
    """Dagster's two dimensions are the engine's pairs."""

    YAML = "partitions: {daily: 2026-11-01, dynamic: regions, values: select distinct region from visits}"
    SQL = ("select user_id, plan from visits where region = :partition "
           "and day >= :window_start and day < :window_end")

    @pytest.mark.parametrize("every", [
        {"daily": "2026-11-13"}, {"hourly": "2026-11-15T11:00"}, {"weekly": "2026-11-02"}, {"monthly": "2026-09-01"}],
        ids=str)
    def test_keys_are_joined_in_the_same_order(self, room: Room, every: dict[str, Any]) -> None:
        partitions = Partitions.model_validate({**every, "static": ["eu", "us"]})
        definition = partitions_def(partitions)
        assert isinstance(definition, MultiPartitionsDefinition)
        keys = [str(key) for key in definition.get_partition_keys(current_time=NOW)]
        assert keys == [join(w.key, segment) for w in windows(partitions, NOW) for segment in ("eu", "us")]
        assert len(keys) >= 2

    def sync(self, room: Room) -> None:
        room.table("visits", user_id=["a", "b", "c"], plan=["free"] * 3, region=["eu", "us", "eu"],
                   day=[datetime(2026, 11, 1), datetime(2026, 11, 1), datetime(2026, 11, 2)])
        room.sync("users/visits", self.SQL, self.YAML)
        room.instance.add_dynamic_partitions("regions", ["eu", "us"])

    def test_a_pair_is_pushed_by_itself(self, room: Room) -> None:
        self.sync(room)
        result = room.materialize("candu/users/visits_changes", "candu/users/visits", partition="2026-11-01|eu")
        assert result.success
        assert room.simulator.users() == {"a": {"plan": "free"}}
        assert room.run(room.sync("users/visits", self.SQL, self.YAML), "2026-11-01|eu").messages == 0

    def test_a_key_that_dagster_would_silently_leave_out_is_reported(self) -> None:
        pairs = Partitions.model_validate({"daily": "2026-11-01", "dynamic": "regions", "values": "select 1"})
        for key in ("a|b", "a,b", "[a]"):
            assert is_partition_key(key)
            assert not is_partition_key(key, pairs)


def test_a_sync_without_partitions_has_none() -> None:
    assert partitions_def(None) is None


@pytest.mark.parametrize("key", ["trial", "at risk", "a,b", "a|b", "50%", "Ünïcode", "'quoted'", "a/b"])
def test_a_key_that_dagster_takes_is_taken(key: str) -> None:
    StaticPartitionsDefinition([key])
    assert is_partition_key(key)


@pytest.mark.parametrize("key", ["a...b", "a\nb", "a\tb"])
def test_a_key_that_dagster_refuses_is_left_out_of_dynamic_ones_too(key: str) -> None:
    with pytest.raises(DagsterInvalidDefinitionError):
        StaticPartitionsDefinition([key])
    assert not is_partition_key(key)


@pytest.mark.parametrize("key", ["", "  "])
def test_a_blank_key_is_left_out(key: str) -> None:
    assert not is_partition_key(key)


@pytest.mark.parametrize("key", ["at risk", "a,b", "a|b", "../up", "50%", "it's"])
def test_a_dynamic_partition_of_an_odd_name_is_pushed(room: Room, key: str) -> None:
    room.table("members", user_id=["u1", "u2"], segment=[key, "other"])
    room.sync("users/segments", "select * from members where segment = :partition",
              'partitions: {dynamic: segments, values: "select distinct segment from members"}')
    room.instance.add_dynamic_partitions("segments", [key])
    assert room.materialize("candu/users/segments_changes", "candu/users/segments", partition=key).success
    assert room.simulator.users() == {"u1": {"segment": key}}
