"""``plan --save`` and ``push``: what was looked at is what goes."""

from __future__ import annotations

import pytest

from candu_sync.simulator import Simulator
from tests.support.folder import Folder


def test_what_was_looked_at_is_what_goes(project: Folder, simulator: Simulator) -> None:
    project.people(3)
    project.model("users/profile", "select * from people")
    shown = project.cli("plan", "users/profile", "--save", "--json").row
    assert simulator.requests() == []
    project.query("update people set plan = 'enterprise'")
    sent = project.cli("push", "users/profile", "--json").row
    assert (sent["run_id"], sent["accepted"], sent["status"]) == (shown["run_id"], 3, "succeeded")
    assert {user["plan"] for user in simulator.users().values()} == {"pro", "free"}


def test_changes_are_pushed_once(project: Folder) -> None:
    project.people(3)
    project.model("users/profile", "select * from people")
    ended = project.cli("push", "users/profile")
    assert (ended.code, "plan users/profile --save" in ended.err) == (1, True)
    assert "candu-sync push users/profile" in project.cli("plan", "users/profile", "--save").out
    assert project.cli("push", "users/profile").code == 0
    assert project.cli("push", "users/profile").code == 1


def test_changes_of_an_older_snapshot_are_refused(project: Folder, simulator: Simulator) -> None:
    project.people(3)
    project.model("users/profile", "select * from people")
    project.cli("plan", "users/profile", "--save")
    project.cli("baseline", "users/profile")
    ended = project.cli("push", "users/profile", "--json")
    assert (ended.code, ended.row["status"], simulator.requests()) == (1, "failed", [])
    assert "make the plan again" in ended.err


def test_a_guard_stops_the_push_too(project: Folder, simulator: Simulator) -> None:
    project.people(3)
    project.model("users/profile", "select * from people where false")
    assert project.cli("plan", "users/profile").code == 0
    assert project.cli("plan", "users/profile", "--save", "--exit-code").code == 3
    assert project.cli("push", "users/profile").code == 3
    assert project.cli("push", "users/profile", "--force").code == 0


def test_each_partition_that_is_staged_is_pushed(project: Folder, simulator: Simulator) -> None:
    project.people(4)
    project.model("users/plans", "select user_id, plan from people where plan = :partition",
                  "partitions: {static: [pro, free]}")
    project.cli("plan", "users/plans", "--save", "--partition", "pro")
    assert [row["partition"] for row in project.cli("push", "users/plans", "--json").rows] == ["pro"]
    project.cli("plan", "users/plans", "--save")
    assert len(project.cli("push", "users/plans", "--json").rows) == 2
    assert len(simulator.users()) == 4


def test_a_pattern_pushes_what_is_staged_of_it(project: Folder, simulator: Simulator) -> None:
    project.people(2)
    for name in ("users/plans", "users/tiers", "groups/teams"):
        trait = name.replace("/", "_")
        project.model(name, f"select user_id, 'g1' as group_id, plan as {trait} from people" if "groups" in name
                      else f"select user_id, plan as {trait} from people")
    project.cli("plan", "users/plans", "groups/teams", "--save")
    pushed = project.cli("push", "users/*", "--json")
    assert [row["sync"] for row in pushed.rows] == ["users/plans"]
    assert "1 sync has no staged changes, and nothing of it is sent" in pushed.err
    assert [row["sync"] for row in project.cli("push", "--all", "--json").rows] == ["groups/teams"]
    named = project.cli("push", "users/plans", "users/tiers")
    assert (named.code, named.err.count("no changes are staged")) == (1, 2)


def test_a_partition_of_which_nothing_is_staged_is_named(project: Folder) -> None:
    project.people(2)
    project.model("users/plans", "select user_id, plan from people where plan = :partition",
                  "partitions: {static: [pro, free]}")
    said = project.cli("push", "users/plans", "--partition", "pro").err
    assert ("users/plans [pro]: no changes are staged; `candu-sync plan users/plans --partition pro --save` stages "
            "what it shows") in said


@pytest.mark.parametrize("words", [("--all",), ("users/*",), ("users",), ("--tag", "weekly"), ("--failed",)])
def test_a_pattern_of_which_nothing_is_staged_has_nothing_to_do(project: Folder, words: tuple[str, ...]) -> None:
    for name in ("users/plans", "users/seats"):
        project.model(name, "select * from a_table_that_is_not_there", "tags: {weekly: 'yes'}")
    project.cli("run", "--all")
    ended = project.cli("push", *words)
    assert (ended.code, ended.out) == (0, "")
    assert ended.err.count("nothing is staged, and nothing is sent (2 syncs without staged changes)") == 1
    shown = project.cli("push", *words, "--json")
    assert (shown.code, shown.rows) == (0, [])


def test_push_of_nothing_in_particular_is_refused(project: Folder) -> None:
    assert "push what? Name a sync" in project.cli("push").err


def test_a_plan_that_its_guard_stops_is_staged_with_the_words_that_pass_it(project: Folder, simulator: Simulator,
                                                                          ) -> None:
    project.people(2)
    project.model("users/plans", "select user_id, plan from people where plan = :partition",
                  "partitions: {static: [pro, free]}\nguard: {min_rows: 5}")
    said = project.cli("plan", "users/plans", "--save", "--partition", "pro").out
    assert ("staged: `candu-sync push users/plans --partition pro --allow rows` sends this past the guard, and nothing "
            "else") in said
    assert project.cli("push", "users/plans", "--partition", "pro").code == 3
    assert project.cli("push", "users/plans", "--partition", "pro", "--allow", "rows").code == 0
    assert list(simulator.users()) == ["u0"]
