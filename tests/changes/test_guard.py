"""Guards stop a run before anything is sent, in words and figures; --force goes past."""

from __future__ import annotations

from typing import Any

import pytest

from candu_sync import pipeline
from candu_sync.changes.guard import GUARDS, guard_names, tripped
from candu_sync.changes.summary import Summary
from candu_sync.commit.run_result import RunResult
from candu_sync.pipeline import guard
from candu_sync.simulator import Simulator
from candu_sync.syncs.spec import Guard
from candu_sync.syncs.sync import Sync
from candu_sync.target import Target
from tests.support.lab import Lab, error_of


def people(lab: Lab, count: int, plan: str = "'pro'") -> None:
    lab.query(f"create or replace table people as select 'u' || i as user_id, {plan} as plan from range({count}) t(i)")


def users(lab: Lab, yaml: str = "") -> Sync:
    return lab.sync("users/model", "select * from people", yaml)


def known(lab: Lab, count: int, yaml: str = "") -> Sync:
    """A sync of so many users, whom Candu knows."""
    people(lab, count)
    sync = users(lab, yaml)
    assert lab.run(sync, force=True).accepted == count
    return sync


def stopped(lab: Lab, simulator: Simulator, sync: Sync, **options: Any) -> str:
    """What the guard said; nothing was sent, and the snapshot is as it was."""
    requests, version = len(simulator.requests()), lab.state(sync).current()
    result: RunResult = lab.run(sync, **options)
    assert (result.status, result.exit_code, result.accepted, result.requests) == ("guarded", 3, 0, 0)
    assert (len(simulator.requests()), lab.state(sync).current()) == (requests, version)
    return str(result.error)


def test_an_empty_result_is_stopped_by_default(lab: Lab, simulator: Simulator) -> None:
    people(lab, 0)
    said = stopped(lab, simulator, users(lab))
    assert said.startswith("users/model: stopped by a guard, nothing was sent: the model returned 0 rows, min_rows is ")
    assert "--force" in said


def test_an_hour_without_events_is_a_normal_one(lab: Lab) -> None:
    lab.query("create table none as select 'e' as event_id, 'u' as user_id, 'x' as event, now() as timestamp limit 0")
    assert lab.run(lab.sync("events/model", "select * from none")).status == "succeeded"


def test_too_many_invalid_rows_stop_only_where_a_limit_is_set(lab: Lab, simulator: Simulator) -> None:
    model = "select case when i < 3 then null else 'u' || i end as user_id, i as seats from range(100) t(i)"
    lab.query("create table nothing (a int)")
    said = stopped(lab, simulator, lab.sync("users/model", model, "guard: {max_invalid: 0.02}"))
    assert "3 of 100 rows are invalid (3.0%; null key 3), max_invalid is 2.0%" in said
    assert lab.run(lab.sync("users/model", model, "guard: {max_invalid: 0.03}")).accepted == 97
    assert lab.run(lab.sync("users/model", model)).status == "succeeded"


def test_too_many_changed_rows(lab: Lab, simulator: Simulator) -> None:
    sync = known(lab, 200, "guard: {max_changed: 0.1}")
    people(lab, 200, "case when i < 21 then 'max' else 'pro' end")
    assert "21 of 200 rows changed (10.5%), max_changed is 10.0% (most: plan 21)" in stopped(lab, simulator, sync)
    people(lab, 200, "case when i < 20 then 'max' else 'pro' end")
    assert lab.run(sync).accepted == 20


def test_too_many_removed_rows(lab: Lab, simulator: Simulator) -> None:
    sync = known(lab, 200)
    people(lab, 159)
    assert "41 of 200 rows removed (20.5%), max_removed is 20.0%" in stopped(lab, simulator, sync)
    people(lab, 160)
    assert lab.run(sync).removed == 40


def test_too_many_messages_from_the_first_run_on(lab: Lab, simulator: Simulator) -> None:
    people(lab, 1_001)
    sync = users(lab, "guard: {max_messages: 1000}")
    assert "1,001 messages to send, max_messages is 1,000" in stopped(lab, simulator, sync)
    people(lab, 1_000)
    assert lab.run(sync).accepted == 1_000


def test_several_guards_speak_together(lab: Lab, simulator: Simulator) -> None:
    sync = known(lab, 100, "guard: {min_rows: 50}")
    people(lab, 10, "'max'")
    said = stopped(lab, simulator, sync)
    assert "the model returned 10 rows, min_rows is 50; 90 of 100 rows removed (90.0%)" in said


@pytest.mark.parametrize(("rows", "status"), [(99, "succeeded"), (100, "guarded")])
def test_shares_count_from_a_hundred_rows_on(lab: Lab, rows: int, status: str) -> None:
    sync = known(lab, rows)
    people(lab, rows, "'max'")
    assert lab.run(sync).status == status


def test_a_null_is_no_limit(lab: Lab) -> None:
    sync = known(lab, 100, "guard: {min_rows: null, max_changed: null, max_removed: null}")
    people(lab, 0)
    assert lab.run(sync).removed == 100


def test_force_goes_past(lab: Lab) -> None:
    sync = known(lab, 100)
    people(lab, 100, "'max'")
    assert lab.run(sync).status == "guarded"
    assert lab.run(sync, force=True).accepted == 100


def test_a_full_run_is_measured_by_what_changed(lab: Lab) -> None:
    sync = known(lab, 100)
    assert lab.run(sync, full=True).accepted == 100


def test_rows_that_left_earlier_do_not_count(lab: Lab, simulator: Simulator) -> None:
    sync = known(lab, 120)
    people(lab, 100)
    assert lab.run(sync).removed == 20
    people(lab, 79)
    assert "21 of 100 rows removed (21.0%)" in stopped(lab, simulator, sync)


