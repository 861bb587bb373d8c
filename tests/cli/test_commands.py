"""The command line's contract: what each command does, what it prints on stdout, and the exit codes."""

from __future__ import annotations

import datetime as dt
import os
import pty
import subprocess

import pytest

from candu_sync.simulator import Simulator
from tests.support.folder import EXECUTABLE, RESULT_KEYS, SECONDS_KEYS, Folder, Row
from tests.support.waiting import today

BY_PLAN = "select * from people where plan = :partition"
STATIC = "partitions: {static: [free, pro]}"


def adds_up(row: Row, held: int = 0) -> bool:
    return bool(row["rows"] == row["added"] + row["changed"] + row["unchanged"] + row["invalid"] + held)


def test_a_first_run_a_run_of_what_changed_and_one_with_nothing_to_do(project: Folder, simulator: Simulator) -> None:
    project.people(30)
    project.model("users/profile", "select * from people")
    first = project.cli("run", "users/profile", "--json").row
    assert (first["status"], first["rows"], first["added"], first["accepted"]) == ("succeeded", 30, 30, 30)

    project.people(31)
    project.query("update people set plan = 'trial' where user_id = 'u3'; delete from people where user_id = 'u4'")
    second = project.cli("run", "users/profile", "--json").row
    assert [second[name] for name in ("rows", "added", "changed", "removed", "unchanged")] == [30, 1, 1, 1, 28]
    assert (second["messages"], second["traits"]) == (2, {"plan": 2})
    assert adds_up(first)
    assert adds_up(second)
    assert simulator.users()["u3"] == {"plan": "trial"}

    requests = len(simulator.requests())
    third = project.cli("run", "users/profile", "--json")
    assert (third.code, third.row["unchanged"], third.row["requests"]) == (0, 30, 0)
    assert len(simulator.requests()) == requests


def test_json_has_exactly_the_keys_of_the_contract(project: Folder) -> None:
    project.people(3)
    project.model("users/profile", "select * from people")
    planned, run = (project.cli(verb, "users/profile", "--json").row for verb in ("plan", "run"))
    assert list(planned) == [*RESULT_KEYS, "sample", "estimate", "findings", "ids"]
    assert list(run) == RESULT_KEYS
    for row in (planned, run):
        assert list(row["seconds"]) == SECONDS_KEYS
    assert (planned["status"], planned["messages"], planned["accepted"], planned["unsent"]) == ("planned", 3, 0, 3)
    assert (run["status"], run["accepted"], run["partition"], run["error"]) == ("succeeded", 3, None, None)


def test_a_plan_sends_nothing_and_leaves_the_state_as_it_was(project: Folder, simulator: Simulator) -> None:
    project.people(5)
    project.model("users/profile", "select * from people", "preview: values")
    project.cli("run", "users/profile")
    project.people(6)
    before, requests = project.state_files(), len(simulator.requests())
    said = project.cli("plan", "users/profile", "--full")
    assert said.code == 0
    assert "would send 6 messages" in said.out
    assert "∅ → free" in said.out
    assert project.state_files() == before
    assert len(simulator.requests()) == requests


def test_rows_set_aside_end_with_4_and_the_others_go(project: Folder, simulator: Simulator) -> None:
    project.table("people", user_id=["u1", "u2", None, "u3", "u3"], plan=["a", "b", "c", "d", "e"])
    project.model("users/profile", "select * from people")
    ended = project.cli("run", "users/profile", "--json")
    assert (ended.code, ended.row["status"], ended.row["invalid"], ended.row["accepted"]) == (4, "succeeded", 3, 2)
    assert adds_up(ended.row)
    assert set(simulator.users()) == {"u1", "u2"}


def test_a_row_that_candu_refused_is_counted_until_it_changes(project: Folder, simulator: Simulator) -> None:
    project.people(4)
    project.model("users/profile", "select * from people")
    simulator.fault("refuse", user_ids=["u2"], status=422)
    ended = project.cli("run", "users/profile", "--json")
    assert (ended.code, ended.row["accepted"], ended.row["rejected"], ended.row["unsent"]) == (4, 3, 1, 0)
    again = project.cli("run", "users/profile", "--json")
    assert (again.code, again.row["rejected"], again.row["requests"]) == (4, 1, 0)
    assert adds_up(again.row, held=1)


