"""`reshard`: what was sent moves to another number of shards, and nothing is sent again."""

from __future__ import annotations

import pytest

from candu_sync.simulator import Simulator
from tests.support.folder import Folder
from tests.support.killing import killed_at

PEOPLE = "select * from people"
MEMBERS = "select plan || user_id as group_id, user_id, length(plan) as size from people"
VISITS = ("select user_id || '-1' as event_id, user_id, 'Ran' as event, timestamp '2026-11-01 06:00' as timestamp "
          "from people")


def shards(count: int | None, more: str = "") -> str:
    return more if count is None else f"partitions: {{shards: {count}}}\n{more}"


def total(project: Folder, sync: str) -> dict[str, int]:
    """A run of all shards, added up."""
    rows = project.cli("run", sync, "--json").rows
    assert {row["status"] for row in rows} == {"succeeded"}
    return {name: sum(row[name] for row in rows) for name in ("added", "changed", "unchanged", "removed", "requests")}


@pytest.mark.parametrize(("where", "sync", "sql"), [
    ("s3", "users/profile", PEOPLE), ("disk", "groups/plans", MEMBERS), ("disk", "events/visits", VISITS)])
def test_nothing_is_sent_again(project: Folder, simulator: Simulator, request: pytest.FixtureRequest, where: str,
                               sync: str, sql: str) -> None:
    if where == "s3":
        project.overrides["state_url"] = request.getfixturevalue("s3_url")
    project.people(40)
    project.model(sync, sql, shards(None))
    project.cli("run", sync)
    sent = len(simulator.messages())
    assert sent
    before: int | None = None
    for count in (3, 2, None):
        project.model(sync, sql, shards(count))
        refused = project.cli("run", sync)
        assert refused.code == 2
        assert f"run `candu-sync reshard {sync} {count or 1}`" in refused.err
        moved = project.cli("reshard", sync, str(count or 1), "--json").row
        assert (moved["shards"], moved["before"], moved["after"], moved["rows"]) == (
            count or 1, before or 1, count or 1, 40)
        found = total(project, sync)
        assert (found["added"], found["changed"], found["removed"], found["requests"]) == (0, 0, 0, 0)
        assert found["unchanged"] == 40
        before = count
        assert project.cli("reshard", sync, str(count or 1), "--json").row["before"] == 0
        partitions = [row["partition"] for row in project.cli("status", "--json").rows]
        assert len(partitions) == (count or 1), partitions
    assert len(simulator.messages()) == sent


def test_what_was_refused_goes_along(project: Folder, simulator: Simulator) -> None:
    project.people(40)
    project.model("groups/plans", MEMBERS.replace("plan || user_id as", "'a|' || user_id as"), shards(3))
    simulator.fault("refuse", user_ids=["u0", "u7"], status=422)
    project.cli("run", "groups/plans")
    simulator.clear_faults()
    rejected = project.cli("rejected", "groups/plans", "--json").rows
    assert [row["key"] for row in sorted(rejected, key=lambda row: row["key"])] == [r"a\|u0|u0", r"a\|u7|u7"]
    project.model("groups/plans", MEMBERS.replace("plan || user_id as", "'a|' || user_id as"), shards(5))
    assert project.cli("reshard", "groups/plans", "5").code == 0
    moved = project.cli("rejected", "groups/plans", "--json").rows
    assert sorted(row["key"] for row in moved) == sorted(row["key"] for row in rejected)
    found = total(project, "groups/plans")
    assert (found["added"], found["changed"], found["requests"]) == (0, 0, 0)


def test_windows_keep_their_rows(project: Folder) -> None:
    project.people(20)
    model = VISITS.replace("from people", "from people where timestamp '2026-11-01 06:00' >= :window_start and "
                           "timestamp '2026-11-01 06:00' < :window_end")
    project.model("events/visits", model, "partitions: {daily: 2026-11-01}")
    window = ("--partition", "2026-11-01")
    assert project.cli("run", "events/visits", *window, "--json").row["accepted"] == 20
    project.model("events/visits", model, "partitions: {daily: 2026-11-01, shards: 2}")
    assert project.cli("reshard", "events/visits", "2", "--json").row["after"] == 2
    keys = [word for number in (0, 1) for word in ("--partition", f"2026-11-01|{number}-of-2")]
    rows = project.cli("run", "events/visits", *keys, "--json").rows
    assert [(row["partition"], row["requests"]) for row in rows] == [
        ("2026-11-01|0-of-2", 0), ("2026-11-01|1-of-2", 0)]
    assert sum(row["unchanged"] for row in rows) == 20


def test_it_is_refused_with_a_sentence(project: Folder) -> None:
    project.people(4)
    project.model("users/profile", PEOPLE, shards(2))
    for count, why in [("3", "its YAML has 2 shards. Write `shards: 3`"), ("1", "Remove `shards` from it first"),
                       ("2", "there is nothing to move: nothing was sent")]:
        refused = project.cli("reshard", "users/profile", count)
        assert (refused.code, why in refused.err) == (2, True), refused.err
    project.model("users/profile", "select * from people where plan = :partition", "partitions: {static: [free, pro]}")
    project.cli("run", "users/profile")
    project.model("users/profile", PEOPLE, shards(2))
    refused = project.cli("reshard", "users/profile", "2")
    assert (refused.code, "its state has a partition free" in refused.err) == (2, True), refused.err


@pytest.mark.slow
def test_a_move_that_is_killed_is_finished_by_the_next(project: Folder, simulator: Simulator) -> None:
    """It is killed at some of its writes, after which runs of the old and of the new settings are tried."""
    project.people(12)
    project.model("users/profile", PEOPLE, shards(2))
    project.cli("run", "users/profile")
    project.model("users/profile", PEOPLE, shards(3))
    sent, step, kills = len(simulator.messages()), 0, 0
    while True:
        if killed_at(project, step, "reshard", "users/profile", "3") != 9:
            break
        for count in (2, 3):
            project.model("users/profile", PEOPLE, shards(count))
            ended = project.cli("run", "users/profile")
        assert ended.code == 2
        assert "candu-sync reshard users/profile 3" in ended.err
        assert "the next run takes over" not in project.cli("status").out
        assert len(simulator.messages()) == sent
        step, kills = step + 9, kills + 1
    assert kills > 2
    found = total(project, "users/profile")
    assert (found["added"], found["changed"], found["unchanged"], found["requests"]) == (0, 0, 12, 0)
    assert len(simulator.messages()) == sent
