"""A run of syncs opens the project once; a run with other steps gives the warehouse's file back between them."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from dagster import AssetKey, AssetsDefinition, ExecuteInProcessResult, asset, materialize

from candu_sync import Project
from dagster_defs.resources import CanduSyncResource
from tests.dagster.room import PUSH, Room, failure, people


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Project]]:
    """The projects that are opened; each must be closed at the end."""
    found: list[Project] = []
    closed: list[Project] = []
    enter, leave = Project.__enter__, Project.__exit__

    def entered(project: Project) -> Project:
        found.append(project)
        return enter(project)

    def left(project: Project, *error: object) -> None:
        closed.append(project)
        leave(project, *error)  # type: ignore[arg-type]

    monkeypatch.setattr(Project, "__enter__", entered)
    monkeypatch.setattr(Project, "__exit__", left)
    yield found
    assert sorted(map(id, found)) == sorted(map(id, closed))


def _three_syncs(room: Room) -> None:
    people(room)
    room.sync("users/more", "select user_id, 1 as seats from people")
    room.table("accounts", group_id=["g"], user_id=["u0"], tier=["pro"])
    room.sync("groups/accounts", "select * from accounts")


def _run(room: Room, *more: AssetsDefinition) -> ExecuteInProcessResult:
    assets = [asset for asset in room.definitions().assets or () if isinstance(asset, AssetsDefinition)]
    return materialize([*assets, *more], instance=room.instance, raise_on_error=False,
                       resources={"candu_sync": CanduSyncResource()})


def test_a_run_of_syncs_opens_the_project_once(room: Room, opened: list[Project]) -> None:
    _three_syncs(room)
    assert _run(room).success
    assert len(opened) == 1
    assert len(room.simulator.users()) == 3
    # Nobody has the file open any more: it can be written to.
    room.table("people", user_id=["u0", "u1", "u2"], plan=["pro"] * 3)
    assert _run(room).success
    assert room.simulator.users()["u1"]["plan"] == "pro"


def test_a_step_that_is_no_sync_can_write_to_the_warehouse(room: Room, opened: list[Project]) -> None:
    _three_syncs(room)

    @asset(deps=[AssetKey(PUSH.split("/"))])
    def marts() -> None:
        with duckdb.connect(str(room.warehouse)) as connection:
            connection.execute("create table marts as select 1 as one")

    assert _run(room, marts).success
    assert len(opened) == 6


def test_a_sync_that_fails_leaves_no_project_behind(room: Room, opened: list[Project]) -> None:
    _three_syncs(room)
    room.sync("users/people", "select * from nothing")
    result = _run(room)
    assert "nothing" in failure(result, PUSH)
    assert len(opened) == 2
    assert "u0" in room.simulator.users()
