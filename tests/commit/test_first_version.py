"""The first version of users takes the files of its change set as they are, also after a kill."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from candu_sync import claimed_push, embedded
from candu_sync.arrow_rows import read_table
from candu_sync.changes import BASE_INDEX
from candu_sync.operate import maintenance
from candu_sync.simulator import Simulator
from candu_sync.snapshot import merge
from candu_sync.syncs.sync import Sync
from candu_sync.target import Target
from tests.drills.interruptions import Killed, install
from tests.support.lab import Lab

USERS = [f"u{n}" for n in range(6)]


@pytest.fixture(autouse=True)
def none_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "FEW_ROWS", 0)


@pytest.fixture
def sync(lab: Lab) -> Sync:
    lab.table("people", user_id=USERS, plan=["pro", None, "free", "pro", None, "x"])
    return lab.sync("users/model", "select * from people", "guard: {max_changed: null}")


@pytest.fixture
def merged(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The numbers of rows that were laid over a snapshot."""
    found: list[int] = []
    make = merge._make_overlay
    monkeypatch.setattr(merge, "_make_overlay", lambda *given: found.append(make(*given)) or found[-1])
    return found


def base(lab: Lab, sync: Sync) -> pa.Table:
    state = lab.state(sync)
    path = state.open(state.current().files["base"])
    assert path is not None
    return read_table(path)


def test_its_files_are_those_of_the_change_set(lab: Lab, simulator: Simulator, sync: Sync, merged: list[int]) -> None:
    staged = lab.plan(sync)
    assert staged.folder is not None
    inodes = {staged.file(name).stat().st_ino for name in ("changes.arrow", BASE_INDEX)}
    assert lab.push(sync, staged).accepted == len(USERS) - 2
    state = lab.state(sync)
    files = state.current().files
    assert {Path(state.store.place(files[role].name)).stat().st_ino for role in ("base", "base_index")} == inodes
    assert state.store.list(state.name("runs", staged.run_id, "changes.arrow")) == []
    assert merged == []
    assert lab.run(sync).requests == 0


def test_a_user_who_was_refused_is_not_in_it(lab: Lab, simulator: Simulator, sync: Sync, merged: list[int]) -> None:
    simulator.fault("refuse", user_ids=["u2"], status=422)
    lab.run(sync)
    assert merged == [len(USERS) - 1]
    assert sorted(base(lab, sync)["key"].to_pylist()) == [user for user in USERS if user != "u2"]
    assert "op" not in base(lab, sync).column_names


def test_later_changes_are_laid_over_it(lab: Lab, simulator: Simulator, sync: Sync) -> None:
    lab.run(sync)
    lab.table("people", user_id=[*USERS[:5], "u9"], plan=["pro", "new", "free", "pro", None, "x"])
    result = lab.run(sync)
    assert (result.added, result.changed, result.removed) == (1, 1, 1)
    # The change outgrows the small base, which is written again as any other.
    assert base(lab, sync).column_names == ["key", "gone", "doubt", "user_id", "t0"]
    assert lab.run(sync).requests == 0


def test_a_baseline_takes_them_too(lab: Lab, simulator: Simulator, sync: Sync, merged: list[int]) -> None:
    with lab.project() as project:
        maintenance.baseline(Target(project, sync))
    assert (merged, base(lab, sync).num_rows) == ([], len(USERS))
    assert lab.run(sync).requests == 0


def test_a_commit_that_is_killed_is_made_by_the_next_run(lab: Lab, simulator: Simulator, sync: Sync, merged: list[int],
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    """Before or after its durable writes: all that was accepted is there, nothing is sent again."""
    points = install(monkeypatch)
    began: list[int] = []
    commit = claimed_push.commit

    def noted(*given: Any, **options: Any) -> Any:
        began.append(points.count)
        return commit(*given, **options)

    monkeypatch.setattr(claimed_push, "commit", noted)
    with points.acting(10**9, None):
        lab.run(sync)
        ended = points.count
    writes = range(began[0] + 1, ended + 1, 3)
    assert len(writes) > 4
    for point in writes:
        shutil.rmtree(lab.overrides["state_url"])
        simulator.reset()
        with points.acting(point, points.kill), pytest.raises(Killed):
            lab.run(sync)
        again = lab.run(sync)
        assert (again.error, again.requests, again.added) == (None, 0, 0), point
        assert sorted(base(lab, sync)["key"].to_pylist()) == USERS
    assert merged == []
