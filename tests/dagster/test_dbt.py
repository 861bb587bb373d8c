"""examples/dbt for real: dbt builds in its own process, Dagster's conditions fire, the simulator gets the change."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from dagster import (
    AssetKey,
    AssetsDefinition,
    AssetSelection,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    evaluate_automation_conditions,
    materialize,
)

from candu_sync.dbt.manifest import read_manifest
from candu_sync.dbt.preconditions import check_preconditions
from candu_sync.simulator import Simulator
from candu_sync.syncs.spec import DbtRules
from candu_sync.syncs.sync import load_syncs
from dagster_defs.build import build_definitions
from tests.dagster.room import Room, failure, metadata
from tests.support.manifests import model, write

dagster_dbt = pytest.importorskip("dagster_dbt")

# Dagster's own tester of conditions, not the conditions.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Parameter `include_sources`")]

EXAMPLE = Path(__file__).parents[2] / "examples" / "dbt"
BIN = Path(sys.executable).parent


class Shop:
    """A copy of the example, with its Dagster definitions and an instance."""

    def __init__(self, folder: Path, instance: DagsterInstance) -> None:
        self.folder = folder
        self.instance = instance
        self.definitions = _definitions(folder)
        self.cursor = evaluate_automation_conditions(
            self.definitions, instance, evaluation_time=datetime(2026, 11, 15, 9, 0)).cursor

    def dbt(self, *words: str) -> str:
        return execute(self.folder, "dbt", "--quiet", *words, "--profiles-dir", ".")

    def materialize(self, *keys: str) -> ExecuteInProcessResult:
        """One run of the assets; none named: all of dbt's."""
        assets = [asset for asset in self.definitions.assets or () if isinstance(asset, AssetsDefinition)]
        ours = [asset for asset in assets if any(key.path[0] == "candu" for key in asset.keys)]
        chosen = AssetSelection.assets(*keys) if keys else AssetSelection.all() - AssetSelection.assets(*ours)
        result = materialize(assets, selection=chosen, instance=self.instance, resources=self.definitions.resources)
        assert result.success
        return result

    def tick(self, minute: int) -> set[str]:
        """The assets that the sensor asks for."""
        result = evaluate_automation_conditions(self.definitions, self.instance, cursor=self.cursor,
                                                evaluation_time=datetime(2026, 11, 15, 9, minute))
        self.cursor = result.cursor
        return {key.to_user_string() for key in self.definitions.resolve_all_asset_keys()
                if result.get_requested_partitions(key)}


def _definitions(folder: Path) -> Definitions:
    spec = importlib.util.spec_from_file_location("shop_definitions", folder / "definitions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast(Definitions, module.defs)


def execute(folder: Path, *command: str, code: int = 0) -> str:
    """Run a command as a person does in the folder, which ends with a code; what it prints."""
    process = subprocess.run([BIN / command[0], *command[1:]], cwd=folder, capture_output=True, text=True, timeout=300,
                             check=False)
    assert process.returncode == code, process.stdout + process.stderr
    return process.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example, with dbt's manifest and the warehouse."""
    folder = tmp_path_factory.mktemp("built") / "shop"
    unwanted = "target", "logs", "*.duckdb*", ".env", ".candu_sync"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(*unwanted))
    execute(folder, "dbt", "--quiet", "build", "--profiles-dir", ".")
    return folder