def test_a_guard_can_be_asked_about_a_plan(lab: Lab, simulator: Simulator) -> None:
    sync = known(lab, 100)
    people(lab, 50)
    with lab.project() as project:
        found = guard(Target(project, sync), lab.plan(sync))
        assert found is not None
        assert found.reasons == ["50 of 100 rows removed (50.0%), max_removed is 20.0%"]
        people(lab, 100)
        assert guard(Target(project, sync), lab.plan(sync)) is None
    assert len(simulator.requests()) == 1


def test_unknown_events_of_a_time_that_was_sent(lab: Lab) -> None:
    sync = known(lab, 1)

    def late(count: int, unchanged: int, **options: Any) -> list[str]:
        events = sync.model_copy(update={"kind": "events", "guard": Guard(min_rows=0, **options)})
        return [trip.sentence for trip in tripped(events, Summary(
            rows=count + unchanged, added=count, changed=0, removed=0, unchanged=unchanged, invalid=0, held=0,
            messages=count, bytes=0, traits={}, snapshot_rows=5_000, late=count, missed=count))]

    assert late(90, 10) == []
    assert "91 of 100 events that are older than the newest one sent are unknown (91.0%), max_added is 90.0%" in (
        late(91, 9)[0])
    assert late(99, 0) == []
    assert late(60, 50, max_added=0.5) != []
    assert late(100, 0, max_added=None) == []


def test_allow_passes_the_guards_that_are_named_and_no_other(lab: Lab, simulator: Simulator) -> None:
    sync = known(lab, 200, "guard: {max_messages: 300}")
    people(lab, 100, "'max'")
    said = stopped(lab, simulator, sync)
    assert "100 of 200 rows removed" in said
    assert "rows changed" not in said  # 50 % is what max_changed allows
    assert "run again with --allow removed, which passes this guard and no other, or with --force" in said
    assert "--allow removed" in stopped(lab, simulator, sync, allow={"changed", "rows", "added", "messages"})
    people(lab, 90, "'max'")
    lab.query("insert into people select 'new' || i, 'pro' from range(250) t(i)")
    assert "--allow removed,messages, which passes these guards" in stopped(lab, simulator, sync)
    assert "--allow messages" in stopped(lab, simulator, sync, allow={"removed"})
    assert "--allow removed" in stopped(lab, simulator, sync, allow={"messages"})
    assert lab.run(sync, allow={"removed", "messages"}).accepted == 340


def test_an_empty_result_passes_the_guard_that_is_named_for_it(lab: Lab, simulator: Simulator) -> None:
    sync = known(lab, 100)
    people(lab, 0)
    assert "--allow rows,removed" in stopped(lab, simulator, sync)
    assert "--allow rows" in stopped(lab, simulator, sync, allow={"removed"})
    assert lab.run(sync, allow={"removed", "rows"}).removed == 100


def test_an_empty_result_without_anything_to_do(lab: Lab, simulator: Simulator) -> None:
    people(lab, 0)
    sync = users(lab)
    assert "--allow rows" in stopped(lab, simulator, sync)
    assert lab.run(sync, allow={"rows"}).status == "succeeded"


def test_what_a_plan_may_pass_is_staged_with_it(lab: Lab, simulator: Simulator) -> None:
    sync = known(lab, 200)
    people(lab, 200, "'max'")
    lab.plan(sync, allow={"removed"})
    with lab.project() as project:
        assert pipeline.push_staged(Target(project, sync))[1].status == "guarded"
    lab.plan(sync, allow={"changed"})
    with lab.project() as project:
        assert pipeline.push_staged(Target(project, sync))[1].accepted == 200
    people(lab, 200, "'min'")
    assert "--allow changed" in stopped(lab, simulator, sync)


def test_the_explanation_of_other_keys_goes_with_the_guard_that_it_explains(lab: Lab, simulator: Simulator) -> None:
    known(lab, 200)
    people(lab, 200, "'plan ' || i")
    other = users(lab, "key: [user_id, plan]")
    said = stopped(lab, simulator, other)
    assert "removed (100.0%)" in said
    assert "the key was user_id" in said
    assert "--allow removed, which passes this guard" in said
    assert lab.run(other, allow={"removed"}).status == "succeeded"


def test_events_of_a_renamed_sync_pass_by_name(lab: Lab) -> None:
    sql = "select 'e' || i as event_id, 'u' as user_id, 'Ran' as event, now() as timestamp from range(3) t(i)"
    people(lab, 1)
    lab.run(lab.sync("events/runs", sql))
    (lab.sql / "events/runs.sql").unlink()
    (lab.sql / "events/runs.yaml").unlink()
    sync = lab.sync("events/walks", sql)
    with lab.project() as project:
        project.declared = frozenset({sync.name})
        assert "--allow renamed" in str(pipeline.run(Target(project, sync)).error)
        assert pipeline.run(Target(project, sync), allow={"added"}).status == "guarded"
        assert pipeline.run(Target(project, sync), allow={"renamed"}).accepted == 3


def test_a_guard_is_named_by_its_setting_or_without_min_and_max() -> None:
    assert GUARDS == ("rows", "changed", "removed", "added", "messages", "invalid", "new_traits_rows",
                      "renamed")
    assert guard_names(["max_changed, removed", "min_rows"]) == {"changed", "removed", "rows"}
    for word, says in (("chnged", "there is no guard chnged; did you mean changed? (there are: rows, changed, "),
                       ("", "there is no guard "), ("max_new_traits", "did you mean new_traits_rows?")):
        assert says in error_of(guard_names, [word])
