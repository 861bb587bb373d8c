"""The report tables in Dagster: assets after all pushes, that write what is missing."""

from __future__ import annotations

import duckdb
import pytest
from dagster import AssetKey, AssetsDefinition, AssetSelection, ExecuteInProcessResult, materialize

from dagster_defs.resources import CanduSyncResource
from tests.dagster.room import CHANGES, PUSH, Room, people

TABLES = ("candu_sync/sync_runs", "candu_sync/sync_rows")
AWAY = "postgresql://nobody@127.0.0.1:9/none"


def run(room: Room, *keys: str) -> ExecuteInProcessResult:
    assets = [asset for asset in room.definitions().assets or () if isinstance(asset, AssetsDefinition)]
    return materialize(assets, selection=AssetSelection.assets(*keys), instance=room.instance, raise_on_error=False,
                       resources={"candu_sync": CanduSyncResource()})


def counts(room: Room) -> tuple[int, int]:
    with duckdb.connect(str(room.folder / "warehouse_report.duckdb")) as connection:
        [row] = connection.execute("select (select count(*) from candu_sync.sync_runs), "
                                   "(select count(*) from candu_sync.sync_rows)").fetchall()
    return row[0], row[1]


def test_there_are_none_unless_a_sync_has_report_tables(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    people(room)
    keys = {key.to_user_string() for key in room.definitions().resolve_all_asset_keys()}
    assert not keys & {*TABLES}
    people(room, yaml="report: {schema: elsewhere}")
    room.sync("users/other", "select * from people", "report: none")
    specs = {spec.key.to_user_string(): spec for spec in room.definitions().resolve_all_asset_specs()}
    for table in TABLES:
        assert {dep.asset_key for dep in specs[table].deps} == {AssetKey(PUSH.split("/"))}


def test_a_push_writes_its_own_and_the_asset_what_is_missing(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDU_REPORT_SCHEMA", "candu_sync")
    people(room)
    assert run(room, CHANGES, PUSH).success
    assert counts(room) == (1, 3)
    monkeypatch.setenv("CANDU_REPORT_URL", AWAY)
    room.query("update people set plan = 'pro'")
    pushed = run(room, CHANGES, PUSH)
    assert pushed.success
    # The resource's retries have no pause here.
    away = run(room, *TABLES)
    assert not away.success
    [failed] = [event for event in away.all_events if event.is_step_failure]
    assert failed.step_failure_data.user_failure_data is not None
    assert "the report tables were not written: cannot connect" in str(
        failed.step_failure_data.user_failure_data.description)
    monkeypatch.delenv("CANDU_REPORT_URL")
    written = run(room, *TABLES)
    assert written.success
    found = {event.asset_key: {name: value.value for name, value in event.metadata.items()}
             for event in written.asset_materializations_for_node("candu_sync__report")}
    assert found == {AssetKey(TABLES[0].split("/")): {"runs written": 1},
                     AssetKey(TABLES[1].split("/")): {"rows written": 3}}
    assert counts(room) == (2, 6)
