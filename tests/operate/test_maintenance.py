"""`baseline`, `reset`, `rejected`: what people do to a snapshot."""

from __future__ import annotations

import csv
import io

import pytest

from candu_sync.simulator import Simulator
from tests.support.folder import Folder

BY_PLAN = "select * from people where plan = :partition"
STATIC = "partitions: {static: [free, pro]}"
SET_ASIDE_KEYS = ["sync", "partition", "key", "outcome", "reason", "status", "at", "run_id"]


def test_a_baseline_sends_nothing_and_the_next_run_sends_what_changed(project: Folder, simulator: Simulator) -> None:
    project.people(5)
    project.model("users/profile", "select * from people")
    ended = project.cli("baseline", "users/profile", api_key="")
    assert (ended.code, ended.out) == (0, "users/profile: 5 rows are taken as sent\n")
    assert not simulator.requests()
    project.query("update people set plan = 'trial' where user_id = 'u1'")
    row = project.cli("run", "users/profile", "--json").row
    assert (row["changed"], row["unchanged"], row["accepted"]) == (1, 4, 1)
    assert simulator.users() == {"u1": {"plan": "trial"}}


def test_a_baseline_of_some_partitions_and_of_events(project: Folder, simulator: Simulator) -> None:
    project.people(4)
    project.model("users/profile", BY_PLAN, STATIC)
    project.model("events/visits", "select user_id as event_id, user_id, 'Ran' as event, now() as timestamp "
                                   "from people")
    assert project.cli("baseline", "users/profile", "--partition", "free").code == 0
    assert project.cli("baseline", "events/visits").code == 0
    rows = project.cli("run", "--all", "--json").rows
    assert [(r["sync"], r["partition"], r["added"]) for r in rows] == [
        ("users/profile", "free", 0), ("users/profile", "pro", 2), ("events/visits", None, 0)]


def test_a_baseline_leaves_out_the_rows_that_cannot_be_sent(project: Folder) -> None:
    project.table("people", user_id=["u1", "u2", "u2"], plan=["a", "b", "c"])
    project.model("users/profile", "select * from people")
    ended = project.cli("baseline", "users/profile")
    assert (ended.code, ended.out) == (4, "users/profile: 1 row is taken as sent\n")


def test_after_a_reset_everything_goes_again(project: Folder, simulator: Simulator) -> None:
    project.people(4)
    project.model("users/profile", BY_PLAN, STATIC)
    project.cli("run", "users/profile")
    ended = project.cli("reset", "users/profile", "--partition", "pro")
    assert (ended.code, ended.out) == (
        0, "users/profile [pro]: what was sent is forgotten, the next run sends everything\n")
    rows = project.cli("run", "users/profile", "--json").rows
    assert [(r["partition"], r["added"]) for r in rows] == [("free", 0), ("pro", 2)]
    assert project.cli("reset", "users/profile").out.count("is forgotten") == 2
    assert not [name for name in project.state_files() if "/data/" in name or "/runs/" in name]
    assert {row["last_run"] for row in project.cli("status", "--json").rows} == {None}
    assert len(simulator.messages()) == 6


def test_a_reset_of_what_was_never_sent_says_so(project: Folder) -> None:
    project.people(4)
    project.model("users/profile", BY_PLAN, STATIC)
    for words in (["users/profile"], ["users/profile", "--partition", "pro"], ["--all", "--yes"]):
        ended = project.cli("reset", *words)
        assert (ended.code, ended.out) == (0, "users/profile: nothing was sent yet\n")


def test_a_partition_that_the_yaml_no_longer_names_can_be_reset(project: Folder) -> None:
    project.people(4)
    project.model("users/profile", BY_PLAN, STATIC)
    project.cli("run", "users/profile")
    project.model("users/profile", BY_PLAN, "partitions: {static: [free]}")
    assert project.cli("reset", "users/profile", "--partition", "pro").code == 0
    rows = project.cli("status", "--json").rows
    assert [(row["partition"], row["rows"]) for row in rows] == [("free", 2)]


def test_a_reset_is_the_way_out_of_a_damaged_state_though_a_run_died(project: Folder, simulator: Simulator) -> None:
    project.people(20)
    project.model("users/profile", "select * from people")
    project.cli("run", "users/profile")
    project.query("update people set plan = 'trial'")
    simulator.fault("delay", seconds=60)
    dying = project.start("run", "users/profile", timeout="100")
    while project.cli("status", "--json").row["claimed_by"] is None:
        assert dying.poll() is None
    alive = project.cli("reset", "users/profile")
    assert alive.code == 1
    assert "has claimed users/profile" in alive.err
    dying.kill()
    dying.communicate()
    for path in (project.folder / "state").glob("*/*/data/*/*.arrow"):
        path.unlink()
    simulator.clear_faults()
    damaged = project.cli("run", "users/profile")
    assert damaged.code == 1
    assert "candu-sync reset users/profile" in damaged.err
    assert project.cli("reset", "users/profile").code == 0
    assert project.cli("run", "users/profile", "--json").row["added"] == 20


