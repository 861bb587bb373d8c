"""A run of several partitions of one sync: each has its own guard, and one that fails keeps no other back."""

from __future__ import annotations

from typing import Any

import pytest
from dagster import AssetKey, AssetRecordsFilter, BackfillPolicy, ExecuteInProcessResult

from candu_sync.state import read_last_run
from candu_sync.syncs import Sync
from dagster_defs.ranges import MOST_IN_A_RUN, backfill_policy, range_tags
from tests.dagster.room import Room, evaluation

KEYS = "candu/users/plans_changes", "candu/users/plans"
CHANGES, PUSH = KEYS
PLANS = ["free", "pro", "team"]


def plans(room: Room, yaml: str = "guard: {min_rows: 1}", also: str = "") -> Sync:
    """A user of each plan, and a partition for each plan, which the warehouse gives."""
    room.table("people", user_id=["u0", "u1", "u2"], plan=PLANS)
    room.instance.add_dynamic_partitions("plans", PLANS)
    return room.sync("users/plans", f"select * from people where plan = :partition{also}",
                     f"partitions: {{dynamic: plans, values: select plan from people}}\n{yaml}")


def run(room: Room, *keys: str, of: list[str] | None = None) -> ExecuteInProcessResult:
    return room.materialize(*(keys or KEYS), tags=range_tags(of or PLANS))


def recorded(room: Room, key: str) -> dict[str, Any]:
    """Partition → the messages of each of its materializations, oldest first."""
    found: dict[str, list[Any]] = {}
    records = room.instance.fetch_materializations(AssetRecordsFilter(AssetKey(key.split("/"))), limit=100).records
    for event in (record.asset_materialization for record in reversed(records)):
        assert event is not None
        found.setdefault(str(event.partition), []).append(event.metadata["messages"].value)
    return found


def sentence(result: ExecuteInProcessResult) -> str:
    [event] = [event for event in result.all_events if event.is_step_failure]
    assert event.step_failure_data.user_failure_data is not None
    return event.step_failure_data.user_failure_data.description or ""


def test_each_partition_has_a_materialization_and_metadata_of_its_own(room: Room) -> None:
    plans(room)
    result = run(room)
    assert result.success
    assert set(room.simulator.users()) == {"u0", "u1", "u2"}
    assert recorded(room, CHANGES) == recorded(room, PUSH) == {plan: [1] for plan in PLANS}
    assert evaluation(result, "guard").passed
    run_of = room.instance.get_run_by_id(result.run_id)
    assert run_of is not None
    assert (run_of.tags["candu/accepted"], run_of.tags["candu/partitions"]) == ("3", "3")


def test_a_guard_stops_its_own_partition_and_no_other(room: Room) -> None:
    sync = plans(room)
    room.query("delete from people where plan = 'pro'")
    result = run(room)
    assert not result.success
    assert set(room.simulator.users()) == {"u0", "u2"}
    assert sentence(result).startswith("users/plans [pro]: stopped by a guard: the model returned 0 rows")
    assert recorded(room, PUSH) == {"free": [1], "team": [1]}
    assert set(recorded(room, CHANGES)) == set(PLANS)
    check = evaluation(result, "guard")
    assert (check.passed, check.metadata["partitions that did not pass"].value) == (False, 1)
    assert read_last_run(room.state(sync, "pro"))["status"] == "guarded"


def test_sql_that_fails_for_one_partition_stops_no_other_and_is_named(room: Room) -> None:
    plans(room, also=" and 1 / (case when plan = 'pro' then 0 else 1 end) is not null "
                     "and error(case when plan = 'pro' then 'broken' end) is null")
    result = run(room)
    assert sentence(result).startswith("users/plans [pro]: ")
    assert set(room.simulator.users()) == {"u0", "u2"}
    assert recorded(room, CHANGES) == recorded(room, PUSH) == {"free": [1], "team": [1]}


def test_after_a_passing_trouble_only_what_is_left_is_done(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDU_MAX_ATTEMPTS", "1")
    plans(room)
    room.simulator.fault("status", status=503, after=1, times=1, retry_after=0)
    result = run(room)
    assert result.success
    assert sum(event.is_step_up_for_retry for event in result.all_events) == 1
    assert recorded(room, CHANGES) == recorded(room, PUSH) == {plan: [1] for plan in PLANS}
    assert len(room.simulator.messages()) == 3


def test_a_guard_and_a_passing_trouble_in_one_run(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDU_MAX_ATTEMPTS", "1")
    plans(room)
    room.query("delete from people where plan = 'free'")
    room.simulator.fault("status", status=503, times=1, retry_after=0)
    result = run(room)
    assert sentence(result).startswith("users/plans [free]: stopped by a guard")
    assert recorded(room, PUSH) == {"pro": [1], "team": [1]}
    assert len(room.simulator.messages()) == 2


def test_who_moves_to_another_segment_of_the_run_ends_with_its_constants(room: Room) -> None:
    """Each partition is pushed before the next is planned, so it knows who came."""
    plans(room, "removed: {plan: none}\nguard: {min_rows: null, max_changed: null, max_removed: null}")
    assert run(room).success
    room.query("update people set plan = 'pro' where plan = 'team'")
    assert run(room).success
    assert room.simulator.users()["u2"]["plan"] == "pro"


def test_a_range_that_has_other_partitions_than_were_asked_for_sends_nothing(room: Room) -> None:
    """Another sync added keys to the list first, in another order."""
    plans(room)
    for of in (["free", "team", "pro"], ["team", "pro"]):
        result = run(room, of=of)
        assert "Nothing was sent. Launch those that are missing" in sentence(result)
    assert room.simulator.requests() == []


@pytest.mark.parametrize(("yaml", "most"), [
    ("{dynamic: plans, values: select 1}", MOST_IN_A_RUN), ("{static: [a, b]}", None), ("{daily: 2026-01-01}", None),
    ("{daily: 2026-01-01, dynamic: plans, values: select 1}", None)])
def test_a_backfill_takes_several_small_partitions_in_a_run(room: Room, yaml: str, most: int | None) -> None:
    sync = room.sync("users/plans", "select 'u' as user_id where :partition = '' and :window_start < now()"
                     if "daily" in yaml and "dynamic" in yaml else
                     "select 'u' as user_id where :window_start < now()" if "daily" in yaml else
                     "select 'u' as user_id where :partition = ''", f"partitions: {yaml}")
    assert backfill_policy(sync) == (BackfillPolicy.multi_run(most) if most else None)