def test_a_guard_ends_with_3_and_force_goes_past_it(project: Folder, simulator: Simulator) -> None:
    project.people(100)
    project.model("users/profile", "select * from people")
    project.cli("run", "users/profile")
    project.query("update people set plan = 'trial' where user_id < 'u7'")
    requests = len(simulator.requests())
    stopped = project.cli("run", "users/profile", "--json")
    assert (stopped.code, stopped.row["status"], stopped.row["accepted"]) == (3, "guarded", 0)
    assert "67 of 100 rows changed (67.0%), max_changed is 50.0%" in stopped.err
    assert len(simulator.requests()) == requests
    assert "a guard would stop this" in project.cli("plan", "users/profile").out
    forced = project.cli("run", "users/profile", "--force", "--json")
    assert (forced.code, forced.row["accepted"]) == (0, 67)


def test_allow_goes_past_one_guard(project: Folder) -> None:
    project.people(100)
    project.model("users/profile", "select * from people")
    project.cli("run", "users/profile")
    project.query("update people set plan = 'trial'")
    assert project.cli("run", "users/profile", "--allow", "removed").code == 3
    assert project.cli("plan", "users/profile", "--save").code == 0
    assert project.cli("push", "users/profile", "--allow", "removed").code == 3
    assert project.cli("push", "users/profile", "--allow", "changed,removed", "--json").row["accepted"] == 100
    project.query("update people set plan = 'team'")
    assert project.cli("run", "users/profile", "--allow", "max_changed", "--json").row["accepted"] == 100
    for words, says in ((["--allow", "chnged"], "did you mean changed?"),
                        (["--allow", "changed", "--force"], "--allow changed, or --force?")):
        ended = project.cli("run", "users/profile", *words)
        assert (ended.code, ended.out) == (2, "")
        assert says in ended.err


def test_sample_sends_so_many_and_the_next_run_the_rest(project: Folder, simulator: Simulator) -> None:
    project.people(20)
    project.model("users/profile", "select * from people")
    some = project.cli("run", "users/profile", "--sample", "3", "--json")
    assert (some.code, some.row["accepted"], some.row["unsent"], len(simulator.users())) == (0, 3, 17, 3)
    rest = project.cli("run", "users/profile", "--json").row
    assert (rest["added"], rest["unchanged"], rest["accepted"]) == (17, 3, 17)
    assert len(simulator.messages()) == 20


def test_full_sends_every_row_whole(project: Folder, simulator: Simulator) -> None:
    project.people(4, seats="i")
    project.model("users/profile", "select * from people")
    project.cli("run", "users/profile")
    project.query("update people set seats = 50 where user_id = 'u1'")
    row = project.cli("run", "users/profile", "--full", "--json").row
    assert (row["messages"], row["accepted"], row["traits"]) == (4, 4, {"plan": 4, "seats": 4})
    assert simulator.users()["u1"] == {"plan": "free", "seats": 50}


@pytest.mark.parametrize("words", [[], ["--full"]])
def test_a_row_that_left_is_sent_on_a_full_run_as_on_a_normal_one(
        project: Folder, simulator: Simulator, words: list[str]) -> None:
    project.people(4)
    project.model("users/profile", "select * from people", "removed: {plan: none, in_segment: false}")
    project.cli("run", "users/profile")
    project.query("delete from people where user_id = 'u2'")
    row = project.cli("run", "users/profile", "--json", *words).row
    assert (row["removed"], row["rows"]) == (1, 3)
    assert simulator.users()["u2"] == {"plan": "none", "in_segment": False}
    assert project.cli("run", "users/profile", "--json").row["requests"] == 0


def test_events_are_not_sent_again_by_full(project: Folder, simulator: Simulator) -> None:
    project.model("events/visits", "select 'e' || i as event_id, 'u1' as user_id, 'Visited' as event, "
                                   "timestamp '2026-11-01 10:00:00' as timestamp from range(3) t(i)")
    project.people(1)
    project.cli("run", "events/visits")
    row = project.cli("run", "events/visits", "--full", "--json").row
    assert (row["added"], row["changed"], row["requests"], len(simulator.events())) == (0, 0, 0, 3)


