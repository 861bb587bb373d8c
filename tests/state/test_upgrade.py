"""A state that 0.1.0 made is opened, converted, and goes on where it ended."""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
import os
import zipfile
from pathlib import Path
from types import ModuleType

import duckdb
import pytest

from candu_sync.simulator import Simulator
from tests.support.folder import Folder

MADE = Path(__file__).with_name("state_of_0_1_0")


def maker() -> ModuleType:
    """The script that made the state, for its models and its warehouse."""
    spec = importlib.util.spec_from_file_location("make_0_1_0", MADE / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def old(project: Folder, simulator: Simulator) -> Folder:
    """The project as 0.1.0 left it: its last run of events was killed, a change of groups/teams is staged."""
    with zipfile.ZipFile(MADE / "state.zip") as archive:
        archive.extractall(project.folder)
        for entry in archive.infolist():
            # A claim's age goes by the time of its file.
            written = dt.datetime(*entry.date_time, tzinfo=dt.UTC).timestamp()
            os.utime(project.folder / entry.filename, (written, written))
    made = maker()
    with duckdb.connect(str(project.warehouse)) as warehouse:
        for day in made.DAYS:
            warehouse.execute(day)
    for name, (sql, yaml) in made.MODELS.items():
        project.model(name, sql, yaml or None)
    assert format_of(project) == 1
    return project


def format_of(project: Folder) -> object:
    return json.loads((project.folder / "state" / "format.json").read_text())["format"]


def test_what_was_sent_is_not_sent_again(old: Folder, simulator: Simulator) -> None:
    ended = old.cli("run", "--all", "--json")
    assert ended.code == 4, ended.err
    rows = {(row["sync"], row["partition"]): row for row in ended.rows}
    assert {key: row["messages"] for key, row in rows.items() if row["messages"]} == {
        ("groups/teams", None): 1, ("events/visits", None): 3}
    assert rows["users/people", None]["refused"] == 1
    assert rows["users/people", None]["unchanged"] == 2
    # e3 and e4 had been accepted when the run of 0.1.0 was killed.
    assert sorted(event["properties"]["visit"] for event in simulator.events()) == ["e5", "e6", "e7"]
    assert [row["requests"] for row in old.cli("run", "--all", "--json").rows] == [0] * 5
    assert format_of(old) == 2


def test_what_is_staged_can_be_pushed(old: Folder, simulator: Simulator) -> None:
    ended = old.cli("push", "groups/teams", "--json")
    assert ended.code == 0, ended.err
    assert ended.row["accepted"] == 1
    assert simulator.groups()["g2"]["name"] == "Three"


def test_only_what_changed_since_is_sent(old: Folder, simulator: Simulator) -> None:
    old.query("update people set seats = 6 where user_id = 'u1'")
    old.cli("run", "users/people")
    old.cli("run", "users/segments")
    assert simulator.users() == {"u1": {"seats": 6}}


def test_what_was_refused_can_be_tried_again(old: Folder, simulator: Simulator) -> None:
    listed = old.cli("rejected", "users/people", "--json").rows
    assert {row["key"]: row["outcome"] for row in listed} == {"u4": "refused", None: "invalid"}
    assert old.cli("rejected", "users/people", "--retry").code == 0
    old.cli("run", "users/people")
    assert simulator.users() == {"u4": {"plan": "bad", "seats": 1}}


def test_it_takes_on_its_workspace(old: Folder) -> None:
    old.cli("run", "groups/teams")
    other = old.cli("plan", "groups/teams", api_url="https://api.candu.ai/api")
    assert other.code == 2
    assert "belongs to Candu at" in other.err


def test_a_person_is_forgotten_in_it(old: Folder) -> None:
    old.cli("run", "events/visits")  # the run that was killed is finished first
    assert old.cli("forget", "u1").code == 0
    assert not [name for name, data in old.state_files().items() if b"u1" in data]
