"""Several partitions: a run for each; `dg launch --partition-range` does them in one run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey, AssetRecordsFilter, DagsterInstance

from candu_sync import Target
from candu_sync.operate.maintenance import baseline
from candu_sync.syncs.sync import Sync
from tests.dagster.room import CHANGES, PUSH, Room, evaluation, failure

ROOT = Path(__file__).parents[2]
FIRST, LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def days(room: Room, yaml: str = "guard: {min_rows: 1}") -> Sync:
    """One user on each of three days, and so three partitions."""
    room.table("people", user_id=["u1", "u2", "u3"], day=["2026-11-01", "2026-11-02", "2026-11-03"], plan=["free"] * 3)
    return room.sync("users/people", "select user_id, plan from people where day::timestamp >= :window_start "
                     "and day::timestamp < :window_end", f"partitions: {{daily: 2026-11-01}}\n{yaml}")


def recorded(instance: DagsterInstance, key: str, name: str) -> dict[str, Any]:
    """Partition → what its last materialization says under a name."""
    found: dict[str, Any] = {}
    records = instance.fetch_materializations(AssetRecordsFilter(AssetKey(key.split("/"))), limit=100).records
    for event in (record.asset_materialization for record in reversed(records)):
        assert event is not None
        found[str(event.partition)] = event.metadata[name].value
    return found


class TestOneRunOfARange:
    def test_each_partition_is_pushed_and_recorded_by_itself(self, room: Room) -> None:
        sync = days(room)
        result = room.materialize(CHANGES, PUSH, tags={FIRST: "2026-11-01", LAST: "2026-11-03"})
        assert result.success
        assert set(room.simulator.users()) == {"u1", "u2", "u3"}
        keys = ["2026-11-01", "2026-11-02", "2026-11-03"]
        assert [room.state(sync, key).current().rows for key in keys] == [1, 1, 1]
        assert recorded(room.instance, CHANGES, "messages") == dict.fromkeys(keys, 1)
        assert recorded(room.instance, PUSH, "accepted") == dict.fromkeys(keys, 1)
        assert len(set(recorded(room.instance, PUSH, "change set").values())) == 3

    def test_the_guard_of_one_partition_stops_all_of_them_and_names_it(self, room: Room) -> None:
        days(room)
        room.query("delete from people where user_id = 'u2'")
        result = room.materialize(CHANGES, PUSH, tags={FIRST: "2026-11-01", LAST: "2026-11-03"})
        assert not result.success
        check = evaluation(result, "guard")
        assert str(check.description).startswith("2026-11-02: the model returned 0 rows, min_rows is 1.")
        assert {name: value.value for name, value in check.metadata.items()} == {
            "partitions": 3, "partitions that did not pass": 1}
        assert room.simulator.requests() == []

    def test_it_goes_on_where_it_failed(self, room: Room) -> None:
        sync = days(room)
        everything = {FIRST: "2026-11-01", LAST: "2026-11-03"}
        room.materialize(CHANGES, tags=everything)
        with room.project() as project:
            baseline(Target(project, sync, "2026-11-02"))
        result = room.materialize(PUSH, tags=everything)
        assert failure(result, PUSH).startswith("users/people [2026-11-02]: the staged changes belong to version 0")
        assert set(recorded(room.instance, PUSH, "accepted")) == {"2026-11-01"}
        sent = len(room.simulator.requests())
        assert room.materialize(CHANGES, PUSH, tags=everything).success
        assert set(room.simulator.users()) == {"u1", "u3"}
        assert len(room.simulator.requests()) == sent + 1

    def test_of_windows_with_segments_a_range_is_every_pair_between(self, room: Room) -> None:
        room.table("people", user_id=["u1", "u2"], plan=["free", "pro"])
        room.sync("users/people", "select * from people where plan = :partition and :window_start < now()",
                  "partitions: {daily: 2026-11-01, static: [free, pro, team]}\nguard: {min_rows: null}")
        result = room.materialize(CHANGES, PUSH, tags={FIRST: "2026-11-01|free", LAST: "2026-11-02|pro"})
        assert result.success
        assert recorded(room.instance, PUSH, "accepted") == {
            f"2026-11-0{day}|{plan}": 1 for day in (1, 2) for plan in ("free", "pro")}

    def test_rows_set_aside_are_reported_by_partition(self, room: Room) -> None:
        days(room)
        room.query("insert into people values (null, '2026-11-03', 'pro')")
        result = room.materialize(CHANGES, PUSH, tags={FIRST: "2026-11-02", LAST: "2026-11-03"})
        assert result.success
        assert str(evaluation(result, "set_aside").description).startswith("2026-11-03: null key: 1.")


class TestCommandLine:
    """`dg launch`, as a person types it, in a folder with a pyproject.toml."""

    @pytest.fixture
    def home(self, room: Room) -> Path:
        days(room)
        (room.folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
        home = room.folder / "home"
        home.mkdir()
        (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        return home

    def launch(self, room: Room, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
        dg = str(Path(sys.executable).with_name("dg"))
        return subprocess.run(
            [dg, "launch", "--assets", f"{CHANGES},{PUSH}", *words], cwd=room.folder, text=True, capture_output=True,
            env=os.environ | {"DAGSTER_HOME": str(home), "CANDU_SQL_DIR": str(room.sql)}, timeout=300, check=False)

    def test_a_range_is_gone_through_partition_by_partition(self, room: Room, home: Path) -> None:
        ended = self.launch(room, home, "--partition-range", "2026-11-01...2026-11-02")
        assert ended.returncode == 0, ended.stderr[-2000:]
        assert set(room.simulator.users()) == {"u1", "u2"}
        with DagsterInstance.from_config(str(home)) as instance:
            assert recorded(instance, PUSH, "accepted") == {"2026-11-01": 1, "2026-11-02": 1}