def test_users_go_before_groups_before_events_however_they_are_named(project: Folder, simulator: Simulator) -> None:
    project.people(2)
    project.model("events/visits", "select user_id as event_id, user_id, 'Visited' as event, now() as timestamp "
                                   "from people")
    project.model("groups/accounts", "select 'g1' as group_id, user_id, 5 as seats from people")
    project.model("users/profile", "select * from people")
    rows = project.cli("run", "events/visits", "groups/accounts", "users/profile", "--json").rows
    assert [row["sync"] for row in rows] == ["users/profile", "groups/accounts", "events/visits"]
    assert [m["type"] for m in simulator.messages()] == ["identify"] * 2 + ["group"] * 2 + ["track"] * 2
    assert project.cli("run", "--all", "--json").code == 0


def test_a_bad_file_is_one_error_and_the_others_run(project: Folder, simulator: Simulator) -> None:
    project.people(2)
    project.model("users/profile", "select * from people")
    project.model("users/broken", "select * from people", "gaurd: {min_rows: 1}")
    ended = project.cli("run", "--all", "--json")
    assert ended.code == 2
    assert [(row["sync"], row["status"]) for row in ended.rows] == [
        ("users/profile", "succeeded"), ("users/broken", "failed")]
    assert "gaurd: unknown key" in ended.rows[1]["error"]
    assert len(simulator.users()) == 2
    assert "sql/users/broken.yaml:1" in ended.err
    assert "guard" in ended.err
    named = project.cli("run", "users/profile")
    assert (named.code, named.err) == (0, "")
    assert project.cli("run", "users/broken").code == 2
    assert project.cli("list").code == 2


def test_of_several_exit_codes_the_gravest_counts(project: Folder) -> None:
    project.people(2)
    project.model("users/aside", "select user_id, 9007199254740993 as large from people")
    project.model("users/empty", "select * from people where false")
    assert project.cli("run", "users/aside").code == 4
    assert project.cli("run", "--all").code == 3
    project.model("users/wrong", "select nothing from people")
    assert project.cli("run", "--all").code == 1


def test_partitions_are_chosen_one_by_one(project: Folder, simulator: Simulator) -> None:
    project.people(4)
    project.model("users/profile", BY_PLAN, STATIC)
    ended = project.cli("run", "users/profile", "--partition", "pro", "--partition", "free", "--json")
    assert [(r["partition"], r["rows"]) for r in ended.rows] == [("pro", 2), ("free", 2)]
    assert len(simulator.users()) == 4
    project.query("insert into people values ('u9', 'free')")
    one = project.cli("run", "users/profile", "--partition", "free", "--json").row
    assert (one["partition"], one["added"]) == ("free", 1)
    assert [r["added"] for r in project.cli("run", "users/profile", "--json").rows] == [0, 0]


def test_list_has_the_number_of_shards(project: Folder) -> None:
    project.people(1)
    project.model("users/profile", "select * from people", "partitions: {shards: 16}")
    assert project.cli("list", "--json").row["partitions"] == "16 shards"


def test_a_window_of_a_segment_is_chosen_by_both(project: Folder, simulator: Simulator) -> None:
    project.people(4)
    yesterday = today() - dt.timedelta(days=1)
    project.model("users/profile", f"{BY_PLAN} and :window_start < now()",
                  f"partitions: {{daily: {yesterday}, static: [free, pro]}}")
    assert project.cli("list", "--json").row["partitions"] == "daily × static"
    assert project.cli("run", "users/profile", "--partition", f"{yesterday}|pro", "--json").row["accepted"] == 2
    assert len(simulator.users()) == 2
    due = project.cli("run", "users/profile", "--json").rows
    assert [(r["partition"], r["accepted"]) for r in due] == [(f"{yesterday}|free", 2), (f"{yesterday}|pro", 0)]
    assert project.cli("check", "users/profile", "--offline").code == 0
    assert "did you mean" in project.cli("plan", "users/profile", "--partition", f"{yesterday}|prp").err


