"""The keys that Dagster makes and the keys that the engine reads are the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from dagster import DagsterInvalidDefinitionError, StaticPartitionsDefinition, TimeWindowPartitionsDefinition

from candu_sync.partitions import window, windows
from candu_sync.spec import Partitions
from dagster_defs.partitions import is_partition_key, partitions_def
from tests.dagster.conftest import Room

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
    assert room.materialize("changes/users/segments", "candu/users/segments", partition=key).success
    assert room.simulator.users() == {"u1": {"segment": key}}
