"""``forget``: nothing of the person is left in the state, all others stay, and the person does not come back."""

from __future__ import annotations

import json

import pytest

from candu_sync.simulator import Simulator
from tests.support.folder import Folder
from tests.support.person import ID, OTHERS, fill
from tests.support.whole_state import objects_with


@pytest.fixture
def full(project: Folder, simulator: Simulator) -> Folder:
    """A state that holds the person in every place: three syncs, several versions, partitions, a history of values,
    refused, invalid and uncertain rows, staged changes, a run that died."""
    fill(project, simulator)
    return project


def test_no_byte_of_the_state_holds_the_id(full: Folder) -> None:
    state = str(full.overrides["state_url"])
    before = objects_with(state, ID)
    kinds = {name.rsplit("/", 1)[-1].split("-")[0].split(".")[0] for name in before}
    assert {"base", "rejected", "changes", "invalid"} <= kinds
    assert any(name.endswith(".parquet") for name in before)
    ended = full.cli("forget", ID, "--json")
    assert ended.code == 0, ended.err
    assert objects_with(state, ID) == []
    assert ID not in ended.out + ended.err
    where = {(row["sync"], row["where"]) for row in ended.row["removed"]}
    assert where >= {("users/profile", "snapshot"), ("users/profile", "refused rows"), ("users/profile", "history"),
                     ("users/by_plan", "staged changes"), ("groups/accounts", "snapshot"),
                     ("events/visits", "snapshot"), ("events/visits", "history")}
    with open(ended.row["certificate"], encoding="utf-8") as file:
        assert json.load(file)["removed"]["snapshot"] >= 3


def test_the_simulator_forgets_too_where_one_answers(full: Folder, simulator: Simulator) -> None:
    assert ID in simulator.users()
    ended = full.cli("forget", ID)
    assert f"the simulator at {simulator.url}: " in ended.out
    assert ID not in simulator.users()
    assert len(simulator.users()) == OTHERS
    assert full.cli("forget", ID, "--json").row["simulator"] == 0


def test_the_others_are_as_they_were(full: Folder, simulator: Simulator) -> None:
    full.cli("run", "--all")
    full.cli("forget", ID)
    requests = len(simulator.requests())
    for row in full.cli("run", "--all", "--json").rows:
        assert (row["added"], row["changed"], row["removed"], row["requests"]) == (0, 0, 0, 0), row
    assert len(simulator.requests()) == requests
    assert full.cli("history", "--user", "u1", "--json").rows
    assert full.cli("history", "--user", ID, "--json").rows == []
    full.query("update people set seats = seats + 1")
    row = full.cli("run", "users/profile", "--json").row
    assert (row["rows"], row["changed"], row["unchanged"]) == (OTHERS, OTHERS, 0)


def test_the_person_does_not_come_back_until_that_is_taken_back(full: Folder, simulator: Simulator) -> None:
    full.cli("forget", ID)
    simulator.reset()
    full.query(f"update people set seats = seats + 1; insert into visits values ('e99', '{ID}', 'Visited', "
               "timestamp '2026-11-02')")
    full.cli("run", "--all")
    assert ID not in str(simulator.messages())
    assert objects_with(str(full.overrides["state_url"]), ID) == []
    assert "forgotten" in full.cli("plan", "users/profile").out
    full.cli("baseline", "users/profile")
    full.cli("run", "users/profile", "--full")
    assert objects_with(str(full.overrides["state_url"]), ID) == []
    assert full.cli("forget", ID, "--undo").code == 0
    assert full.cli("forget", ID, "--undo").code == 2
    full.cli("run", "users/profile")
    assert simulator.users()[ID]["plan"] == "team"


def test_who_asks_for_the_person_hears_why_there_is_nothing(full: Folder) -> None:
    full.cli("forget", ID)
    asked = [full.cli("run", "users/profile", "--key", ID), full.cli("plan", "users/profile", "--key", ID),
             full.cli("history", "--user", ID), full.cli("snippet", "users/profile", "--user", ID)]
    assert [ended.code for ended in asked] == [2, 2, 0, 2]
    for ended in asked:
        assert "is forgotten" in ended.out + ended.err
        assert "no row has" not in ended.err
    assert "no row has the key nobody" in full.cli("run", "users/profile", "--key", "nobody").err


def test_changes_that_were_made_before_are_not_sent(project: Folder, simulator: Simulator) -> None:
    project.people(3)
    project.model("users/profile", "select * from people")
    project.cli("plan", "users/profile", "--save")
    project.cli("forget", "u99")
    ended = project.cli("push", "users/profile")
    assert (ended.code, "a person was forgotten since" in ended.err, simulator.requests()) == (1, True, [])
    assert project.cli("run", "users/profile", "--json").row["accepted"] == 3


def test_a_snapshot_of_nobody_else_and_an_id_like_others(project: Folder, simulator: Simulator) -> None:
    project.table("people", user_id=["u1"], plan=["a"])
    project.model("users/profile", "select * from people")
    project.model("groups/accounts", "select 'g|1' as group_id, user_id, plan from people")
    project.cli("run", "--all")
    assert project.cli("forget", "u").out.startswith("the state holds nothing of this id")
    project.cli("forget", "u1")
    project.table("people", user_id=["u1", "u11"], plan=["a", "b"])
    rows = project.cli("run", "--all", "--json").rows
    assert [(row["rows"], row["accepted"]) for row in rows] == [(1, 1), (1, 1)]
    assert set(simulator.users()) == {"u11"}


def test_a_run_at_work_is_left_alone_and_forgotten_later(project: Folder, simulator: Simulator) -> None:
    project.people(20)
    project.model("users/profile", "select * from people")
    simulator.fault("delay", seconds=20)
    process = project.start("run", "users/profile", timeout="60")
    while project.cli("status", "--json").row["claimed_by"] is None:
        assert process.poll() is None
    busy = project.cli("forget", "u1")
    assert (busy.code, "has claimed users/profile" in busy.err) == (1, True)
    assert "holds nothing" not in busy.out
    assert "run `candu-sync forget USER_ID` once more" in project.cli("status").err
    process.kill()
    process.communicate()
    assert project.cli("forget", "u1").code == 0
    assert project.cli("status").err == ""
    assert objects_with(str(project.overrides["state_url"]), '"u1"') == []


def test_files_that_are_wrong_are_mended_first_and_no_name_is_no_id(project: Folder) -> None:
    project.people(1)
    project.model("users/profile", "select * from people", "gaurd: {}")
    assert project.cli("forget", "u1").code == 2
    assert project.cli("forget", " ").code == 2


def test_a_sync_that_is_gone_is_cleaned_too(full: Folder) -> None:
    for name in ("users/profile", "groups/accounts"):
        (full.sql / f"{name}.sql").unlink()
        (full.sql / f"{name}.yaml").unlink(missing_ok=True)
    assert full.cli("forget", ID).code == 0
    assert objects_with(str(full.overrides["state_url"]), ID) == []


def test_on_s3(project: Folder, simulator: Simulator, s3_url: str) -> None:
    project.overrides["state_url"] = s3_url
    fill(project, simulator)
    assert objects_with(s3_url, ID)
    assert project.cli("forget", ID).code == 0
    assert objects_with(s3_url, ID) == []
    assert project.cli("run", "--all").code == 0
    assert objects_with(s3_url, ID) == []
