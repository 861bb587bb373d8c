"""The state of a partition has a bound, however many runs there were, and what is still needed stays in it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from candu_sync.changes import staging
from candu_sync.commit import list_uncertain, uncertain_events
from candu_sync.commit.uncertain_events import Uncertain, join_older
from candu_sync.history import HistoryQuery, retention, runs_in_ledger, search_history
from candu_sync.pipeline import plan, push_staged
from candu_sync.simulator import Simulator
from candu_sync.state import PartitionState, State, Version, partition_state, read_receipts
from candu_sync.target import Target
from tests.support.lab import Lab


@pytest.fixture(params=["disk", "s3"])
def anywhere(request: pytest.FixtureRequest, lab: Lab) -> Lab:
    """A lab whose state is on a disk, or in an object store."""
    if request.param == "s3":
        lab.overrides["state_url"] = request.getfixturevalue("s3_url")
    return lab


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bounds are so small that a few runs reach them."""
    monkeypatch.setattr(partition_state, "MOST_VERSIONS", 4)
    monkeypatch.setattr(staging, "_KEPT_RUNS", 3)
    monkeypatch.setattr(retention, "MOST_FILES", 2)
    monkeypatch.setattr(uncertain_events, "MOST_FILES", 4)


def folders(state: PartitionState) -> dict[str, int]:
    """How many files each folder of the partition has."""
    found: dict[str, int] = {}
    for name in state.store.list(state.name("")):
        folder = name.removeprefix(state.name("")).partition("/")[0]
        found[folder] = found.get(folder, 0) + 1
    return found


MODELS = {
    "users": "select user_id, seats from people",
    "events": """
        select user_id || ':' || seats as event_id, user_id, 'Ran' as event, timestamp '2026-11-01' as timestamp, seats
        from people""",
}


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(("kind", "where"), [("events", "disk"), ("users", "s3")])
def test_more_runs_make_no_more_files(lab: Lab, simulator: Simulator, request: pytest.FixtureRequest, kind: str,
                                      where: str) -> None:
    if where == "s3":
        lab.overrides["state_url"] = request.getfixturevalue("s3_url")
    lab.overrides |= {"max_attempts": 1, "batch_size": 1, "concurrency": 1}
    sync = lab.sync(f"{kind}/profile", MODELS[kind], "guard: {max_changed: null, max_added: null}")
    state, counts = lab.state(sync), []
    for number in range(7):
        lab.table("people", user_id=["u1", "u2", "u3"], seats=[number, number + 100, number + 200])
        # A message has no answer, so that no run settles all of its messages.
        simulator.clear_faults()
        simulator.fault("lost", times=1)
        lab.run(sync)
        counts.append(folders(state))
    # As few as those, with what one run stages and commits before older ones are removed.
    for folder in counts[-1]:
        assert max(found.get(folder, 0) for found in counts[4:]) <= 8, (folder, counts)
    assert len(list(search_history([state], HistoryQuery()))) >= 7


def note(state: PartitionState, run_id: str, key: str) -> None:
    """One event of a run is uncertain."""
    state.write_json(f"uncertain/{run_id}.json", Uncertain(run_id, "2026-11-01T06:00:00+00:00", 1, [key]).body())


@pytest.mark.usefixtures("few")
def test_all_uncertain_events_stay_counted_and_listed(anywhere: Lab, simulator: Simulator) -> None:
    state = anywhere.state(anywhere.sync("events/visits", MODELS["events"]))
    for number in range(12):
        note(state, f"run-{number:02}", f"e{number}")
        join_older(state)
        found = list_uncertain(state)
        assert sum(one.count for one in found) == number + 1
        assert {key for one in found for key in one.keys} == {f"e{past}" for past in range(number + 1)}
        assert len(state.store.list(state.name("uncertain/"))) <= 4


