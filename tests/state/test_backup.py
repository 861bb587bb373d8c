"""The restore drill of docs/deploy.md: a copy of the state, put back later and elsewhere, loses nothing."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

from candu_sync.simulator import Simulator
from tests.support.folder import Folder

Copy = Callable[[str, str], None]


def copied_folder(source: str, target: str) -> None:
    """As `cp -r` or `rsync --archive`."""
    shutil.copytree(source, target)


def copied_prefix(source: str, target: str) -> None:
    """As `aws s3 sync`."""
    here, there = S3Store.from_url(source), S3Store.from_url(target)
    for names in obstore.list(here):
        for found in names:
            obstore.put(there, found["path"], bytes(obstore.get(here, found["path"]).bytes()))


@pytest.fixture(params=["folder", "s3"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str, str, Copy]:
    """The state, its backup, and where it is restored."""
    if request.param == "folder":
        return str(tmp_path / "state"), str(tmp_path / "backup"), str(tmp_path / "restored"), copied_folder
    bucket = request.getfixturevalue("s3_url").removesuffix("/some/prefix")
    return f"{bucket}/state", f"{bucket}/backup", f"{bucket}/restored", copied_prefix


@pytest.fixture
def later(project: Folder, simulator: Simulator, places: tuple[str, str, str, Copy]) -> Folder:
    """Two days of runs, and the state lost after the second; put back is the backup of the first."""
    state, backup, restored, copy = places
    project.overrides["state_url"] = state
    project.people(3)
    project.model("users/people", "select * from people")
    project.query("create table visits as select 'e' || i as event_id, 'u1' as user_id, 'Visited' as event, "
                  "timestamp '2026-11-01' + interval (i) hour as timestamp, 'e' || i as visit from range(3) t(i)")
    project.model("events/visits", "select * from visits")
    assert project.cli("run", "--all").code == 0
    copy(state, backup)
    project.query("update people set plan = 'team' where user_id = 'u2'")
    project.query("insert into visits values ('e3', 'u1', 'Visited', timestamp '2026-11-02', 'e3')")
    assert project.cli("run", "--all").code == 0
    copy(backup, restored)
    project.overrides["state_url"] = restored
    return project


def visits(simulator: Simulator) -> dict[str, int]:
    return dict(Counter(event["properties"]["visit"] for event in simulator.events()))


def test_what_came_after_the_backup_is_sent_again_and_nothing_else(later: Folder, simulator: Simulator) -> None:
    planned = {row["sync"]: row for row in later.cli("plan", "--all", "--json").rows}
    assert planned["users/people"]["traits"] == {"plan": 1}
    assert planned["events/visits"]["messages"] == 1
    assert later.cli("run", "--all").code == 0
    assert simulator.users() == {"u0": {"plan": "pro"}, "u1": {"plan": "free"}, "u2": {"plan": "team"}}
    assert visits(simulator) == {"e0": 1, "e1": 1, "e2": 1, "e3": 2}
    assert [row["requests"] for row in later.cli("run", "--all", "--json").rows] == [0, 0]


def test_events_that_candu_has_are_taken_as_sent(later: Folder, simulator: Simulator) -> None:
    assert later.cli("baseline", "events/visits").code == 0
    later.query("insert into visits values ('e4', 'u1', 'Visited', timestamp '2026-11-03', 'e4')")
    assert later.cli("run", "--all").code == 0
    assert visits(simulator) == {"e0": 1, "e1": 1, "e2": 1, "e3": 1, "e4": 1}
    assert simulator.users()["u2"] == {"plan": "team"}
