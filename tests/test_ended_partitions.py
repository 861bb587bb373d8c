"""Partitions that ended: their rows are removed once, within a guard of their own."""

from __future__ import annotations

from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candu_sync import claimed_push, pipeline
from candu_sync.changes import Summary, tripped
from candu_sync.due import ended_partitions, targets_of
from candu_sync.simulator import Simulator
from candu_sync.state import Owner, claims
from candu_sync.syncs.sync import Sync
from tests.support.folder import Folder
from tests.support.lab import Lab, error_of

MODEL = "select user_id, segment from members where segment = :partition"
REMOVED = "removed: {segment: none}"
DYNAMIC = 'partitions: {dynamic: segments, values: "select distinct segment from members order by 1"}'


def static(*keys: str) -> str:
    return f"partitions: {{static: [{', '.join(keys)}]}}\n{REMOVED}\nguard: {{min_rows: 0}}"


def members(lab: Lab, **segments: int) -> None:
    """Make the table again: segment → how many users it has."""
    rows = [(f"{segment}{n}", segment) for segment, count in segments.items() for n in range(count)]
    lab.query("create or replace table members (user_id varchar, segment varchar)")
    if rows:
        lab.table("members", user_id=[user for user, _ in rows], segment=[segment for _, segment in rows])


def names(lab: Lab, sync: Sync, *chosen: str) -> list[str | None]:
    with lab.project() as project:
        return [target.partition for target in targets_of(project, sync, list(chosen))]


def segments_of(simulator: Simulator) -> dict[str, str]:
    return {user: traits["segment"] for user, traits in simulator.users().items()}


class TestOnTheCommandLine:
    def run(self, project: Folder, *options: str) -> tuple[int, dict[str, tuple[str, int, int]]]:
        """The exit code, and for each partition: status, rows removed, messages accepted."""
        ended = project.cli("run", "users/model", *options, "--json")
        return ended.code, {row["partition"]: (row["status"], row["removed"], row["accepted"]) for row in ended.rows}

    def test_a_key_that_is_dropped_is_sent_once(self, project: Folder, simulator: Simulator) -> None:
        members(project, trial=2, won=20, lost=1)
        project.model("users/model", MODEL, static("trial", "won", "lost"))
        self.run(project)
        project.model("users/model", MODEL, static("trial", "won"))
        assert self.run(project) == (0, {"trial": ("succeeded", 0, 0), "won": ("succeeded", 0, 0),
                                         "lost": ("succeeded", 1, 1)})
        assert segments_of(simulator)["lost0"] == "none"
        requests = len(simulator.requests())
        assert self.run(project) == (0, {"trial": ("succeeded", 0, 0), "won": ("succeeded", 0, 0)})
        assert len(simulator.requests()) == requests

    def test_values_that_the_warehouse_no_longer_has(self, project: Folder, simulator: Simulator) -> None:
        members(project, trial=2, won=20)
        project.model("users/model", MODEL, f"{DYNAMIC}\n{REMOVED}")
        self.run(project)
        members(project, won=20)
        assert self.run(project, "--partition", "trial") == (0, {"trial": ("succeeded", 2, 2)})
        assert {user for user, segment in segments_of(simulator).items() if segment == "none"} == {"trial0", "trial1"}
        assert self.run(project) == (0, {"won": ("succeeded", 0, 0)})

    def test_an_empty_list_of_values_stops_everything(self, project: Folder, simulator: Simulator) -> None:
        members(project, trial=2, won=3)
        project.model("users/model", MODEL, f"{DYNAMIC}\n{REMOVED}")
        self.run(project)
        members(project)
        requests = len(simulator.requests())
        stopped = {"trial": ("guarded", 2, 0), "won": ("guarded", 3, 0)}
        assert self.run(project) == (3, stopped)
        assert len(simulator.requests()) == requests
        said = project.cli("plan", "users/model", "--partition", "won")
        assert "5 of 5 rows (100.0%) are in partitions that are no longer the sync's, max_removed is 20.0%" in said.out
        assert "the model is not read" in said.out
        # One that is forgotten no longer counts, and is not asked for.
        assert project.cli("reset", "users/model", "--partition", "won").code == 0
        assert self.run(project) == (3, {"trial": ("guarded", 2, 0)})
        assert self.run(project, "--force") == (0, {"trial": ("succeeded", 2, 2)})
        assert segments_of(simulator) == {"trial0": "none", "trial1": "none", "won0": "won", "won1": "won",
                                          "won2": "won"}

    def test_one_of_ten_goes_and_three_of_ten_do_not(self, project: Folder) -> None:
        keys = [f"s{n}" for n in range(10)]
        members(project, **dict.fromkeys(keys, 15))
        project.model("users/model", MODEL, static(*keys))
        self.run(project)
        project.model("users/model", MODEL, static(*keys[3:]))
        code, rows = self.run(project)
        assert (code, rows["s0"], rows["s1"], rows["s2"]) == (3, *[("guarded", 15, 0)] * 3)
        project.model("users/model", MODEL, static(*keys[1:]))
        code, rows = self.run(project)
        assert (code, rows["s0"]) == (0, ("succeeded", 15, 15))

    def test_what_was_looked_at_is_what_is_sent(self, project: Folder, simulator: Simulator) -> None:
        members(project, trial=2, won=20)
        project.model("users/model", MODEL, static("trial", "won"))
        self.run(project)
        project.model("users/model", MODEL, static("won"))
        assert project.cli("plan", "users/model", "--partition", "trial", "--save").code == 0
        assert project.cli("push", "users/model").code == 0
        assert segments_of(simulator)["trial1"] == "none"
        assert "has no partition trial" in project.cli("plan", "users/model", "--partition", "trial").err