@pytest.mark.usefixtures("few")
def test_a_crash_while_uncertain_events_are_joined_counts_none_twice(
        anywhere: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    state = anywhere.state(anywhere.sync("events/visits", MODELS["events"]))
    for number in range(12):
        note(state, f"run-{number:02}", f"e{number}")
        with monkeypatch.context() as patch:
            if number != 8:
                # The process dies before it removes what it has joined.
                patch.setattr(type(state.store), "delete_all", lambda *_: None)
            join_older(state)
        assert sum(one.count for one in list_uncertain(state)) == number + 1


def test_only_the_newest_of_many_uncertain_events_are_listed(
        lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(uncertain_events, "MOST_FILES", 4)
    monkeypatch.setattr(uncertain_events, "LISTED_TOGETHER", 2)
    state = lab.state(lab.sync("events/visits", MODELS["events"]))
    for number in range(5):
        note(state, f"run-{number}", f"e{number}")
    join_older(state)
    assert [(one.run_id, one.count, one.keys) for one in list_uncertain(state)] == [
        ("run-2", 3, ["e2", "e1"]), ("run-3", 1, ["e3"]), ("run-4", 1, ["e4"])]
    assert "the ids of 1 uncertain events, the oldest of 3, are no longer listed" in caplog.text


def test_plans_that_nobody_pushes_are_few_and_the_last_can_be_pushed(anywhere: Lab) -> None:
    sync = anywhere.sync("users/profile", MODELS["users"])
    state = anywhere.state(sync)
    for number in range(6):
        anywhere.table("people", user_id=["u1"], seats=[number])
        with anywhere.project() as project:
            changes = plan(Target(project, sync))
    with anywhere.project() as project:
        staged = {name.split("/")[-2] for name in state.store.list(state.name("runs/"))}
        assert len(staged) <= 4
        assert changes.run_id in staged
        pushed, result = push_staged(Target(project, sync))
        assert (pushed.run_id, result.accepted) == (changes.run_id, 1)


def test_receipts_of_the_newest_versions_run_stay(
        lab: Lab, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "_KEPT_RUNS", 2)
    lab.overrides |= {"max_attempts": 1}
    lab.table("people", user_id=["u1"], seats=[1])
    sync = lab.sync("users/profile", MODELS["users"])
    lab.run(sync)
    state = lab.state(sync)
    made_by = state.current().run_id
    simulator.fault("status", status=503)
    for number in range(4):
        lab.table("people", user_id=["u1"], seats=[number + 2])
        lab.run(sync)
    runs = {name.split("/")[-3] for name in state.store.list(state.name("runs/")) if "/receipts/" in name}
    assert made_by in runs or state.current().run_id in runs
    assert len(runs) <= 3
    assert read_receipts(state, state.current().run_id).accepted


def test_quick_runs_keep_few_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = State(str(tmp_path / "state")).of("users/model", None)
    now = dt.datetime.now(dt.UTC).isoformat()
    for number in range(1, 101):
        base = tmp_path / "base.arrow"
        base.write_text(str(number))
        state.commit(Version(number=number, run_id=f"run-{number}", at=now), {"base": base})
        names = state.store.list(state.name("versions/"))
        assert len(names) == len(state.store.list(state.name("data/"))) <= partition_state.MOST_VERSIONS
        assert len(names) >= min(number, partition_state.MOST_VERSIONS // 2)
    path = state.open(state.current().files["base"])
    assert path is not None
    assert path.read_text() == "100"


def test_a_run_that_began_before_the_newest_of_a_merged_file(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new file's newest run is that of the one that was merged before. No row is lost from it, and no name is used
    twice."""
    monkeypatch.setattr(retention, "MOST_FILES", 1)
    ids = iter(f"20261101T0600{second:02}-00000000" for second in (1, 9, 2, 3, 4, 5))
    monkeypatch.setattr("candu_sync.pipeline.new_run_id", lambda: next(ids))
    sync = lab.sync("users/profile", MODELS["users"], "guard: {max_changed: null}")
    state, ran, seen = lab.state(sync), [], dict[str, bytes]()
    for number in range(6):
        lab.table("people", user_id=["u1"], seats=[number])
        ran.append(lab.run(sync).run_id)
        assert runs_in_ledger(state) == sorted(ran)
        assert sorted(row["run_id"] for row in search_history([state], HistoryQuery())) == sorted(ran)
        for name in state.store.list(state.name("history/")):
            assert seen.setdefault(name, state.store.get(name) or b"") == state.store.get(name)


def test_the_history_of_a_day_is_in_few_files(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MOST_FILES", 1)
    sync = lab.sync("users/profile", MODELS["users"], "guard: {max_changed: null}")
    state, ran = lab.state(sync), []
    for number in range(5):
        lab.table("people", user_id=["u1"], seats=[number])
        ran.append(lab.run(sync).run_id)
        names = [name for name in state.store.list(state.name("history/")) if name.endswith(".parquet")]
        assert len(names) <= 2 + 1  # one more where the day has just changed
        assert runs_in_ledger(state) == sorted(ran)
        assert sorted(row["run_id"] for row in search_history([state], HistoryQuery())) == sorted(ran)
