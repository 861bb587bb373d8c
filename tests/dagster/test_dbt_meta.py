"""A sync that a dbt model declares in its meta, in Dagster: assets as of any other, upstream its model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dagster import AssetKey
from dagster.components.testing import create_defs_folder_sandbox

from dagster_defs.build import build_definitions
from tests.dagster.room import Room, failure, metadata
from tests.support.manifests import data_test, model, results, write

CHANGES, PUSH = "candu/users/dim_users_changes", "candu/users/dim_users"


@pytest.fixture
def manifest(room: Room, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model that declares a sync, and asks for its tests."""
    room.sql.mkdir()
    room.table("dim_users", user_id=["u1", "u2"], plan=["pro", "free"])
    path = write(room.folder, data_test("unique_id", "dim_users"), model(
        "dim_users", config={"meta": {"candu": {"kind": "users", "dbt": {"tests": True}}}},
        patch_path="shop://models/schema.yml"))
    monkeypatch.setenv("CANDU_DBT_MANIFEST", str(path))
    return path


def test_it_runs_once_its_tests_passed(room: Room, manifest: Path) -> None:
    results(manifest.parent, test__unique_id="fail")
    assert "the test unique_id of dim_users ended with `fail`" in failure(room.materialize(CHANGES), CHANGES)
    results(manifest.parent, test__unique_id="pass")
    assert metadata(room.materialize(CHANGES, PUSH), PUSH)["accepted"] == 2


def test_its_model_is_upstream(room: Room, manifest: Path) -> None:
    [changes] = [spec for spec in build_definitions(room.sql).resolve_all_asset_specs()
                 if spec.key == AssetKey(CHANGES.split("/"))]
    assert [dep.asset_key.to_user_string() for dep in changes.deps] == ["dim_users"]


def test_a_wrong_one_is_shown_with_its_node(room: Room, manifest: Path) -> None:
    body = json.loads(manifest.read_text())
    body["nodes"]["model.shop.dim_users"]["config"]["meta"]["candu"]["kind"] = "user"
    manifest.write_text(json.dumps(body))
    shown = [spec.description or "" for spec in build_definitions(room.sql).resolve_all_asset_specs()]
    assert any("models/schema.yml: model.shop.dim_users: meta.candu.kind: 'user' is not allowed" in text
               for text in shown)


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
@pytest.mark.parametrize("dbt_meta", [True, False])
def test_a_component_takes_them_when_asked(room: Room, manifest: Path, dbt_meta: bool) -> None:
    """It needs no folder then."""
    asked = f"{{type: dagster_defs.CanduSyncs, attributes: {{dbt_meta: {str(dbt_meta).lower()}}}}}"
    with create_defs_folder_sandbox() as sandbox:
        folder = sandbox.defs_folder_path / "candu"
        folder.mkdir()
        (folder / "defs.yaml").write_text(asked)
        if not dbt_meta:
            (folder / "sql").mkdir()
        with sandbox.build_all_defs() as found:
            keys = {key.to_user_string() for key in found.resolve_all_asset_keys()}
    assert ({CHANGES, PUSH} <= keys) is dbt_meta
