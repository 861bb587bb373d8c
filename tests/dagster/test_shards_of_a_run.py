"""Shards of one sync in one run share the query of their totals, as those of one command do."""

from __future__ import annotations

import pytest
from dagster import AssetKey, AssetRecordsFilter, ExecuteInProcessResult

from dagster_defs.ranges import range_tags
from tests.dagster.room import CHANGES, PUSH, Room
from tests.support.shard_totals import noted_totals

_SHARDS = [f"{number}-of-4" for number in range(4)]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many shards' totals were asked for, each time."""
    return noted_totals(monkeypatch)


@pytest.fixture
def sharded(room: Room) -> Room:
    room.query("create table people as select 'u' || i as user_id, i::bigint as seats from range(80) t(i)")
    room.sync("users/people", "select * from people", "partitions: {shards: 4}\n")
    return room


def _run(room: Room) -> ExecuteInProcessResult:
    return room.materialize(CHANGES, PUSH, tags=range_tags(_SHARDS))


def _messages(room: Room) -> int:
    """Of the last run."""
    found = room.instance.fetch_materializations(AssetRecordsFilter(AssetKey(PUSH.split("/"))), limit=4).records
    counts = [record.asset_materialization.metadata["messages"].value for record in found
              if record.asset_materialization is not None]
    return sum(int(str(count)) for count in counts)


def test_one_query_finds_out_for_all_shards_of_a_run(sharded: Room, asked: list[int]) -> None:
    assert _run(sharded).success
    assert (_messages(sharded), len(sharded.simulator.users())) == (80, 80)
    sharded.query("update people set seats = 1000 where user_id = 'u7'")
    asked.clear()
    assert _run(sharded).success
    assert asked == [4]
    assert _messages(sharded) == 1
    assert sharded.simulator.users()["u7"]["seats"] == 1000


def test_a_change_between_two_runs_is_seen_although_the_shards_were_asked_for(sharded: Room, asked: list[int]) -> None:
    for seats in 1, 2, 3:
        sharded.query(f"update people set seats = {1000 + seats} where user_id = 'u{seats}'")
        assert _run(sharded).success
        assert sharded.simulator.users()[f"u{seats}"]["seats"] == 1000 + seats
