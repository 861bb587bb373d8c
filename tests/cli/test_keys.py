"""``run --key``: some rows go first, or once more, and everything that is known of the others stays as it was."""

from __future__ import annotations

import pytest

from candu_sync.simulator import Simulator
from tests.support.folder import Folder


def profile(project: Folder, rows: int = 6, yaml: str = "") -> None:
    project.people(rows, seats="i")
    project.model("users/profile", "select * from people", yaml)


def test_these_rows_first_then_the_rest(project: Folder, simulator: Simulator) -> None:
    profile(project)
    first = project.cli("run", "users/profile", "--key", "u1", "--key", "u3", "--json").row
    assert (first["rows"], first["added"], first["accepted"], first["waiting"]) == (2, 2, 2, 0)
    assert set(simulator.users()) == {"u1", "u3"}
    assert project.cli("status", "--json").row["last_run"] is None
    rest = project.cli("run", "users/profile", "--json").row
    assert (rest["rows"], rest["added"], rest["unchanged"], rest["accepted"]) == (6, 4, 2, 4)
    assert project.cli("run", "users/profile", "--json").row["requests"] == 0


def test_the_others_are_found_by_the_next_run_whatever_became_of_them(project: Folder, simulator: Simulator) -> None:
    profile(project, yaml="removed: {left: true}")
    project.cli("run", "users/profile")
    project.query("update people set plan = 'new' where user_id in ('u1', 'u2'); delete from people where user_id in "
                  "('u4', 'u5'); insert into people values ('u9', 'pro', 9)")
    row = project.cli("run", "users/profile", "--key", "u1", "--key", "u4", "--json").row
    assert (row["rows"], row["changed"], row["removed"], row["messages"]) == (1, 1, 1, 2)
    assert simulator.users()["u4"]["left"] is True
    assert "left" not in simulator.users()["u5"]
    rest = project.cli("run", "users/profile", "--json").row
    assert [rest[name] for name in ("added", "changed", "removed", "unchanged", "messages")] == [1, 1, 1, 3, 3]
    assert project.cli("run", "users/profile", "--json").row["requests"] == 0


def test_a_row_that_has_not_changed_goes_once_more_whole(project: Folder, simulator: Simulator) -> None:
    profile(project)
    project.cli("run", "users/profile")
    row = project.cli("run", "users/profile", "--key", "u2", "--json").row
    assert (row["rows"], row["unchanged"], row["accepted"], row["traits"]) == (1, 1, 1, {"plan": 1, "seats": 1})
    assert len(simulator.messages()) == 7
    assert project.cli("run", "users/profile", "--json").row["requests"] == 0


def test_a_refused_row_is_tried_again_and_the_other_stays_refused(project: Folder, simulator: Simulator) -> None:
    profile(project)
    simulator.fault("refuse", user_ids=["u0", "u4"], status=422)
    project.query("update people set user_id = null where user_id = 'u5'")
    project.cli("run", "users/profile")
    simulator.clear_faults()
    assert project.cli("run", "users/profile", "--key", "u0", "--json").row["accepted"] == 1
    left = project.cli("rejected", "users/profile", "--json").rows
    assert [(row["key"], row["outcome"]) for row in left] == [("u4", "refused"), (None, "invalid")]
    assert project.cli("run", "users/profile", "--json").row["requests"] == 0


def test_an_invalid_row_says_so_and_others_are_not_counted(project: Folder) -> None:
    project.table("people", user_id=["u1", "u2", "u2", None], plan=["a", "b", "c", "d"])
    project.model("users/profile", "select * from people")
    ended = project.cli("run", "users/profile", "--key", "u2", "--json")
    assert (ended.code, ended.row["invalid"], ended.row["reasons"]) == (4, 2, {"duplicate key": 2})


def test_the_guard_measures_what_goes(project: Folder, simulator: Simulator) -> None:
    project.people(100)
    project.model("users/profile", "select * from people", "guard: {min_rows: 50, max_messages: 100}")
    project.cli("run", "users/profile")
    project.query("update people set plan = 'new'")
    assert project.cli("run", "users/profile").code == 3
    before = project.cli("status", "--json").row
    assert project.cli("run", "users/profile", "--key", "u7", "--json").row["accepted"] == 1
    assert project.cli("status", "--json").row == before
    project.model("users/profile", "select * from people", "guard: {max_messages: 1}")
    assert project.cli("run", "users/profile", "--key", "u8", "--key", "u9").code == 3


def test_a_group_by_its_id_or_one_membership(project: Folder, simulator: Simulator) -> None:
    project.query("create table members as select * from (values ('g1', 'u1', 'pro'), ('g1', 'u2', 'pro'), "
                  "('g2', 'u3', 'free'), ('g2', 'u4', 'free')) t(group_id, user_id, plan)")
    project.model("groups/accounts", "select * from members")
    assert project.cli("run", "groups/accounts", "--key", "g1", "--json").row["added"] == 2
    assert project.cli("run", "groups/accounts", "--key", "g2|u3", "--json").row["added"] == 1
    assert project.cli("run", "groups/accounts", "--json").row["added"] == 1
    project.query("update members set plan = 'max' where group_id = 'g1'")
    row = project.cli("run", "groups/accounts", "--key", "g1", "--json").row
    assert (row["changed"], row["messages"]) == (2, 1)
    assert project.cli("run", "groups/accounts", "--json").row["requests"] == 0


