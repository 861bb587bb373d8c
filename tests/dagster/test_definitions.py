"""Loading: quietly, without any setting, and past files that are wrong."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from dagster import AssetSpec, Definitions

from candu_sync.syncs.sync import load_syncs
from dagster_defs.build import build_definitions
from dagster_defs.specs import changes_spec, push_spec
from tests.dagster.room import CHANGES, PUSH, Room, failure, people

MODELS = Path(__file__).parents[2] / "sql"


def load(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Import the definitions in a new process, every warning an error, and print the keys."""
    code = ("import dagster_defs.definitions as d\n"
            "print(*sorted(k.to_user_string() for k in d.defs.resolve_all_asset_keys()))")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CANDU_")}
    return subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=folder, env=clean | environment,
                          capture_output=True, text=True, timeout=300, check=False)


def test_the_example_models_load_without_a_setting_and_without_a_warning(tmp_path: Path) -> None:
    (tmp_path / "sql").symlink_to(MODELS)
    loaded = load(tmp_path)
    assert loaded.stderr == ""
    for name in load_syncs(MODELS).syncs:
        assert f"candu/{name}_changes" in loaded.stdout.split()
        assert f"candu/{name}" in loaded.stdout.split()


def test_a_wrong_setting_does_not_stop_the_load(tmp_path: Path) -> None:
    loaded = load(tmp_path, CANDU_SQL_DIR=str(MODELS), CANDU_RATE="fast")
    assert "candu/users/profile" in loaded.stdout


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    loaded = load(tmp_path, CANDU_SQL_DIR="models")
    assert "there is no folder models" in loaded.stderr


def test_one_file_that_asks_for_all_the_memory_costs_its_own_sync(tmp_path: Path) -> None:
    users = tmp_path / "sql" / "users"
    users.mkdir(parents=True)
    for name in ("good", "grows", "deep"):
        (users / f"{name}.sql").write_text("select 1 as user_id")
    grows = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    (users / "grows.yaml").write_text("\n".join(["a0: &a0 [x]", *grows]))
    (users / "deep.yaml").write_text("key: " + "[" * 50_000)
    os.mkfifo(users / "pipe.sql")
    loaded = load(tmp_path)
    assert loaded.stdout.split() == [
        "candu/users/deep", "candu/users/good", "candu/users/good_changes", "candu/users/grows", "candu/users/pipe"]


def test_two_hundred_syncs_load_within_ten_seconds(tmp_path: Path) -> None:
    """Of the processor's time, beyond Dagster's own import: other tests run beside this one."""
    (tmp_path / "sql" / "users").mkdir(parents=True)
    for n in range(200):
        path = tmp_path / "sql" / "users" / f"sync{n}.sql"
        path.write_text(f"-- Sync {n}\nselect user_id, plan from people{n} where segment = :partition")
        path.with_suffix(".yaml").write_text(
            "partitions: {daily: 2026-01-01, static: [eu, us]}\ndeps: [dim_users]\nautomation: '0 * * * *'\n")
    code = ("import time, dagster; before = time.process_time(); import dagster_defs.definitions as d\n"
            "d.defs.get_repository_def(); print(time.process_time() - before)")
    loaded = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300,
                            check=True)
    assert float(loaded.stdout) < 10


class TestBrokenFiles:
    def test_a_bad_yaml_costs_its_own_sync_only(self, room: Room, caplog: pytest.LogCaptureFixture) -> None:
        people(room)
        path = room.sql / "users" / "broken.sql"
        path.write_text("select 1 as user_id")
        path.with_suffix(".yaml").write_text("guards: {}\n")
        with caplog.at_level(logging.WARNING):
            assert room.materialize(CHANGES, PUSH).success
        assert "did you mean guard?" in caplog.text
        shown = failure(room.materialize("candu/users/broken"), "candu/users/broken")
        assert "broken.yaml:1" in shown
        assert "did you mean guard?" in shown

    def test_its_description_says_what_is_wrong(self, room: Room) -> None:
        people(room)
        (room.sql / "users" / "people .sql").write_text("select 1")
        specs = {spec.key.to_user_string(): spec for spec in room.definitions().resolve_all_asset_specs()}
        assert set(specs) == {CHANGES, PUSH, "candu/users/people_"}
        assert "the name 'people ' may hold the letters A to Z" in str(specs["candu/users/people_"].description)

    def test_names_that_differ_by_case_only_are_both_shown(self, room: Room) -> None:
        (room.sql / "users").mkdir(parents=True)
        for name in ("people", "People"):
            (room.sql / "users" / f"{name}.sql").write_text("select 1 as user_id")
        keys = {spec.key.to_user_string() for spec in room.definitions().resolve_all_asset_specs()}
        assert keys == {"candu/users/people", "candu/users/People"}


class TestLooks:
    """What a person finds on an asset's page."""

    @pytest.fixture
    def spec(self, monkeypatch: pytest.MonkeyPatch) -> AssetSpec:
        monkeypatch.setenv("CANDU_WAREHOUSE_URL", "duckdb:///shop.duckdb")
        return changes_spec(load_syncs(MODELS).syncs["groups/accounts"])

    def test_description_group_owners_tags_and_kinds_come_from_the_files(self, spec: AssetSpec) -> None:
        assert str(spec.description).startswith("Accounts with their plan, seats, revenue and members")
        assert spec.group_name == "candu_groups"
        assert list(spec.owners) == ["team:revenue", "billing@example.com"]
        assert spec.tags["domain"] == "revenue"
        assert spec.kinds == {"sql", "duckdb"}
        assert push_spec(load_syncs(MODELS).syncs["groups/accounts"]).kinds == {"candu"}

    @pytest.mark.parametrize(("url", "kinds"), [
        ("postgresql+psycopg://user:password@host/shop", {"sql", "postgresql"}),
        ("mssql+pyodbc://host/shop", {"sql", "sqlserver"}), ("no url", {"sql"}), ("", {"sql"})])
    def test_the_warehouse_is_a_kind(self, url: str, kinds: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CANDU_WAREHOUSE_URL", url)
        assert changes_spec(load_syncs(MODELS).syncs["groups/accounts"]).kinds == kinds

    def test_the_files_open_in_an_editor(self, spec: AssetSpec) -> None:
        references = spec.metadata["dagster/code_references"].code_references
        assert [reference.label for reference in references] == ["accounts.sql", "accounts.yaml"]
        assert all(Path(reference.file_path).is_absolute() for reference in references)
        assert "dagster/code_references" in push_spec(load_syncs(MODELS).syncs["groups/accounts"]).metadata

    def test_the_sql_is_there_and_what_it_reads_is_upstream(self, spec: AssetSpec) -> None:
        assert 'as "total billed"' in spec.metadata["model"].value
        upstream = {dep.asset_key.to_user_string() for dep in spec.deps}
        assert upstream == {"dim_users", "dim_accounts", "fct_invoices"}


def test_they_can_stand_in_another_code_location() -> None:
    mine = Definitions(assets=[AssetSpec("dim_users")])
    merged = Definitions.merge(build_definitions(MODELS), mine)
    keys = {key.to_user_string() for key in merged.resolve_all_asset_keys()}
    assert {"dim_users", "candu/users/profile", "candu/users/profile_changes"} <= keys