def test_who_moved_to_another_partition_keeps_what_that_one_set(lab: Lab, simulator: Simulator) -> None:
    lab.table("members", user_id=["ada", "bo"], segment=["trial", "trial"])
    sync = lab.sync("users/model", MODEL, static("trial", "won"))
    run_all(lab, sync)
    lab.table("members", user_id=["ada"], segment=["won"])
    sync = lab.sync("users/model", MODEL, static("won"))
    run_all(lab, sync, force=True)
    assert segments_of(simulator) == {"ada": "won", "bo": "none"}


def test_a_renamed_key_sends_its_new_name_and_is_not_stopped(lab: Lab, simulator: Simulator) -> None:
    members(lab, trial=30, won=90)
    sync = lab.sync("users/model", MODEL, static("trial", "won"))
    run_all(lab, sync)
    lab.query("update members set segment = 'testing' where segment = 'trial'")
    sync = lab.sync("users/model", MODEL, static("testing", "won"))
    run_all(lab, sync)
    assert set(segments_of(simulator).values()) == {"testing", "won"}
    assert names(lab, sync) == ["testing", "won"]


def test_a_dynamic_partition_that_ended_keeps_nobody(lab: Lab, simulator: Simulator) -> None:
    lab.table("members", user_id=["ada", "ada", "bo"], segment=["trial", "won", "won"])
    sync = lab.sync("users/model", MODEL, f"{DYNAMIC}\n{REMOVED}\nguard: {{min_rows: 0}}")
    run_all(lab, sync)
    lab.table("members", user_id=["bo"], segment=["won"])
    assert lab.run(sync, "won").accepted == 1
    assert segments_of(simulator)["ada"] == "none"


def test_nothing_ends_without_constants_and_no_window_does(lab: Lab) -> None:
    members(lab, trial=2, won=2)
    kept = static("trial", "won").replace(REMOVED, "")
    run_all(lab, lab.sync("users/model", MODEL, kept))
    assert names(lab, lab.sync("users/model", MODEL, kept.replace("trial, ", ""))) == ["won"]
    yaml = f"partitions: {{daily: 2026-01-01}}\n{REMOVED}"
    daily = lab.sync("users/daily", "select user_id, segment from members where :window_start < now()", yaml)
    lab.run(daily, "2026-01-05")
    later = lab.sync("users/daily", "select user_id, segment from members where :window_start < now()",
                     yaml.replace("2026-01-01", "2026-02-01"))
    assert "2026-01-05" not in names(lab, later)


