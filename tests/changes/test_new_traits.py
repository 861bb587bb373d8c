"""Adding a trait changes every row. Rows of which nothing but new traits changed are counted apart from the others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from candu_sync.changes.change_set import ChangeSet
from candu_sync.simulator import Simulator
from candu_sync.syncs.sync import Sync
from tests.support.folder import Folder
from tests.support.lab import Lab

NAME = "users/profile"


def known(lab: Lab, rows: int = 100, sql: str = "select * from people", yaml: str = "") -> Sync:
    """A sync of users with a plan, whom Candu knows."""
    lab.query("create or replace table people as select 'u' || i as user_id, if(i % 2 = 0, 'pro', 'free') as plan "
              f"from range({rows}) t(i)")
    sync = lab.sync(NAME, sql, yaml)
    assert lab.run(sync).accepted == rows
    return sync


def counts(changes: ChangeSet) -> tuple[int, int, dict[str, int]]:
    """Changed rows, those of new traits only, and these for each trait."""
    return changes.summary.changed, changes.summary.new_traits_rows, changes.summary.new_traits


def test_a_new_column_does_not_stop_a_run_and_is_counted_apart(lab: Lab, simulator: Simulator) -> None:
    sync = known(lab)
    lab.query("alter table people add column tier varchar; update people set tier = 'a' where user_id <> 'u7'; "
              "alter table people add column seats int; update people set seats = 5 where user_id < 'u2'")
    result = lab.run(sync)
    assert (result.status, result.changed, result.accepted) == ("succeeded", 99, 99)
    assert result.new_traits == {"tier": 99, "seats": 12}
    assert result.to_json()["new_traits"] == {"tier": 99, "seats": 12}
    assert simulator.users()["u1"] == {"plan": "free", "tier": "a", "seats": 5}
    assert all(sent["payload"]["traits"].keys() <= {"tier", "seats"} for sent in simulator.messages()[100:])
    assert lab.run(sync).requests == 0


def test_a_row_that_changes_otherwise_too_counts_as_changed(lab: Lab) -> None:
    sync = known(lab)
    lab.query("alter table people add column tier varchar default 'a'; "
              "update people set plan = 'team' where user_id < 'u6'")
    changed = lab.plan(sync).summary
    assert (changed.changed, changed.new_traits) == (100, {"tier": 44})
    result = lab.run(sync)
    assert result.status == "guarded"
    # The new trait has changed most, and is not why.
    assert "56 of 100 rows changed (56.0%), max_changed is 50.0% (most: plan 56)" in str(result.error)


def test_a_limit_for_them_by_itself(lab: Lab) -> None:
    sync = known(lab, yaml="guard: {max_new_traits_rows: 99}")
    lab.query("alter table people add column tier varchar default 'a'")
    stopped = lab.run(sync)
    assert (stopped.status, stopped.exit_code) == ("guarded", 3)
    assert "100 rows get nothing but new traits (tier 100), max_new_traits_rows is 99" in str(stopped.error)
    assert "--allow new_traits_rows" in str(stopped.error)
    assert lab.run(sync, allow={"changed"}).status == "guarded"
    assert lab.run(sync, allow={"new_traits_rows"}).accepted == 100


def test_max_messages_still_counts_them(lab: Lab) -> None:
    sync = known(lab, yaml="guard: {max_messages: 100}")
    lab.query("alter table people add column tier varchar default 'a'; insert into people values ('new', 'pro', 'a')")
    assert "101 messages to send, max_messages is 100" in str(lab.run(sync).error)


def test_with_payload_full_the_other_traits_go_along_and_did_not_change(lab: Lab) -> None:
    sync = known(lab, yaml="payload: full")
    lab.query("alter table people add column tier varchar default 'a'; "
              "update people set plan = 'x' where user_id = 'u1'")
    changes = lab.plan(sync)
    assert counts(changes) == (100, 99, {"tier": 99})
    assert changes.summary.traits == {"plan": 100, "tier": 100}
    assert lab.run(sync).status == "succeeded"


def test_a_full_run_counts_what_changed(lab: Lab) -> None:
    sync = known(lab)
    lab.query("alter table people add column tier varchar; update people set tier = 'a' where user_id < 'u5'")
    changes = lab.plan(sync, full=True)
    assert counts(changes) == (45, 45, {"tier": 45})
    assert changes.summary.messages == 100


def test_a_key_of_rename_is_a_new_trait(lab: Lab, simulator: Simulator) -> None:
    known(lab)
    sync = lab.sync(NAME, "select * from people", "rename: {plan: tier}")
    result = lab.run(sync)
    assert (result.status, result.new_traits) == ("succeeded", {"tier": 100})
    assert simulator.users()["u1"] == {"plan": "free", "tier": "free"}


def test_a_trait_that_comes_back_is_not_new(lab: Lab) -> None:
    known(lab)
    without = lab.sync(NAME, "select user_id, 1 as seats from people")
    assert lab.run(without).new_traits == {"seats": 100}
    assert lab.run(without).new_traits == {}
    back = lab.sync(NAME, "select * from people")
    result = lab.run(back)
    assert (result.status, result.new_traits) == ("guarded", {})
    assert "100 of 100 rows changed" in str(result.error)
    assert lab.run(back, allow={"changed"}).accepted == 100
    again = lab.sync(NAME, "select *, 1 as seats from people")
    assert lab.run(again).status == "guarded"


def test_another_type_of_a_trait_is_not_a_new_trait(lab: Lab) -> None:
    known(lab)
    sync = lab.sync(NAME, "select user_id, length(plan) as plan from people")
    result = lab.run(sync)
    assert (result.status, result.new_traits) == ("guarded", {})


def test_what_a_partition_had_is_new_in_another_one(lab: Lab) -> None:
    lab.query("create table people as select 'u' || i as user_id, if(i < 100, 'eu', 'us') as place, 'pro' as plan "
              "from range(200) t(i)")
    sql, yaml = "select user_id, {} from people where place = :partition", "partitions: {static: [eu, us]}"
    sync = lab.sync(NAME, sql.format("plan"), yaml)
    assert [lab.run(sync, key).accepted for key in ("eu", "us")] == [100, 100]
    sync = lab.sync(NAME, sql.format("plan, 1 as seats"), yaml)
    assert lab.run(sync, "eu").new_traits == {"seats": 100}
    assert lab.run(sync, "us").new_traits == {"seats": 100}


def test_of_groups_rows_are_counted_as_the_guard_counts_them(lab: Lab) -> None:
    lab.query("create table members as select 'g' || i % 4 as group_id, 'u' || i as user_id, 'pro' as plan "
              "from range(100) t(i)")
    sync = lab.sync("groups/accounts", "select * from members")
    lab.run(sync)
    lab.query("alter table members add column seats int default 5; update members set plan = 'x' where group_id = 'g0'")
    result = lab.run(sync)
    assert (result.status, result.changed, result.new_traits) == ("succeeded", 100, {"seats": 75})
    assert (result.messages, result.traits) == (4, {"seats": 4, "plan": 1})


def interrupted_by_a_sample(lab: Lab, sync: Sync, simulator: Simulator) -> None:
    assert lab.run(sync, sample=20).accepted == 20


def interrupted_by_candu(lab: Lab, sync: Sync, simulator: Simulator) -> None:
    lab.overrides |= {"batch_size": 20, "concurrency": 1}
    simulator.fault("status", status=503, after=1)
    assert lab.run(sync).accepted == 20
    simulator.clear_faults()


def interrupted_after_two_keys(lab: Lab, sync: Sync, simulator: Simulator) -> None:
    assert lab.run(sync, keys=[f"u{i}" for i in range(20)]).new_traits == {"tier": 20}


@pytest.mark.parametrize("interrupt", [interrupted_by_a_sample, interrupted_by_candu, interrupted_after_two_keys])
def test_a_backfill_that_was_interrupted_goes_on(
        lab: Lab, simulator: Simulator, interrupt: Callable[[Lab, Sync, Simulator], None]) -> None:
    sync = known(lab)
    lab.query("alter table people add column tier varchar default 'a'")
    interrupt(lab, sync, simulator)
    rest = lab.run(sync)
    assert (rest.status, rest.accepted, rest.new_traits) == ("succeeded", 80, {"tier": 80})
    lab.query("update people set tier = 'b'")
    assert lab.run(sync).status == "guarded"


def test_during_a_backfill_a_value_that_candu_has_changes_as_any_other(lab: Lab, simulator: Simulator) -> None:
    sync = known(lab)
    lab.query("alter table people add column tier varchar default 'a'")
    assert lab.run(sync, sample=60).accepted == 60
    lab.query("update people set tier = 'b'")
    result = lab.run(sync)
    assert (result.status, result.changed, result.new_traits) == ("guarded", 100, {"tier": 40})
    assert "60 of 100 rows changed (60.0%)" in str(result.error)


@pytest.mark.parametrize("first", [False, True])
def test_a_column_that_is_filled_later_is_new_then(lab: Lab, first: bool) -> None:
    """It was in the first run, or came later; other changes were committed meanwhile."""
    sync = known(lab, sql="select *, null::varchar as tier from people" if first else "select * from people")
    lab.query("alter table people add column tier varchar; update people set plan = 'x' where user_id = 'u1'")
    sync = lab.sync(NAME, "select * from people")
    assert lab.run(sync).traits == {"plan": 1}
    lab.query("update people set tier = 'a'")
    result = lab.run(sync)
    assert (result.status, result.new_traits) == ("succeeded", {"tier": 100})


def test_a_staged_plan_has_them_when_it_is_pushed(lab: Lab) -> None:
    sync = known(lab)
    lab.query("alter table people add column tier varchar default 'a'")
    changes = lab.plan(sync)
    assert changes.new_traits == ("tier",)
    result = lab.push(sync, changes)
    assert (result.accepted, result.new_traits) == (100, {"tier": 100})


def test_the_recipe_for_a_trait_that_is_renamed(lab: Lab, simulator: Simulator) -> None:
    known(lab)
    both = lab.run(lab.sync(NAME, "select user_id, plan, plan as plan_name from people"))
    assert (both.status, both.new_traits) == ("succeeded", {"plan_name": 100})
    assert simulator.users()["u1"] == {"plan": "free", "plan_name": "free"}


@pytest.mark.parametrize(("yaml", "value"), [("", "cast(null as varchar)"), ("nulls: omit", "'unknown'")])
def test_the_recipe_for_a_trait_that_is_dropped(lab: Lab, simulator: Simulator, yaml: str, value: str) -> None:
    known(lab, yaml=yaml)
    emptied = lab.sync(NAME, f"select user_id, {value} as plan, 1 as seats from people", yaml)
    assert lab.run(emptied).status == "guarded"
    assert lab.run(emptied, allow={"changed"}).accepted == 100
    dropped = lab.sync(NAME, "select user_id, 1 as seats from people", yaml)
    assert lab.plan(dropped).summary.gone_traits == ["plan"]
    assert lab.run(dropped).messages == 0
    assert simulator.users()["u1"].get("plan") in (None, "unknown")


def test_events_have_none(lab: Lab) -> None:
    sql = "select 'e' || i as event_id, 'u' as user_id, 'Ran' as event, now() as timestamp{} from range(3) t(i)"
    lab.query("create table nothing as select 1")
    lab.run(lab.sync("events/runs", sql.format("")))
    assert lab.run(lab.sync("events/runs", sql.format(", 1 as extra"))).new_traits == {}


def test_plan_and_run_show_the_backfill(project: Folder) -> None:
    project.people(3)
    project.model(NAME, "select * from people")
    project.cli("run", NAME)
    project.people(3, tier="'a'")
    shown = project.cli("plan", NAME)
    assert "\nbackfill of tier: 3 rows\n" in shown.out
    assert project.cli("plan", NAME, "--json").row["new_traits"] == {"tier": 3}
    assert f"\n{NAME}: backfill of tier: 3 rows\n" in project.cli("run", NAME).out
    assert "backfill" not in project.cli("run", NAME).out


def test_a_model_of_which_no_trait_ever_had_a_value(lab: Lab, simulator: Simulator) -> None:
    """Where all columns were null in all rows, a new user ended the plan with an error of the engine."""
    lab.table("people", user_id=["u1"], plan=[None], seats=[None])
    sync = lab.sync(NAME, "select * from people")
    assert lab.run(sync).messages == 0
    lab.table("people", user_id=["u1", "u2"], plan=[None, None], seats=[None, None])
    assert (lab.run(sync).error, simulator.messages()) == (None, [])
    lab.table("people", user_id=["u1", "u2"], plan=["pro", None], seats=[None, 5])
    assert lab.run(sync).accepted == 2
