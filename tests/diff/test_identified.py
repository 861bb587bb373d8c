"""Users of events and memberships who were never identified: counted, and held back where a sync says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from candu_sync.diff import identified
from candu_sync.simulator import Simulator
from tests.support.folder import Folder
from tests.support.lab import Lab, error_of

EVENTS = """
select 'e' || i as event_id, 'u' || i as user_id, 'Visited' as event,
    timestamp '2026-11-01' + i * interval 1 hour as timestamp
from range(6) t(i)
where timestamp '2026-11-01' + i * interval 1 hour >= coalesce(:since, timestamp '2026-01-01')"""


def two_people(project: Folder) -> None:
    project.table("people", user_id=["u4", "u5"], plan=["a", "b"])
    project.model("users/profile", "select * from people")
    project.cli("run", "users/profile")


def test_they_are_counted_and_sent(project: Folder, simulator: Simulator) -> None:
    two_people(project)
    project.model("events/visits", EVENTS, "cursor: {}")
    planned = project.cli("plan", "events/visits")
    assert "4 users were never identified" in planned.out
    [found] = project.cli("plan", "events/visits", "--json").row["findings"]
    assert (found["code"], found["severity"]) == ("unidentified", "warning")
    row = project.cli("run", "events/visits", "--json").row
    assert (row["unidentified"], row["accepted"], row["waiting"]) == (4, 6, 0)
    assert project.cli("status", "events/visits", "--json").row["unidentified"] == 4
    table = project.cli("status").out
    assert "unidentified" in table.splitlines()[0]
    assert "4 users unidentified: there are events or memberships of them" in table
    assert "4 users unidentified" in project.cli("history", "events/visits").out
    assert "1 user unidentified: there are events or memberships of them" in project.cli("history", "--user", "u0").out
    assert "unidentified" not in project.cli("history", "--user", "u4").out
    assert project.cli("run", "events/visits", "--json").row["requests"] == 0


def test_held_events_wait_for_their_users_behind_the_cursor_too(project: Folder, simulator: Simulator) -> None:
    two_people(project)
    project.model("events/visits", EVENTS, "cursor: {lookback: 1 minute}\nunidentified: hold")
    row = project.cli("run", "events/visits", "--json").row
    assert (row["rows"], row["added"], row["unchanged"], row["waiting"]) == (6, 2, 0, 4)
    assert (row["accepted"], row["messages"], row["status"]) == (2, 2, "succeeded")
    assert "4 rows of theirs wait until then" in project.cli("plan", "events/visits").out
    project.query("insert into people values ('u0', 'c'), ('u1', 'd')")
    project.cli("run", "users/profile")
    row = project.cli("run", "events/visits", "--json").row
    assert (row["accepted"], row["waiting"], row["status"]) == (2, 2, "succeeded")
    assert [event["user_id"] for event in simulator.events()] == ["u4", "u5", "u0", "u1"]


def test_a_window_with_held_events_is_run_again(project: Folder, simulator: Simulator) -> None:
    two_people(project)
    project.model("events/visits", "select 'e' || :partition as event_id, 'new' as user_id, 'Visited' as event, "
                  ":window_start as timestamp", "partitions: {daily: 2026-11-01}\nunidentified: hold")
    windows = ("--partition", "2026-11-01", "--partition", "2026-11-02")
    assert [row["waiting"] for row in project.cli("run", "events/visits", *windows, "--json").rows] == [1, 1]
    project.query("insert into people values ('new', 'c')")
    project.cli("run", "users/profile")
    rows = project.cli("run", "events/visits", "--json").rows
    assert {"2026-11-01", "2026-11-02"} <= {row["partition"] for row in rows if row["accepted"] == 1}


def test_memberships_wait_and_their_messages_have_no_gap(project: Folder, simulator: Simulator) -> None:
    two_people(project)
    project.query("create table members as select 'g' || i % 3 as group_id, 'u' || i as user_id, 'x' as tier "
                  "from range(6) t(i)")
    project.model("groups/accounts", "select * from members", "unidentified: hold")
    row = project.cli("run", "groups/accounts", "--json").row
    assert (row["added"], row["accepted"], row["waiting"], row["unidentified"]) == (2, 2, 4, 4)
    project.query("insert into people select distinct user_id, 'z' from members where user_id not in "
                  "(select user_id from people)")
    project.cli("run", "users/profile")
    row = project.cli("run", "groups/accounts", "--json").row
    assert (row["accepted"], row["waiting"], row["unidentified"]) == (4, 0, 0)
    assert project.cli("run", "groups/accounts", "--json").row["requests"] == 0


def test_large_snapshots_are_read_where_rows_are_held_only(
        project: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    two_people(project)
    project.model("events/visits", EVENTS, "cursor: {}")
    project.model("events/held", EVENTS, "cursor: {}\nunidentified: hold")
    monkeypatch.setattr(identified, "LARGEST", 10)
    rows = project.cli("plan", "--all", "--json").rows
    assert {row["sync"]: row["unidentified"] for row in rows if row["sync"].startswith("events")} == {
        "events/visits": None, "events/held": 4}


def test_a_sync_of_users_identifies(tmp_path: Path) -> None:
    said = error_of(Lab(tmp_path).sync, "users/profile", "select 1", "unidentified: hold")
    assert "a sync of users is what identifies them" in said
