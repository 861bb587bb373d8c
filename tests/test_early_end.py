"""A run that finds nothing to do ends with its plan: nothing is staged, claimed or sent, and its result is the same."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pytest

from candu_sync import claimed_push, pipeline
from candu_sync import project as project_module
from candu_sync.commit import RunResult
from candu_sync.comparison import comparing, reading
from candu_sync.due import targets_of
from candu_sync.errors import ModelError, OtherWorkspace, StaleChanges
from candu_sync.operate import maintenance
from candu_sync.progress import Counted, Event
from candu_sync.routes import CANDU
from candu_sync.simulator import Simulator
from candu_sync.state import read_last_run
from candu_sync.state.claims import Claim, Owner
from candu_sync.state.disk import DiskStore
from candu_sync.state.root_files import RootFiles
from candu_sync.syncs.sync import Sync
from candu_sync.target import Target
from candu_sync.warehouse import Warehouse
from tests.support.lab import Lab
from tests.support.waiting import until

MODELS = {
    "users/model": ("select * from people", ""),
    "users/omit": ("select * from people", "nulls: omit"),
    "users/constants": ("select * from people", "{nulls: {plan: none}, removed: {member: false}}"),
    "users/members": ("select *, 'o' || user_id as org from people", "{key: [user_id, org], removed: {member: false}}"),
    "groups/model": ("select 'g' as group_id, user_id, 5.5 as total from people", "removed: {gone: true}"),
    "events/model": ("select user_id as event_id, user_id, 'seen' as event, timestamp '2026-11-01' as timestamp, plan "
                     "from people", ""),
    "events/cursor": ("select user_id as event_id, user_id, 'seen' as event, timestamp '2026-11-01' as timestamp, plan "
                      "from people where :since is null or timestamp '2026-11-01' >= :since",
                      "cursor: {column: timestamp, lookback: 1 day}"),
}


@pytest.fixture(params=MODELS)
def sync(lab: Lab, request: pytest.FixtureRequest) -> Sync:
    """Each kind of sync, over the same three people; one of them has no plan, one has a NaN."""
    people(lab, "('a', 'pro', 1.5), ('b', null, 'nan'::double), ('c', 'free', null)")
    return lab.sync(request.param, *MODELS[request.param])


def people(lab: Lab, rows: str) -> None:
    lab.query(f"create or replace table people as from (values {rows}) t(user_id, plan, score)")


@contextmanager
def writes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names that are written or removed in the state, by the last part."""
    seen: list[str] = []
    with monkeypatch.context() as patch:
        for method in ("put", "add", "delete"):
            original = getattr(DiskStore, method)

            def counted(self: DiskStore, name: str, *rest: Any, _call: Any = original, **options: Any) -> Any:
                seen.append(name.rpartition("/")[2])
                return _call(self, name, *rest, **options)

            patch.setattr(DiskStore, method, counted)
        yield seen


