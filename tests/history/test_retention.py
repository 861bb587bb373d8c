"""The ledger is kept for a time, in a bounded number of files, and no row is lost or shown twice on the way."""

from __future__ import annotations

import datetime as dt
import shutil

import pytest

from candu_sync.history import HistoryQuery, search_history
from candu_sync.history import retention as module
from candu_sync.history.retention import drop_old, put_together
from candu_sync.state import PartitionState
from candu_sync.syncs import Sync
from tests.support.lab import Lab


def runs(lab: Lab, count: int) -> Sync:
    sync = lab.sync("users/profile", "select * from people")
    for n in range(count):
        lab.table("people", user_id=["u1", "u2"], seats=[n, -n])
        lab.run(sync)
    return sync


def seen(state: PartitionState) -> list[tuple[str, str]]:
    return sorted((row["run_id"], row["user_id"]) for row in search_history([state], HistoryQuery()))


def files(state: PartitionState) -> list[str]:
    return [name for name in state.store.list(state.name("history/")) if name.endswith(".parquet")]


def test_what_is_too_old_is_dropped(lab: Lab) -> None:
    state = lab.state(runs(lab, 2))
    now = dt.datetime.now(dt.UTC)
    assert drop_old(state, 90, now) == 0
    assert len(files(state)) == 2
    assert drop_old(state, 90, now + dt.timedelta(days=91)) == 2
    assert files(state) == []


def test_many_small_files_become_one(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    state = lab.state(runs(lab, 5))
    before = seen(state)
    assert put_together(state) == 0
    monkeypatch.setattr(module, "MOST_FILES", 3)
    assert put_together(state) == 5
    assert len(files(state)) == 1
    assert seen(state) == before
    [run] = {run for run, _ in before if run.startswith(before[0][0])}
    assert {row["run_id"] for row in search_history([state], HistoryQuery(run_id=run))} == {run}


def test_a_crash_while_files_are_put_together_shows_no_row_twice(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    state = lab.state(runs(lab, 5))
    before = seen(state)
    kept = lab.folder / "kept"
    shutil.copytree(lab.folder / "state" / state.name("history"), kept)
    monkeypatch.setattr(module, "MOST_FILES", 3)
    put_together(state)
    # As if the process had died before it removed the small ones.
    for path in kept.glob("*.parquet"):
        shutil.copy(path, lab.folder / "state" / state.name("history"))
    assert len(files(state)) == 6
    assert seen(state) == before
