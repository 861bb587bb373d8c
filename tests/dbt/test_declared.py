"""Syncs that dbt's models declare in their meta: what they become, what is refused, and where that is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from candu_sync.dbt.declared import declared_syncs, load_catalog
from candu_sync.dbt.manifest import read_manifest
from candu_sync.errors import SettingsError
from candu_sync.syncs.sync import Catalog, Sync
from tests.support.folder import Folder
from tests.support.lab import Lab
from tests.support.manifests import model, source, write

NODE = {"original_file_path": "models/dim_users.sql", "patch_path": "shop://models/schema.yml"}


def declares(candu: Any, name: str = "dim_users", **properties: Any) -> dict[str, Any]:
    return model(name, "user_id", "plan", config={"meta": {"candu": candu}}, **{**NODE, **properties})


def catalog(folder: Path, *nodes: dict[str, Any], adapter: str = "duckdb") -> Catalog:
    path = write(folder, *nodes, adapter=adapter)
    return declared_syncs(read_manifest(path), path)


def one(folder: Path, *nodes: dict[str, Any], adapter: str = "duckdb") -> Sync:
    found = catalog(folder, *nodes, adapter=adapter)
    assert not found.errors
    [sync] = found.syncs.values()
    return sync


def test_a_kind_is_enough(tmp_path: Path) -> None:
    sync = one(tmp_path, declares({"kind": "users"}, description="Who a user is"))
    assert (sync.name, sync.kind, sync.node) == ("users/dim_users", "users", "model.shop.dim_users")
    assert sync.sql == "select *\nfrom {{ ref('dim_users') }}"
    assert (sync.description, sync.key) == ("Who a user is", ("user_id",))
    assert sync.path == tmp_path.parent / "models" / "dim_users.sql"


def test_keys_are_those_of_the_yaml(tmp_path: Path) -> None:
    sync = one(tmp_path, declares({"kind": "users", "name": "profile", "rename": {"plan": "tier"}, "removed": {"a": 1},
                                   "guard": {"max_changed": 0.1}, "automation": "on_upstream"}))
    assert (sync.name, sync.rename, sync.automation) == ("users/profile", {"plan": "tier"}, "on_upstream")
    assert sync.guard.max_changed == 0.1


@pytest.mark.parametrize(("name", "becomes"), [
    ("profile", "users/profile"), ("users/profile", "users/profile"), ("eu/profile", "users/eu/profile")])
def test_a_name_may_begin_with_the_kind(tmp_path: Path, name: str, becomes: str) -> None:
    assert one(tmp_path, declares({"kind": "users", "name": name})).name == becomes


def test_older_dbt_has_meta_at_the_top(tmp_path: Path) -> None:
    assert one(tmp_path, model("dim_users", meta={"candu": {"kind": "users"}})).name == "users/dim_users"


def test_a_list_declares_several(tmp_path: Path) -> None:
    found = catalog(tmp_path, declares([{"kind": "users"}, {"kind": "groups", "name": "accounts"}]))
    assert list(found.syncs) == ["users/dim_users", "groups/accounts"]


@pytest.mark.parametrize(("adapter", "columns", "selected"), [
    ("duckdb", ["user_id", "total billed"], 'user_id, "total billed"'),
    ("duckdb", ["user_id", "plan"], 'user_id, "plan"'),
    ("bigquery", ["user_id", "total billed"], "user_id, `total billed`"),
    ("sqlserver", ["user_id", "a]b"], "user_id, [a]]b]"),
])
def test_columns_are_quoted_where_dbt_quotes_them(
        tmp_path: Path, adapter: str, columns: list[str], selected: str) -> None:
    node = declares({"kind": "users", "columns": columns})
    node["columns"] = {"plan": {"name": "plan", "quote": True}}
    assert one(tmp_path, node, adapter=adapter).sql.splitlines()[0] == f"select {selected}"


@pytest.mark.parametrize(("properties", "reference"), [
    ({"version": 1, "latest_version": 2, "alias": "a"}, "ref('dim_users', v=1)"),
    ({"version": 2, "latest_version": 2, "alias": "a"}, "ref('dim_users')"),
    ({"package": "crm"}, "ref('crm', 'dim_users')"),
])
def test_the_model_is_named_without_doubt(tmp_path: Path, properties: dict[str, Any], reference: str) -> None:
    sync = one(tmp_path, declares({"kind": "users"}, **properties))
    assert reference in sync.sql
    assert sync.name == ("users/dim_users_v1" if properties.get("version") == 1 else "users/dim_users")


def test_a_source_declares_as_well(tmp_path: Path) -> None:
    table = {**source("app", "users"), "meta": {"candu": {"kind": "users"}}}
    assert one(tmp_path, table).sql.endswith("from {{ source('app', 'users') }}")


@pytest.mark.parametrize(("settings", "where"), [
    ({"cursor": {"column": "timestamp"}}, "timestamp >= :since"),
    ({"cursor": {"column": "loaded at"}}, '"loaded at" >= :since'),
    ({"partitions": {"daily": "2026-01-01"}}, "timestamp >= :window_start and timestamp < :window_end"),
])
def test_events_are_limited_to_the_window_or_the_cursor(tmp_path: Path, settings: Any, where: str) -> None:
    assert one(tmp_path, declares({"kind": "events", **settings})).sql.endswith(f"\nwhere {where}")


@pytest.mark.parametrize(("candu", "says"), [
    ("users", "meta.candu is a mapping like {kind: users}, or a list of such mappings"),
    ({}, "meta.candu.kind is missing; it is one of users, groups, events"),
    ({"kind": "user"}, "meta.candu.kind: 'user' is not allowed; did you mean users?"),
    ({"kind": "users", "removd": "keep"}, "meta.candu.removd: unknown key; did you mean removed?"),
    ({"kind": "users", "guard": {"max_changed": 7}}, "meta.candu.guard.max_changed: 7 is not allowed; allowed: the"),
    ({"kind": "users", "cursor": {}}, "meta.candu.cursor: a cursor is for events"),
    ({"kind": "users", "name": "groups/x"}, "meta.candu.name: groups/x begins with groups, and the kind is users"),
    ({"kind": "users", "name": "a b"}, "meta.candu.name: 'a b' may hold the letters"),
    ({"kind": "users", "columns": "plan"}, "meta.candu.columns: must be a list of columns"),
    ({"kind": "users", "columns": []}, "meta.candu.columns: must be a list of columns"),
    ({"kind": "users", "partitions": {"static": ["eu"]}}, "meta.candu.partitions: these need a SQL file"),
    ({"kind": "users", "partitions": {"daily": "2026-01-01"}}, "meta.candu.partitions: these need a SQL file"),
])
def test_what_is_wrong_is_said_with_node_and_file(tmp_path: Path, candu: Any, says: str) -> None:
    found = catalog(tmp_path, declares(candu), declares({"kind": "users"}, "good"))
    assert list(found.syncs) == ["users/good"]
    [error] = found.errors
    assert str(error).startswith(f"models/schema.yml: model.shop.dim_users: {says}")
    assert error.line is None


def test_every_problem_of_a_model_is_in_one_error(tmp_path: Path) -> None:
    [error] = catalog(tmp_path, declares({"kind": "users", "removd": 1, "payload": 2})).errors
    assert [line.strip().split(":")[0] for line in error.detail.splitlines()] == [
        "meta.candu.payload", "meta.candu.removd"]


def test_an_ephemeral_model_cannot_be_read(tmp_path: Path) -> None:
    [error] = catalog(tmp_path, declares({"kind": "users"}, relation_name=None)).errors
    assert "the model is ephemeral: dbt builds nothing of it" in str(error)


def test_two_models_with_one_name_are_one_sync_and_an_error(tmp_path: Path) -> None:
    [error] = catalog(tmp_path, declares({"kind": "users", "name": "a"}),
                      declares({"kind": "users", "name": "a"}, "other")).errors
    assert "model.shop.dim_users declares a sync of the name users/a too" in str(error)


class TestTheCatalog:
    """Files and models together."""

    def test_both_are_there_in_the_order_of_kinds(self, lab: Lab) -> None:
        lab.sync("groups/accounts", "select 1")
        path = write(lab.folder, declares({"kind": "users"}), declares({"kind": "events"}, "fct"))
        assert list(load_catalog(lab.sql, path).syncs) == ["users/dim_users", "groups/accounts", "events/fct"]

    def test_a_file_and_a_model_of_one_name_are_both_refused(self, lab: Lab) -> None:
        lab.sync("users/Dim_users", "select 1")
        found = load_catalog(lab.sql, write(lab.folder, declares({"kind": "users"})))
        assert not found.syncs
        assert {error.sync for error in found.errors} == {"users/Dim_users", "users/dim_users"}
        assert "model.shop.dim_users declares a sync of the name users/Dim_users too" in str(found.errors[1])

    def test_the_default_folder_need_not_be_there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        path = write(tmp_path, declares({"kind": "users"}))
        assert list(load_catalog(Path("sql"), path).syncs) == ["users/dim_users"]
        with pytest.raises(SettingsError, match="there is no folder other"):
            load_catalog(Path("other"), path)
        with pytest.raises(SettingsError, match="there is no folder sql"):
            load_catalog(Path("sql"), write(tmp_path, model("dim_users")))

    def test_a_manifest_that_cannot_be_read_may_hide_syncs(self, lab: Lab) -> None:
        lab.sync("users/profile", "select 1")
        found = load_catalog(lab.sql, lab.folder / "none.json")
        assert list(found.syncs) == ["users/profile"]
        assert not found.complete
        assert "it is not known which syncs dbt's models declare" in str(found.errors[0])


class TestCommands:
    """They are listed, checked, planned and run as others are."""

    @pytest.fixture(autouse=True)
    def shop(self, project: Folder) -> None:
        declared = declares({"kind": "users", "columns": ["user_id", "plan"]})
        project.overrides["dbt_manifest"] = write(project.folder, declared)
        project.sql.mkdir()
        project.people(3, secret="'x'")
        project.query("create table dim_users as select * from people")

    def test_from_list_to_run(self, project: Folder) -> None:
        assert project.cli("list", "--json").row["sync"] == "users/dim_users"
        assert "users/dim_users: ok, 1 trait" in project.cli("check", "--offline").out
        assert project.cli("plan", "users/dim_users", "--json").row["traits"] == {"plan": 3}
        assert project.cli("run", "--all", "--json").row["accepted"] == 3
        assert project.cli("run", "--all", "--json").row["requests"] == 0
        assert project.cli("status", "--json").row["orphaned"] is False

    def test_a_wrong_one_is_said_by_its_command(self, project: Folder) -> None:
        project.overrides["dbt_manifest"] = write(project.folder, declares({"kind": "users", "payload": "all"}))
        ended = project.cli("run", "users/dim_users")
        assert ended.code == 2
        assert "models/schema.yml: model.shop.dim_users: meta.candu.payload: 'all' is not allowed" in ended.err

    def test_state_is_no_orphan_while_the_manifest_is_missing(self, project: Folder) -> None:
        project.cli("run", "--all")
        ended = project.cli("status", dbt_manifest="none.json")
        assert "is no longer a sync" not in ended.err
        ended = project.cli("run", "--all", dbt_manifest="none.json")
        assert ended.code == 2
        assert "it is not known which syncs dbt's models declare" in ended.err

    def test_exposures_name_the_model(self, project: Folder) -> None:
        ended = project.cli("exposures", warehouse_url="")
        assert "name: candu__users__dim_users" in ended.out
        assert "ref('dim_users')" in ended.out
