"""The ledger is kept for a time, in a bounded number of files, and no row is lost or shown twice on the way."""

from __future__ import annotations

import datetime as dt
import itertools
import shutil
import uuid
from unittest import mock

import pytest

from candu_sync import pipeline
from candu_sync.history import HistoryPolicy, HistoryQuery, note_run, search_history, tidy
from candu_sync.history import retention as module
from candu_sync.history.retention import drop_old, drop_oldest, put_together
from candu_sync.state import PartitionState
from candu_sync.state.owner import Owner
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


def test_the_age_of_a_partition_that_never_runs_again_counts_too(lab: Lab) -> None:
    lab.table("people", user_id=["u1", "u2"], day=["2026-11-01", "2026-11-02"])
    sync = lab.sync("users/days", "select * from people where day = :partition",
                    "partitions: {static: ['2026-11-01', '2026-11-02']}")
    for day in ("2026-11-01", "2026-11-02"):
        lab.run(sync, day)
    first, second = (lab.state(sync, day) for day in ("2026-11-01", "2026-11-02"))
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=91)
    shutil.move(lab.folder / "state" / files(second)[0],
                lab.folder / "state" / second.name("history", f"{later:%Y%m%dT%H%M%S}-11111111.parquet"))
    policy = HistoryPolicy(mode="names", days=90, salt=uuid.uuid4())
    tidy(second, policy, later)
    assert (len(files(first)), len(files(second))) == (0, 1)


def test_the_note_of_a_run_that_no_report_took_stays_as_long_as_its_rows(lab: Lab) -> None:
    state = lab.state(runs(lab, 1))
    policy = HistoryPolicy(mode="names", days=90, salt=uuid.uuid4(), report="candu")
    note_run(state, "20260801T060000-1a2b3c4d", policy, {"status": "succeeded"})
    note_run(state, "20261101T060000-1a2b3c4d", policy, {"status": "succeeded"})
    tidy(state, policy, dt.datetime(2026, 11, 4, tzinfo=dt.UTC))
    assert [name.rpartition("/")[2] for name in state.store.list("report/runs/")] == ["20261101T060000-1a2b3c4d.json"]


def test_the_oldest_of_all_syncs_are_dropped_beyond_a_size(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    # The order of runs that began within one second is not known.
    ids = (f"20261101T0600{second:02}-1a2b3c4d" for second in itertools.count())
    monkeypatch.setattr(pipeline, "new_run_id", lambda: next(ids))
    state = lab.state(runs(lab, 2))
    events = lab.sync("groups/accounts", "select 'g' as group_id, user_id from people")
    lab.run(events)
    names = [*files(state), *files(lab.state(events))]
    sizes = state.store.sizes("")
    ledgers = sum(sizes[name] for name in names)
    assert drop_oldest(state.store, ledgers) == 0
    assert drop_oldest(state.store, ledgers - 1) == 1
    assert [*files(state), *files(lab.state(events))] == names[1:]
    assert drop_oldest(state.store, sizes[names[2]]) == 1
    assert (files(state), files(lab.state(events))) == ([], names[2:])


def test_a_file_stays_while_its_run_has_not_made_its_version(lab: Lab) -> None:
    sync = runs(lab, 1)
    state = lab.state(sync)
    lab.overrides["history_size"] = "1KB"
    lab.table("people", user_id=["u1", "u2"], seats=[7, 8])
    with mock.patch("candu_sync.state.partition_state.PartitionState.commit", side_effect=Died), \
            pytest.raises(Died):
        lab.run(sync)
    # The run's own file is there, the older one is not. A run of another sync does not remove it.
    [unfinished] = files(state)
    other = lab.sync("groups/accounts", "select 'g' as group_id, user_id from people")
    lab.run(other)
    assert files(state) == [unfinished]
    with mock.patch.object(Owner, "alive", return_value=False):
        assert lab.run(sync).requests == 0
    assert len(seen(state)) == 2
    lab.run(other, full=True)
    assert files(state) == []
    assert len(files(lab.state(other))) == 1


class Died(BaseException):
    """The process is killed."""


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