@contextmanager
def the_long_way(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing ends early: every table is made, and every file is staged."""
    with monkeypatch.context() as patch:
        patch.setattr(comparing, "diff_of_nothing", lambda *_: None)
        patch.setattr(reading, "is_same", lambda *_: False)
        yield


def said(result: RunResult) -> dict[str, Any]:
    """What a run says, without what differs between any two runs."""
    return result.to_json() | {"exit_code": result.exit_code, "seconds": None, "run_id": None}


def test_it_writes_how_it_ended_and_nothing_else(lab: Lab, sync: Sync, simulator: Simulator,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    assert lab.run(sync).accepted
    requests = len(simulator.messages())
    version = lab.state(sync).current()
    with writes(monkeypatch) as seen:
        result = lab.run(sync)
    assert seen == ["-.json"]
    assert (result.status, result.requests, len(simulator.messages())) == ("succeeded", 0, requests)
    assert lab.state(sync).current() == version


def test_it_does_not_look_at_the_folders_of_other_syncs(lab: Lab, sync: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a run of many syncs on a disk, that would take the square of their number."""
    lab.run(sync)
    looked = mock.Mock(return_value=[])
    monkeypatch.setattr(RootFiles, "folders", looked)
    with lab.project() as project:
        project.declared = frozenset({sync.name})
        assert project.predecessor(sync) is None
        pipeline.run(Target(project, sync, None))
    assert not looked.called


@pytest.mark.parametrize("lost", [b"", bytes(64)])
def test_it_waits_for_no_disk(lab: Lab, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, lost: bytes) -> None:
    """A power cut may lose how a run ended, and nothing else: the next run finds all as it was."""
    people(lab, "('a', 'pro', 1.5), ('b', 'free', 2)")
    sync = lab.sync("users/model", "select * from people")
    lab.run(sync)
    with monkeypatch.context() as patch:
        synced: list[int] = []
        patch.setattr(os, "fsync", synced.append)
        lab.run(sync)
    assert synced == []
    # A file that was renamed before its bytes were on the disk.
    [last] = Path(lab.overrides["state_url"]).glob("last/*/*.json")
    last.write_bytes(lost)
    requests = len(simulator.messages())
    assert (lab.run(sync).status, len(simulator.messages())) == ("succeeded", requests)
    assert read_last_run(lab.state(sync))["status"] == "succeeded"


def test_it_says_what_the_long_way_says(lab: Lab, sync: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.run(sync)
    with the_long_way(monkeypatch):
        long, planned = lab.run(sync), lab.plan(sync, keep=False)
    assert planned.folder is not None
    short, early = lab.run(sync), lab.plan(sync, keep=False)
    assert early.folder is None
    assert said(short) == said(long)
    nothing = {"run_id": None, "seconds": None}
    assert early.body() | nothing == planned.body() | nothing


@pytest.fixture
def users(lab: Lab) -> Sync:
    people(lab, "('a', 'pro', 1.5), ('b', 'free', 2)")
    return lab.sync("users/model", "select * from people")


def test_a_plan_of_nothing_is_pushed_by_the_next_step(lab: Lab, users: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.run(users)
    with writes(monkeypatch) as seen:
        planned = lab.plan(users)
    assert seen == ["staged.json"]
    with lab.project() as project:
        pushed, result = pipeline.push_staged(Target(project, users))
    assert pushed == planned
    assert (result.run_id, result.status, result.unchanged) == (planned.run_id, "succeeded", result.rows)
    with lab.project() as project, pytest.raises(StaleChanges, match="no changes are staged"):
        pipeline.push_staged(Target(project, users))


def test_a_plan_of_nothing_takes_the_place_of_one_that_was_staged(lab: Lab, users: Sync) -> None:
    lab.run(users)
    with lab.project() as project:
        lab.query("insert into people values ('c', 'free', null)")
        lab.plan(users)
        lab.query("delete from people where user_id = 'c'")
        assert pipeline.run(Target(project, users)).messages == 0
        with pytest.raises(StaleChanges, match="no changes are staged"):
            pipeline.push_staged(Target(project, users))


def test_it_is_stale_once_the_snapshot_has_moved_on(lab: Lab, users: Sync) -> None:
    lab.run(users)
    planned = lab.plan(users)
    lab.query("insert into people values ('d', 'pro', 2)")
    other = lab.plan(users, keep=False)
    assert other.summary.messages == 1
    lab.run(users)
    with pytest.raises(StaleChanges, match="version"):
        lab.push(users, planned)


@pytest.mark.parametrize("change", [
    "insert into people values ('d', 'pro', 3)", "update people set plan = 'team' where user_id = 'a'",
    "update people set plan = null where user_id = 'a'", "delete from people where user_id = 'a'",
    "insert into people values (null, 'pro', 3)", "insert into people values ('a', 'team', 3)",
    "alter table people add column seats int; update people set seats = 5 where user_id = 'a'",
    "alter table people drop column plan"])
def test_any_change_goes_the_long_way(lab: Lab, simulator: Simulator, monkeypatch: pytest.MonkeyPatch,
                                      change: str) -> None:
    people(lab, "('a', 'pro', 1.5), ('b', 'free', 2)")
    sync = lab.sync("users/model", "select * from people", "removed: {member: false}")
    lab.run(sync)
    for statement in change.split("; "):
        lab.query(statement)
    with the_long_way(monkeypatch):
        long = lab.plan(sync, keep=False)
    changes = lab.plan(sync, keep=False)
    assert changes.folder is not None
    assert changes.summary == long.summary
    assert lab.run(sync).status == "succeeded"


class TestWhatIsNotEarly:
    @pytest.fixture
    def sync(self, users: Sync) -> Sync:
        return users

    def test_a_full_run_sends_every_row(self, lab: Lab, sync: Sync) -> None:
        lab.run(sync)
        assert lab.run(sync, full=True).accepted == 2

    def test_a_row_that_candu_refused_and_that_went_back(self, lab: Lab, sync: Sync, simulator: Simulator) -> None:
        lab.run(sync)
        lab.query("update people set plan = 'team'")
        simulator.fault("refuse", user_ids=["a"])
        assert lab.run(sync).refused == 1
        assert lab.run(sync).exit_code == 4
        lab.query("update people set plan = 'pro' where user_id = 'a'")
        assert lab.run(sync).status == "succeeded"
        assert lab.rejected(sync) == []

    def test_rows_whose_answer_was_lost_are_sent_again(self, lab: Lab, sync: Sync, simulator: Simulator) -> None:
        lab.run(sync)
        simulator.fault("lost", times=2)
        lab.query("update people set plan = 'team' where user_id = 'a'")
        assert lab.run(sync).status == "failed"
        lab.query("update people set plan = 'pro' where user_id = 'a'")
        assert lab.run(sync).accepted == 1

    def test_a_guard_on_few_rows(self, lab: Lab, simulator: Simulator) -> None:
        people(lab, "('a', 'pro', 1.5)")
        sync = lab.sync("users/model", "select * from people where user_id <> 'a'", "guard: {min_rows: 1}")
        result = lab.run(sync)
        assert (result.status, result.exit_code) == ("guarded", 3)
        assert "min_rows" in str(result.error)
        assert lab.run(sync, force=True).status == "succeeded"

    def test_a_guard_is_passed_by_with_force_in_the_next_step(self, lab: Lab) -> None:
        people(lab, "('a', 'pro', 1.5)")
        sync = lab.sync("users/model", "select * from people where user_id <> 'a'", "guard: {min_rows: 1}")
        lab.plan(sync, force=True)
        with lab.project() as project:
            assert pipeline.push_staged(Target(project, sync))[1].status == "succeeded"

    def test_rows_that_were_set_aside_are_no_longer_listed(self, lab: Lab, sync: Sync) -> None:
        lab.query("insert into people values (null, 'pro', 3)")
        assert lab.run(sync).exit_code == 4
        lab.query("delete from people where user_id is null")
        assert lab.run(sync).exit_code == 0
        with lab.project() as project:
            assert maintenance.set_aside(Target(project, sync)) == []

    def test_rows_that_a_person_named(self, lab: Lab, sync: Sync) -> None:
        lab.run(sync)
        assert lab.run(sync, keys=["a"]).accepted == 1

    def test_events_whose_key_is_another_one(self, lab: Lab) -> None:
        people(lab, "('a', 'pro', 1.5)")
        sql = "select user_id, 'k' as event_id, 'k' as other, 'seen' as event, timestamp '2026-11-01' as timestamp " \
              "from people"
        lab.run(lab.sync("events/model", sql))
        [change] = lab.plan(lab.sync("events/model", sql, "key: other")).summary.identity_changes
        assert change == "the key was event_id and is other now"

    def test_a_partition_that_ended(self, lab: Lab) -> None:
        people(lab, "('a', 'pro', 1.5), ('b', 'free', 2)")
        sql = "select * from people where plan = :partition"
        yaml = "{{removed: {{member: false}}, partitions: {{static: [{}]}}}}"
        sync = lab.sync("users/model", sql, yaml.format("pro, free"))
        lab.run(sync, "pro")
        lab.run(sync, "free")
        fewer = lab.sync("users/model", sql, yaml.format("pro"))
        with lab.project() as project:
            [_, ended] = targets_of(project, fewer, [])
            assert pipeline.run(ended, force=True).messages == 1

    def test_a_run_that_died(self, lab: Lab, sync: Sync) -> None:
        """What Candu accepted of it enters the snapshot first, and is not sent again."""
        lab.run(sync)
        lab.query("update people set plan = 'team' where user_id = 'a'")
        with (mock.patch.object(claimed_push, "commit", side_effect=SystemExit),
              mock.patch.object(Claim, "release"), pytest.raises(SystemExit)):
            lab.run(sync)
        assert lab.state(sync).current().number == 1
        with mock.patch.object(Owner, "alive", return_value=False):
            result = lab.run(sync)
        assert (result.messages, result.unchanged, lab.state(sync).current().number) == (0, 2, 2)

    def test_another_workspace(self, lab: Lab, sync: Sync) -> None:
        lab.run(sync)
        for other in ({"api_key": "another"}, {"api_url": "http://127.0.0.1:9/other"}):
            elsewhere = Lab(lab.folder, **{**lab.overrides, **other})
            with pytest.raises(OtherWorkspace):
                elsewhere.run(sync)

    def test_a_yaml_that_names_a_trait_that_is_not_there(self, lab: Lab, sync: Sync) -> None:
        lab.run(sync)
        wrong = lab.sync("users/model", "select * from people", "nulls: {plam: none}")
        with pytest.raises(ModelError, match="plam"):
            lab.run(wrong)


def test_a_baseline_of_nothing_new_makes_no_version(lab: Lab, sync: Sync) -> None:
    lab.run(sync)
    version = lab.state(sync).current()
    with lab.project() as project:
        assert maintenance.baseline(Target(project, sync)).summary.unchanged == 3
    assert lab.state(sync).current() == version


def test_a_first_run_without_a_row(lab: Lab, sync: Sync, simulator: Simulator,
                                   monkeypatch: pytest.MonkeyPatch) -> None:
    lab.query("delete from people")
    loose = sync.model_copy(update={"guard": sync.guard.model_copy(update={"min_rows": None})})
    with the_long_way(monkeypatch):
        long = lab.run(loose)
    with writes(monkeypatch) as seen:
        short = lab.run(loose)
    assert said(short) == said(long)
    assert (seen, simulator.messages()) == (["-.json"], [])


def test_the_partitions_of_a_run_share_one_opening_of_the_warehouse(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    people(lab, "('a', 'pro', 1.5), ('b', 'free', 2)")
    sync = lab.sync("users/model", "select * from people where plan = :partition", "partitions: {static: [pro, free]}")
    opened: list[str] = []
    connect = duckdb.connect

    def counted(database: str = ":memory:", *rest: Any, **options: Any) -> duckdb.DuckDBPyConnection:
        opened.append(str(database))
        return connect(database, *rest, **options)

    for _ in range(2):
        opened.clear()
        with monkeypatch.context() as patch, lab.project() as project:
            patch.setattr(duckdb, "connect", counted)
            assert [pipeline.run(target).status for target in targets_of(project, sync, [])] == ["succeeded"] * 2
    assert opened.count(str(lab.warehouse)) == 1


def test_the_partitions_of_a_first_run_share_the_warehouse_and_a_connection(
        lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    people(lab, "('a', 'pro', 1.5), ('b', 'free', 2)")
    sync = lab.sync("users/model", "select * from people where plan = :partition", "partitions: {static: [pro, free]}")
    opened: list[str] = []
    connect = duckdb.connect

    def counted(database: str = ":memory:", *rest: Any, **options: Any) -> duckdb.DuckDBPyConnection:
        opened.append(str(database))
        return connect(database, *rest, **options)

    with monkeypatch.context() as patch, lab.project() as project:
        patch.setattr(duckdb, "connect", counted)
        # However slow this machine is.
        patch.setattr(project_module, "_MOMENT", 60.0)
        assert [pipeline.run(target).accepted for target in targets_of(project, sync, [])] == [1, 1]
        assert project.destinations.connections(CANDU).made == 1
    assert opened.count(str(lab.warehouse)) == 1


def test_the_warehouse_can_be_written_to_while_many_messages_are_sent(lab: Lab, users: Sync) -> None:
    def write(event: Event) -> None:
        if isinstance(event, Counted) and event.phase == "push":
            lab.query(f"insert into people values ('late{time.monotonic_ns()}', 'pro', 3)")

    lab.overrides["batch_size"] = 1
    assert lab.run(users, progress=write).accepted == 2
    assert lab.run(users).accepted == 2
    lab.query("insert into people values ('more', 'pro', 3), ('most', 'pro', 3)")
    lab.plan(users)
    with lab.project() as project:
        # As for the values of dynamic partitions.
        assert project.known_values("select 1") == ["1"]
        assert pipeline.push_staged(Target(project, users), progress=write)[1].accepted == 2


def test_the_warehouse_can_be_written_to_while_one_request_waits(lab: Lab, users: Sync,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[bool] = []

    def wait(event: Event) -> None:
        if isinstance(event, Counted) and event.phase == "push":
            until(lambda: released)
            lab.query("insert into people values ('late', 'pro', 3)")

    release = Warehouse.release
    monkeypatch.setattr(project_module, "_MOMENT", 0.0)
    monkeypatch.setattr(Warehouse, "release", lambda self: (release(self), released.append(True)))
    assert lab.run(users, progress=wait).accepted == 2
