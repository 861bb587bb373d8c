"""`candu-sync exposures`: a file that dbt reads. That dbt really reads it is tested in tests/dagster/test_dbt.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.folder import Ended, Folder
from tests.support.manifests import model, source, write


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return write(tmp_path, model("dim_users"), model("dim_plans", config={"schema": "marts"}), source("app", "users"),
                 model("prices", version=1, latest_version=2, alias="prices_v1"),
                 model("dim_teams", package="crm"))


def read(ended: Ended) -> dict[str, Any]:
    """The exposures of a command by name."""
    assert ended.code == 0, ended.err
    file = yaml.safe_load(ended.out)
    assert file["version"] == 2
    return {exposure["name"]: exposure for exposure in file["exposures"]}


def test_what_an_exposure_says(project: Folder, manifest: Path) -> None:
    project.people(1)
    project.query("create table dim_users as select * from people")
    project.model("users/eu/profile", "-- Who a user is.\nselect user_id, plan as tier from {{ ref('dim_users') }}",
                  "owners: [a@example.com, team:growth, team:other]\ntags: {domain: growth, pii: ''}\n"
                  "rename: {tier: plan}")
    assert read(project.cli("exposures", dbt_manifest=str(manifest))) == {"candu__users__eu__profile": {
        "name": "candu__users__eu__profile", "label": "Candu: users/eu/profile", "type": "application",
        "description": "Who a user is.", "depends_on": ["ref('dim_users')"],
        "owner": {"name": "growth", "email": "a@example.com"},
        "config": {"tags": ["domain:growth", "pii"], "meta": {"candu_sync": "users/eu/profile", "traits": ["plan"]}}}}


def test_what_it_depends_on(project: Folder, manifest: Path) -> None:
    project.people(1)
    project.model("users/all", "select * from {{ source('app', 'users') }}, {{ ref('prices', v=1) }}, "
                  "{{ ref('dim_teams') }}, {{ ref('dim_teams') }}", "deps: [dim_plans, app/users, s3/raw]")
    found = read(project.cli("exposures", dbt_manifest=str(manifest)))
    assert found["candu__users__all"]["depends_on"] == [
        "source('app', 'users')", "ref('prices', v=1)", "ref('crm', 'dim_teams')", "ref('dim_plans')"]


def test_without_a_manifest_refs_stand_and_deps_are_left_out_with_a_word(project: Folder) -> None:
    project.people(1)
    project.model("users/profile", "select * from {{ ref('dim_users') }}", "deps: [dim_plans]")
    ended = project.cli("exposures")
    assert read(ended)["candu__users__profile"]["depends_on"] == ["ref('dim_users')"]
    assert "CANDU_DBT_MANIFEST is not set: the exposures depend on what models read by ref" in ended.err


def test_traits_that_are_not_known_are_left_out_with_a_warning(project: Folder) -> None:
    project.model("events/visits", "select * from nowhere")
    for settings, says in (({"warehouse_url": ""}, "CANDU_WAREHOUSE_URL is not set"),
                           ({}, "warning: the exposure of events/visits says nothing of traits: ")):
        ended = project.cli("exposures", **settings)
        assert read(ended)["candu__events__visits"]["config"]["meta"] == {"candu_sync": "events/visits"}
        assert says in ended.err


def test_a_wrong_ref_is_said_and_the_others_are_written(project: Folder, manifest: Path) -> None:
    project.people(1)
    project.model("users/wrong", "select * from {{ ref('dim_user') }}")
    project.model("users/plain", "select user_id, plan from people")
    out = project.folder / "candu.yml"
    ended = project.cli("exposures", "--output", str(out), dbt_manifest=str(manifest))
    assert (ended.code, ended.out) == (2, "")
    assert "did you mean dim_users?" in ended.err
    assert [exposure["name"] for exposure in yaml.safe_load(out.read_text())["exposures"]] == ["candu__users__plain"]


def test_a_manifest_that_is_not_there_is_one_error(project: Folder) -> None:
    project.people(1)
    for name in ("a", "b"):
        project.model(f"users/{name}", "select * from {{ ref('dim_users') }}")
    ended = project.cli("exposures", dbt_manifest="target/none.json", warehouse_url="")
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.count("target/none.json cannot be read") == 1


def test_a_file_that_cannot_be_written_is_named(project: Folder) -> None:
    project.model("users/plain", "select 1 as user_id")
    ended = project.cli("exposures", "--output", "no/such/folder.yml")
    assert ended.code == 2
    assert "no/such/folder.yml cannot be written: No such file or directory" in ended.err