def test_a_partition_key_may_look_like_markup(project: Folder) -> None:
    project.table("people", user_id=["u1", "u2"], plan=["[/red]", "a/b"])
    project.model("users/profile", BY_PLAN, "partitions: {dynamic: plans, values: select distinct plan from people}")
    assert "users/profile [[/red]]" in project.cli("plan", "users/profile").out
    ran = project.cli("run", "users/profile")
    assert ran.code == 0
    assert "users/profile [[/red]]" in ran.out
    assert {row["partition"] for row in project.cli("status", "--json").rows} == {"[/red]", "a/b"}


@pytest.mark.parametrize(("words", "says"), [
    (["run", "users/profil"], "did you mean users/profile?"),
    (["plan", "accounts"], "there is no sync accounts (there are: users/plain, users/profile)"),
    (["rejected", "users/profil"], "did you mean users/profile?"),
    (["run"], "Name a sync"),
    (["run", "users/profile", "--all"], "users/profile, or --all?"),
    (["run", "users/profile", "--partition", "prp"], "did you mean pro?"),
    (["run", "users/plain", "--partition", "pro"], "users/plain has no partitions"),
    (["reset", "users/profile", "--partition", "prp"], "did you mean pro?"),
    (["rejected", "users/profile", "--partition", "prp"], "did you mean pro?"),
    (["run", "users/profile", "--sample", "0"], "--sample"),
    (["frobnicate"], "frobnicate"),
    (["run", "--frobnicate"], "frobnicate"),
])
def test_words_that_are_off_end_with_2(project: Folder, simulator: Simulator, words: list[str], says: str) -> None:
    project.people(2)
    project.model("users/profile", BY_PLAN, STATIC)
    project.model("users/plain", "select user_id, plan as tier from people")
    ended = project.cli(*words)
    assert ended.code == 2
    assert says in ended.err
    assert "users/profile: users/profile" not in ended.err
    assert not simulator.requests()


def test_list_and_status_show_how_the_last_run_ended(project: Folder, simulator: Simulator) -> None:
    project.people(3)
    project.model("users/profile", BY_PLAN, STATIC)
    project.model("users/plain", "select user_id, plan as tier from people")
    fresh = project.cli("list", "--json").rows
    keys = ["sync", "kind", "route", "partitions", "schedule", "tags", "last_run", "status"]
    assert [list(row) for row in fresh] == [keys] * 2
    assert fresh[0] == {"sync": "users/plain", "kind": "users", "route": "candu", "partitions": "", "schedule": None,
                        "tags": {}, "last_run": None, "status": None}
    assert fresh[1]["partitions"] == "static"

    simulator.fault("status", status=503, after=1)
    project.cli("run", "users/plain", batch_size="2", concurrency="1")
    status = project.cli("status", "--json").rows[0]
    assert (status["status"], status["rows"], status["pending"], status["claimed_by"]) == ("failed", 3, 1, None)
    assert project.cli("list", "--json").rows[0]["last_run"] == status["last_run"]
    simulator.clear_faults()
    project.cli("run", "--all")
    rows = project.cli("status", "--json").rows
    assert [(r["sync"], r["partition"], r["rows"], r["pending"]) for r in rows] == [
        ("users/plain", None, 3, 0), ("users/profile", "free", 1, 0), ("users/profile", "pro", 2, 0)]
    assert "users/profile  pro" in project.cli("status").out


def test_the_version(project: Folder) -> None:
    from importlib.metadata import version

    assert project.cli("--version").out == f"candu-sync {version('candu-sync')}\n"


@pytest.mark.parametrize(("values", "says"), [
    ("select distinct plan, user_id from people", "the query returns 2 columns instead of one"),
    ("select plan from people; drop table people", "the SQL holds more than one statement"),
    ("delete from people", "the SQL begins with DELETE")])
def test_a_wrong_query_of_partitions_is_not_blamed_on_the_model(project: Folder, values: str, says: str) -> None:
    project.people(2)
    project.model("users/profile", BY_PLAN, f"partitions: {{dynamic: plans, values: '{values}'}}")
    ended = project.cli("run", "users/profile")
    assert f"users/profile: `values` of its partitions: {says}" in ended.err
    assert ended.code == 1