def test_an_event_goes_once_and_the_cursor_stays(project: Folder, simulator: Simulator) -> None:
    project.model("events/visits", "select 'e' || i as event_id, 'u1' as user_id, 'Visited' as event, timestamp "
                  "'2026-11-01' + interval (i) day as timestamp from range(6) t(i) where timestamp '2026-11-01' + "
                  "interval (i) day >= coalesce(:since, timestamp '2026-01-01')", "cursor: {lookback: 1 day}")
    project.people(1)
    assert project.cli("run", "events/visits", "--key", "e5", "--json").row["accepted"] == 1
    again = project.cli("run", "events/visits", "--key", "e5", "--json")
    assert (again.code, again.row["requests"], "no row has the key e5" in again.err) == (2, 0, True)
    assert project.cli("run", "events/visits", "--json").row["accepted"] == 5
    assert len(simulator.events()) == 6


def test_a_trait_that_the_model_no_longer_gives_is_not_forgotten_by_a_few_rows(project: Folder) -> None:
    profile(project)
    project.cli("run", "users/profile")
    project.model("users/profile", "select user_id, plan from people")
    project.cli("run", "users/profile", "--key", "u1")
    project.model("users/profile", "select * from people")
    assert project.cli("run", "users/profile", "--json").row["requests"] == 0


def test_a_key_of_some_partition(project: Folder, simulator: Simulator) -> None:
    project.people(4)
    project.model("users/profile", "select * from people where plan = :partition", "partitions: {static: [free, pro]}")
    ended = project.cli("run", "users/profile", "--key", "u1")
    assert (ended.code, set(simulator.users())) == (0, {"u1"})
    unknown = project.cli("run", "users/profile", "--key", "u77")
    assert (unknown.code, "no row has the key u77" in unknown.err, unknown.out) == (2, True, "")
    assert project.cli("run", "users/profile", "--key", "u1", "--sample", "2").code == 2


def test_what_was_staged_for_a_key_is_what_goes(project: Folder, simulator: Simulator) -> None:
    profile(project)
    shown = project.cli("plan", "users/profile", "--key", "u1", "--save", "--values", "--json").row
    assert [row["message"]["traits"] for row in shown["sample"]] == [{"plan": "free", "seats": 1}]
    assert project.cli("push", "users/profile", "--json").row["accepted"] == 1
    assert set(simulator.users()) == {"u1"}


@pytest.fixture
def mixed(project: Folder) -> Folder:
    """A row of each sort."""
    profile(project, yaml="removed: {left: true}")
    project.cli("run", "users/profile")
    project.query("update people set plan = 'gold' where user_id in ('u1', 'u2'); delete from people where user_id = "
                  "'u4'; insert into people values ('ada@example.com', 'pro', 9), (null, 'pro', 1)")
    return project


def test_a_plan_shows_rows_of_each_sort_as_they_are_sent(mixed: Folder) -> None:
    rows = mixed.cli("plan", "users/profile", "--values", "--json").row["sample"]
    assert [(row["op"], row["key"]) for row in rows] == [
        ("added", "ada@example.com"), ("changed", "u1"), ("changed", "u2"), ("removed", "u4"), ("invalid", None)]
    assert rows[1]["message"]["traits"] == {"plan": "gold"}
    assert rows[3]["message"]["traits"] == {"left": True}
    assert rows[4]["reason"] == "null key"
    table = mixed.cli("plan", "users/profile", "--values", "--only", "changed", "--limit", "1").out
    assert '"traits": {"plan": "gold"}' in table
    assert "u2" not in table


def test_values_are_shown_on_demand_only(mixed: Folder) -> None:
    mixed.secrets = ("gold", "ada@")
    rows = mixed.cli("plan", "users/profile", "--limit", "3", "--json").row["sample"]
    assert rows[0] == {"key": "a…@…", "op": "added", "traits": ["plan", "seats"]}
    mixed.cli("plan", "users/profile", "--only", "added", "--save")
    assert mixed.cli("plan", "users/profile", "--only", "aded").code == 2


def test_a_plan_has_the_guard_the_reasons_and_an_estimate(mixed: Folder) -> None:
    mixed.model("users/profile", "select * from people", "guard: {max_messages: 1}")
    row = mixed.cli("plan", "users/profile", "--json", rate="10").row
    assert row["guard"] == ["3 messages to send, max_messages is 1"]
    assert row["reasons"] == {"null key": 1}
    assert (row["estimate"]["requests"], row["estimate"]["seconds"]) == (1, 0.1)
    assert row["estimate"]["bytes"] > 100