def test_a_segment_that_is_dropped_with_windows(lab: Lab, simulator: Simulator) -> None:
    members(lab, eu=1, us=1)
    model = "select user_id, segment from members where segment = :partition and :window_start < now()"
    yaml = f"partitions: {{daily: 2026-01-01, static: [eu, us]}}\n{REMOVED}"
    sync = lab.sync("users/model", model, yaml)
    for key in ("2026-01-05|eu", "2026-01-05|us"):
        lab.run(sync, key)
    sync = lab.sync("users/model", model, yaml.replace("eu, ", ""))
    assert names(lab, sync)[-1] == "2026-01-05|eu"
    with lab.project() as project:
        assert ended_partitions(project, sync) == ["2026-01-05|eu"]
    assert "has no partition 2026-01-06|eu" in error_of(names, lab, sync, "2026-01-06|eu")
    run_all(lab, sync, "2026-01-05|eu")
    assert segments_of(simulator) == {"eu0": "none", "us0": "us"}


def test_what_a_killed_run_had_sent_is_removed_too(lab: Lab, simulator: Simulator) -> None:
    """The first run of a partition was accepted, and died before its commit: its version has no row yet."""
    members(lab, trial=2, won=20)
    sync = lab.sync("users/model", MODEL, static("trial", "won"))
    run_all(lab, sync, "won")
    died(lab, sync, "trial")
    assert lab.state(sync, "trial").current().rows == 0
    sync = lab.sync("users/model", MODEL, static("won"))
    assert names(lab, sync) == ["won", "trial"]
    with mock.patch.object(Owner, "alive", return_value=False):
        run_all(lab, sync)
    assert segments_of(simulator)["trial0"] == "none"


def died(lab: Lab, sync: Sync, partition: str) -> None:
    """A run that Candu accepted and that was killed before its commit."""
    with (mock.patch.object(claimed_push, "commit", side_effect=SystemExit), mock.patch.object(claims.Claim, "release"),
          pytest.raises(SystemExit)):
        lab.run(sync, partition)


def run_all(lab: Lab, sync: Sync, *chosen: str, force: bool = False) -> None:
    with lab.project() as project:
        for target in targets_of(project, sync, list(chosen)):
            result = pipeline.run(target, force=force)
            assert result.status == "succeeded", result.error


def test_a_guard_without_max_removed_lets_all_go(lab: Lab) -> None:
    sync = lab.sync("users/model", MODEL, static("won").replace("min_rows: 0", "max_removed: null"))
    summary = Summary(rows=0, added=0, changed=0, removed=9, unchanged=0, invalid=0, held=0, messages=9, bytes=1,
                      traits={}, snapshot_rows=9, ended_rows=9, sync_rows=9)
    assert tripped(sync, summary) == []


@settings(max_examples=8)
@given(st.lists(st.tuples(st.sets(st.sampled_from("xyz"), min_size=1),
                          st.dictionaries(st.sampled_from("abcd"), st.sampled_from("xyz"))), min_size=2, max_size=4))
def test_each_user_ends_with_the_segment_of_the_last_tables(
        running_simulator: Simulator, tmp_path_factory: pytest.TempPathFactory,
        days: list[tuple[set[str], dict[str, str]]]) -> None:
    """Keys come and go, users move: after a run of all, Candu has each user's segment, or the constant."""
    running_simulator.reset()
    lab = Lab(tmp_path_factory.mktemp("lab"), running_simulator)
    known: set[str] = set()
    for keys, users in days:
        lab.query("create or replace table members (user_id varchar, segment varchar)")
        if users:
            lab.table("members", user_id=list(users), segment=list(users.values()))
        sync = lab.sync("users/model", MODEL, static(*sorted(keys)))
        run_all(lab, sync, force=True)
        here = {user: segment for user, segment in users.items() if segment in keys}
        known |= set(here)
        assert segments_of(running_simulator) == {user: here.get(user, "none") for user in known}
        requests = len(running_simulator.requests())
        assert names(lab, sync) == sorted(keys)
        run_all(lab, sync, force=True)
        assert len(running_simulator.requests()) == requests