@pytest.mark.parametrize("command", ["run", "plan", "baseline"])
def test_an_object_for_every_sync_whatever_became_of_it(project: Folder, command: str) -> None:
    project.people(2)
    project.model("users/dynamic", BY_PLAN, "partitions: {dynamic: plans, values: select distinct plan from nowhere}")
    project.model("users/fails", "select nothing from people")
    project.model("users/profile", "select * from people")
    project.model("users/broken", "select 1", "gaurd: {}")
    ended = project.cli(command, "--all", "--json")
    rows = {row["sync"]: row for row in ended.rows}
    assert ended.code == 1
    assert set(rows) == {"users/dynamic", "users/fails", "users/profile", "users/broken"}
    assert len(ended.rows) == 4
    for name, says in (("dynamic", "nowhere"), ("fails", "nothing"), ("broken", "gaurd")):
        row = rows[f"users/{name}"]
        assert list(row) == RESULT_KEYS
        assert (row["status"], row["partition"]) == ("failed", None)
        assert says in row["error"]


def test_after_a_wrong_key_every_sync_is_still_an_object(project: Folder, simulator: Simulator) -> None:
    project.people(2)
    for name in ("a", "b"):
        project.model(f"users/{name}", f"select user_id, plan as {name} from people where plan = :partition", STATIC)
    simulator.fault("status", status=401)
    rows = project.cli("run", "--all", "--json").rows
    assert [(row["sync"], row["partition"], row["status"]) for row in rows] == [
        ("users/a", "free", "failed"), ("users/a", "pro", "failed"), ("users/b", None, "failed")]
    assert rows[2]["error"].startswith("not run: ")
    simulator.fault("status", status=401)
    lines = project.cli("run", "--all").out.splitlines()
    assert [line.rpartition("  ")[2].strip() for line in lines if line.startswith("users/")] == [
        "failed", "not run", "not run"]


def test_a_reset_of_all_asks_first(project: Folder) -> None:
    project.people(2)
    project.model("users/profile", "select * from people")
    project.cli("run", "users/profile")
    asked = project.cli("reset", "--all")
    assert (asked.code, asked.out) == (2, "")
    assert "forget what was sent of all 1 sync? " in asked.err
    assert "--yes" in asked.err
    assert project.cli("run", "users/profile", "--json").row["unchanged"] == 2
    assert project.cli("reset", "--all", "--yes").code == 0
    assert project.cli("run", "users/profile", "--json").row["added"] == 2


@pytest.mark.parametrize(("answer", "added"), [("y\n", 2), ("n\n", 0)])
def test_on_a_terminal_a_person_answers(project: Folder, answer: str, added: int) -> None:
    project.people(2)
    project.model("users/profile", "select * from people")
    project.cli("run", "users/profile")
    ours, theirs = pty.openpty()
    process = subprocess.Popen([EXECUTABLE, "reset", "--all"], cwd=project.folder, stdin=theirs,
                               env=project.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    os.write(ours, answer.encode())
    project.ended(process)
    os.close(theirs)
    os.close(ours)
    assert project.cli("run", "users/profile", "--json").row["added"] == added


def test_status_keeps_the_snapshots_rows_after_a_query_that_failed(project: Folder) -> None:
    project.people(3)
    project.model("users/profile", "select * from people")
    project.model("users/never", "select nothing from people")
    project.cli("run", "users/profile")
    project.model("users/profile", "select nothing from people")
    project.cli("run", "--all")
    rows = {row["sync"]: row for row in project.cli("status", "--json").rows}
    assert (rows["users/profile"]["status"], rows["users/profile"]["rows"]) == ("failed", 3)
    assert (rows["users/never"]["status"], rows["users/never"]["rows"]) == ("failed", 0)


def test_one_request_is_one_request(project: Folder) -> None:
    project.people(1)
    project.model("users/profile", "select * from people")
    assert "would send 1 message (" in project.cli("plan", "users/profile").out
    assert "in about 1 request," in project.cli("plan", "users/profile", rate="10").out
    project.people(201)
    assert "would send 201 messages (" in project.cli("plan", "users/profile").out
    assert "in about 3 requests," in project.cli("plan", "users/profile", rate="10").out
