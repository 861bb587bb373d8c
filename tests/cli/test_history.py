"""``candu-sync history``: a person finds out what a user was sent, and why not."""

from __future__ import annotations

import csv
import io
from collections import Counter

from candu_sync.commit import list_uncertain
from candu_sync.simulator import Simulator
from tests.support.folder import Folder
from tests.support.waiting import delayed, held_back, until

FIELDS = ["at", "run_id", "sync", "partition", "key", "user_id", "group_id", "type", "outcome", "status", "reason",
          "attempts", "message_id", "event", "refresh", "route", "traits"]


def test_why_has_this_user_no_plan(project: Folder, simulator: Simulator) -> None:
    project.people(5)
    project.model("users/profile", "select * from people")
    simulator.fault("refuse", status=422, user_ids=["u1"])
    project.cli("run", "users/profile")
    ended = project.cli("history", "--user", "u1")
    assert ended.code == 0
    assert "refused" in ended.out
    assert "422" in ended.out
    [row] = project.cli("history", "--user", "u1", "--json").rows
    assert list(row) == FIELDS
    assert (row["sync"], row["outcome"], row["status"], row["traits"]) == ("users/profile", "refused", 422,
                                                                           {"plan": None})


def test_a_run_a_time_and_a_table_for_a_spreadsheet(project: Folder) -> None:
    project.people(3)
    project.model("users/profile", "select * from people")
    run_id = project.cli("run", "users/profile", "--json").row["run_id"]
    assert len(project.cli("history", "users/profile", "--run", run_id, "--json").rows) == 3
    assert project.cli("history", "users/profile", "--run", "2001", "--json").rows == []
    assert len(project.cli("history", "--since", "2026-01-01", "--json").rows) == 3
    assert project.cli("history", "--since", "2999-01-01T00:00", "--json").rows == []
    heading, *rows = csv.reader(io.StringIO(project.cli("history", "users/profile", "--csv").out))
    assert heading == FIELDS
    assert {row[FIELDS.index("user_id")] for row in rows} == {"u0", "u1", "u2"}


def test_nobody_was_sent(project: Folder) -> None:
    project.people(1)
    project.model("users/profile", "select * from people")
    project.cli("run", "users/profile")
    assert project.cli("history", "--user", "nobody").out == "nothing was sent of the user 'nobody'\n"


def test_a_run_that_is_under_way_and_one_that_died_are_named(project: Folder, simulator: Simulator) -> None:
    """What they sent is in the history when they have ended, or were taken over."""
    project.people(30)
    project.model("users/profile", "select * from people")
    with held_back(simulator, after=8):
        process = project.start("run", "users/profile", batch_size="2", concurrency="1", timeout="100")
        until(lambda: delayed(simulator) == 1)
        sending = project.cli("history", "users/profile")
        process.kill()
        project.ended(process)
    assert sending.out == "nothing is in the history yet\n"
    assert ("is under way. Candu accepted 16 messages of it so far; the history has them when it has ended"
            ) in sending.err
    died = project.cli("history", "users/profile", "--json")
    assert "candu-sync: users/profile: the run 2" in died.err
    assert ("died. Candu accepted 16 messages of it so far; the history has them when the next run or plan has taken "
            "it over: `candu-sync run users/profile`") in died.err
    assert "16 messages of it so far" in project.cli("snippet", "users/profile", "--user", "u1").err
    assert "died" not in project.cli("history", "users/profile", "--run", "2001").err
    assert project.cli("run", "users/profile").code == 0
    known = project.cli("history", "users/profile", "--json")
    assert (len({row["key"] for row in known.rows}), known.err) == (30, "")


def test_an_event_that_a_second_try_of_the_push_got_accepted_is_listed_as_uncertain(
        project: Folder, simulator: Simulator) -> None:
    """The history has what Candu answered last; the ids of all that may have arrived twice are in the state."""
    project.people(30)
    project.model("events/seen", "select 'e' || user_id as event_id, user_id, 'seen' as event, "
                                 "timestamp '2026-11-01' as timestamp from people")
    project.cli("plan", "events/seen", "--save")
    with held_back(simulator, after=8):
        process = project.start("push", "events/seen", batch_size="2", concurrency="1", timeout="100")
        until(lambda: delayed(simulator) == 1)
        process.kill()
        project.ended(process)
    assert project.cli("push", "events/seen").code == 0
    times = Counter(event["user_id"] for event in simulator.events())
    twice = {f"e{user}" for user, count in times.items() if count > 1}
    rows = project.cli("history", "events/seen", "--json").rows
    assert {(row["outcome"], row["attempts"]) for row in rows if row["key"] in twice} == {("accepted", 2)}
    assert project.cli("status", "--json").row["uncertain"] == len(twice) == 2
    with project.project() as opened:
        [listed] = list_uncertain(opened.state.of("events/seen", None))
    assert set(listed.keys) == twice


def test_wrong_words(project: Folder) -> None:
    project.people(1)
    project.model("users/profile", "select * from people")
    assert project.cli("history").code == 2
    ended = project.cli("history", "--since", "yesterday")
    assert (ended.code, "2026-11-01T06:00" in ended.err) == (2, True)
    assert project.cli("history", "users/profil").code == 2