# The simulator's words.
SAID = 'Candu refused it (HTTP 422) and said "a message was refused"'


@pytest.fixture
def refused(project: Folder, simulator: Simulator) -> Folder:
    """Of the six people of two partitions Candu refused u0, and u4 has a number that cannot be sent; both are pro."""
    project.people(6, size="if(i = 4, 9007199254740993, i)")
    project.model("users/profile", BY_PLAN, STATIC)
    simulator.fault("refuse", user_ids=["u0"], status=422)
    assert project.cli("run", "users/profile").code == 4
    simulator.clear_faults()
    return project


def test_rejected_names_the_rows_that_were_set_aside_and_why(refused: Folder) -> None:
    rows = refused.cli("rejected", "users/profile", "--json").rows
    assert [list(row) for row in rows] == [SET_ASIDE_KEYS] * 2
    assert [(r["partition"], r["key"], r["outcome"], r["reason"], r["status"]) for r in rows] == [
        ("pro", "u0", "refused", SAID, 422),
        ("pro", "u4", "invalid", "size: integer beyond 2^53", None)]
    status = refused.cli("status", "--json").rows[1]
    assert max(row["at"] for row in rows) <= status["last_run"]
    assert len({row["run_id"] for row in rows}) == 1
    table = refused.cli("rejected", "users/profile").out
    assert "integer beyond 2^53" in table
    assert "1 row invalid: not sent" in table
    assert "1 row refused: Candu said no" in table
    only = refused.cli("rejected", "users/profile", "--reason", "2^53", "--json")
    assert only.row["key"] == "u4"
    assert refused.cli("rejected", "users/profile", "--partition", "free", "--json").rows == []


def test_why_candu_refused_is_in_rejected_history_and_the_error(refused: Folder, simulator: Simulator) -> None:
    refused.people(6, size="i + 987654320")
    body = {"errors": [{"field": "size", "message": "u1 has 987654321 and may have 10 at most"}] * 100}
    simulator.fault("refuse", user_ids=["u1"], status=422)
    refused.cli("run", "users/profile", "--partition", "free")
    simulator.clear_faults()
    rejected = refused.cli("rejected", "users/profile", "--partition", "free", "--json").row
    assert refused.cli("history", "--user", "u1", "--json").rows[0]["reason"] == rejected["reason"] == SAID
    assert refused.cli("rejected", "users/profile", "--retry").code == 0
    simulator.fault("status", status=402, body=body, times=1)
    simulator.fault("status", status=422, body=body)
    error, _ = (refused.cli("run", "users/profile", "--partition", "free", "--json").row["error"] for _ in range(2))
    rows = refused.cli("rejected", "users/profile", "--partition", "free", "--json").rows
    assert rows
    for said in (error, *(row["reason"] for row in rows)):
        assert "987654321" not in said
        assert "and said" in said
    assert all(len(line) < 1_500 for line in refused.cli("rejected", "users/profile").out.splitlines())


def test_rejected_as_csv_is_one_table(refused: Folder) -> None:
    found = list(csv.reader(io.StringIO(refused.cli("rejected", "users/profile", "--csv").out)))
    assert found[0] == SET_ASIDE_KEYS
    assert [row[:5] for row in found[1:]] == [
        ["users/profile", "pro", "u0", "refused", SAID],
        ["users/profile", "pro", "u4", "invalid", "size: integer beyond 2^53"]]


def test_retry_lets_the_next_run_send_them_again(refused: Folder, simulator: Simulator) -> None:
    held = refused.cli("run", "users/profile", "--json").rows[1]
    assert (held["rejected"], held["requests"]) == (1, 0)
    ended = refused.cli("rejected", "users/profile", "--retry")
    assert (ended.code, ended.out) == (0, "users/profile [pro]: the next run sends 1 row again\n")
    again = refused.cli("run", "users/profile", "--json").rows[1]
    assert (again["added"], again["accepted"], again["rejected"]) == (1, 1, 0)
    assert "u0" in simulator.users()
    nothing = refused.cli("rejected", "users/profile", "--retry")
    assert nothing.code == 2
    assert "refused no row that is still waiting" in nothing.err


def test_nothing_was_set_aside(project: Folder) -> None:
    project.people(2)
    project.model("users/profile", "select * from people")
    assert project.cli("rejected", "users/profile", "--json").out == ""
    project.cli("run", "users/profile")
    assert project.cli("rejected", "users/profile", "--json").out == ""