@pytest.fixture
def shop(built: Path, tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    folder = tmp_path / "shop"
    shutil.copytree(built, folder)
    settings = dict(line.split("=", 1) for line in (folder / ".env.example").read_text().splitlines()
                    if line and not line.startswith("#"))
    monkeypatch.chdir(folder)
    # dagster-dbt looks for dbt there, as a shell does whose virtual environment is active.
    monkeypatch.setenv("PATH", f"{BIN}{os.pathsep}{os.environ['PATH']}")
    for name, value in (settings | {"CANDU_API_URL": simulator.url, "CANDU_API_KEY": simulator.key}).items():
        monkeypatch.setenv(name, value)
    with DagsterInstance.ephemeral() as instance:
        yield Shop(folder, instance)


SYNCS = {"candu/users/profile_changes", "candu/users/profile", "candu/events/product_events_changes",
         "candu/events/product_events"}


def test_dbt_builds_the_syncs_follow_and_candu_gets_the_change(shop: Shop, simulator: Simulator) -> None:
    assert shop.tick(1) == set()
    shop.materialize()
    assert shop.tick(2) == SYNCS
    first = shop.materialize(*SYNCS)
    assert metadata(first, "candu/users/profile")["accepted"] == 5
    assert metadata(first, "candu/events/product_events")["accepted"] == 6
    assert shop.tick(3) == set()

    seed = shop.folder / "seeds" / "raw_users.csv"
    seed.write_text(seed.read_text().replace("u5,ed@example.com,Ed,trial", "u5,ed@example.com,Ed,pro"))
    shop.materialize()
    assert shop.tick(4) == SYNCS
    simulator.reset()
    second = shop.materialize(*SYNCS)
    assert metadata(second, "candu/users/profile")["messages"] == 1
    assert metadata(second, "candu/events/product_events")["requests"] == 0
    assert simulator.users() == {"u5": {"plan": "pro"}}

    # The results of these runs are in folders of their own.
    (shop.folder / "target" / "run_results.json").unlink()
    rules = load_syncs(shop.folder / "candu").syncs["users/profile"].model_copy(update={"dbt": DbtRules(tests=True)})
    check_preconditions(rules, shop.folder / "target" / "manifest.json")


def test_the_columns_of_dbt_that_a_trait_is_made_of(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = metadata(shop.materialize("candu/users/profile_changes"), "candu/users/profile_changes")
    # The next run knows them, without sqlglot.
    monkeypatch.setitem(sys.modules, "sqlglot.lineage", None)
    again = metadata(shop.materialize("candu/users/profile_changes"), "candu/users/profile_changes")
    assert all(again[name] == shown[name] for name in ("dagster/column_schema", "dagster/column_lineage"))
    lineage = {trait: [(dep.asset_key, dep.column_name) for dep in deps]
               for trait, deps in shown["dagster/column_lineage"].deps_by_column.items()}
    columns = {trait: "projects_created" if trait == "projects created" else trait for trait in (
        "email", "name", "plan", "signed_up_at", "projects created")}
    assert lineage == {trait: [(AssetKey("dim_users"), column)] for trait, column in columns.items()}
    assert [(column.name, column.type, column.description) for column in shown["dagster/column_schema"].columns] == [
        ("email", "text", "dim_users.email"), ("name", "text", "dim_users.name"), ("plan", "text", "dim_users.plan"),
        ("signed_up_at", "timestamp", "dim_users.signed_up_at"),
        ("projects created", "number", "dim_users.projects_created")]


def test_keys_are_those_of_dagster_dbt(shop: Shop) -> None:
    """Ours are made without it; these are the models, seeds and sources as dbt itself has them."""
    (shop.folder / "models" / "more.yml").write_text(yaml.safe_dump({"version": 2, "sources": [
        {"name": "app", "schema": "main_raw", "tables": [{"name": "raw_users"}]}], "models": [
        {"name": "keyed", "config": {"meta": {"dagster": {"asset_key": ["lake", "keyed"]}}}},
        {"name": "placed", "config": {"schema": "marts"}},
        {"name": "prices", "latest_version": 2, "versions": [{"v": 1}, {"v": 2}]}]}))
    for name in ("keyed", "placed", "prices_v1", "prices_v2"):
        (shop.folder / "models" / f"{name}.sql").write_text("select 1 as id")
    shop.dbt("parse")
    path = shop.folder / "target" / "manifest.json"
    body = json.loads(path.read_text())
    manifest = read_manifest(path)
    theirs = {dagster_dbt.asset_utils.default_asset_key_fn(node) for node in (
        *(node for node in body["nodes"].values() if node["resource_type"] != "test"), *body["sources"].values())}
    assert {AssetKey(node.asset_key) for node in manifest.nodes} == theirs
    assert {"lake/keyed", "marts/placed", "prices_v2", "app/raw_users"} <= {key.to_user_string() for key in theirs}
    assert manifest.model("prices").asset_key == ("prices_v2",)
    assert manifest.table("app", "raw_users").relation == '"warehouse"."main_raw"."raw_users"'


def test_dbt_takes_the_exposures(shop: Shop) -> None:
    execute(shop.folder, "candu-sync", "exposures", "--output", "models/candu.yml")
    shop.dbt("--warn-error", "parse")
    exposures = json.loads((shop.folder / "target" / "manifest.json").read_text())["exposures"]
    profile = exposures["exposure.shop.candu__users__profile"]
    assert profile["depends_on"]["nodes"] == ["model.shop.dim_users"]
    assert (profile["label"], profile["type"]) == ("Candu: users/profile", "application")
    assert profile["owner"] == {"name": "growth", "email": None}
    assert profile["tags"] == ["domain:growth"]
    assert profile["meta"]["traits"] == ["email", "name", "plan", "signed_up_at", "projects created"]
    above = shop.dbt("ls", "--select", "+exposure:candu__events__product_events", "--resource-types", "model")
    assert above.split() == ["shop.fct_events"]


def test_a_pull_request_that_renames_a_column_and_declares_a_sync(shop: Shop) -> None:
    """dbt's own manifests of before and after, and its results of the tests that it ran."""
    shutil.copy(shop.folder / "target" / "manifest.json", shop.folder / "before.json")
    dim_users = shop.folder / "models" / "dim_users.sql"
    dim_users.write_text(dim_users.read_text().replace("users.plan,", "users.plan as plan_name,"))
    described = yaml.safe_load((shop.folder / "models" / "schema.yml").read_text())
    [model_] = [found for found in described["models"] if found["name"] == "dim_users"]
    model_["columns"] = [{**column, "name": column["name"].replace("plan", "plan_name"), "data_type": "varchar"}
                         for column in model_["columns"]]
    model_["config"] = {"contract": {"enforced": True}, "meta": {"candu": {
        "kind": "users", "name": "everyone", "columns": ["user_id", "name"], "dbt": {"contract": True, "tests": True}}}}
    (shop.folder / "models" / "schema.yml").write_text(yaml.safe_dump(described))
    shop.dbt("parse")

    compared = ["check", "--manifest", "target/manifest.json", "--against", "before.json"]
    said = execute(shop.folder, "candu-sync", *compared, code=1)
    assert said.splitlines() == [
        "users/everyone: ok", "users/profile: breaks", "  removes column plan of dim_users: the SQL of users/profile "
        "reads it, and its query fails (was it renamed to plan_name?)", "events/product_events: ok",
        "1 dbt node modified: dim_users"]
    assert "users/everyone: ok, 1 trait" in execute(shop.folder, "candu-sync", "check", "users/everyone", "--offline")
    results = shop.folder / "target" / "run_results.json"
    results.write_text(results.read_text().replace('"pass"', '"fail"'))
    execute(shop.folder, "candu-sync", "run", "users/everyone", code=1)


def test_the_workflow_for_pull_requests_says_what_the_commands_take() -> None:
    workflow = yaml.safe_load((EXAMPLE / "github" / "candu-syncs.yml").read_text())
    steps = workflow["jobs"]["check"]["steps"]
    [check] = [step["run"] for step in steps if "candu-sync check" in step.get("run", "")]
    given = {word for word in check.split() if word.startswith("--")}
    assert given == {"--manifest", "--against", "--github"}
    parses = next(step["run"] for step in steps if "dbt parse" in step.get("run", ""))
    for place in ("target/now", "target/base"):
        assert f"{place}/manifest.json" in check
        assert f'--target-path "$PWD/{place}"' in parses


def test_a_ref_that_is_not_there_costs_its_own_sync(
        room: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("CANDU_DBT_MANIFEST", str(write(room.folder, model("dim_users"))))
    room.table("dim_users", user_id=["u1"], plan=["pro"])
    room.sync("users/wrong", "select *\nfrom {{ ref('dim_user') }}")
    room.sync("users/right", "select * from {{ ref('dim_users') }}")
    with caplog.at_level(logging.WARNING):
        assert room.materialize("candu/users/right_changes", "candu/users/right").success
    shown = failure(room.materialize("candu/users/wrong"), "candu/users/wrong")
    assert "users/wrong.sql:2: ref('dim_user'): dbt has no model dim_user; did you mean dim_users?" in shown
    assert shown in caplog.text


def test_what_a_model_reads_is_drawn_and_its_text_is_shown_as_it_is(
        room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDU_DBT_MANIFEST", str(write(room.folder, model("dim_users", config={"schema": "marts"}))))
    room.sync("users/profile", "select * from {{ ref('dim_users') }}", "deps: [dim_users, s3/raw]")
    specs: dict[str, Any] = {spec.key.to_user_string(): spec
                             for spec in build_definitions(room.sql).resolve_all_asset_specs()}
    changes = specs["candu/users/profile_changes"]
    assert {dep.asset_key.to_user_string() for dep in changes.deps} == {"marts/dim_users", "s3/raw"}
    assert "{{ ref('dim_users') }}" in changes.metadata["model"].value
    assert list(load_syncs(room.sql).syncs["users/profile"].deps) == ["dim_users", "s3/raw"]
