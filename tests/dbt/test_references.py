"""`{{ ref(…) }}` and `{{ source(…) }}` in models: what they become, what is refused, and where that is said."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from candu_sync.dbt.references import calls, linked, nodes_read, resolve
from candu_sync.errors import SpecError
from candu_sync.syncs.sync import Sync, load_syncs
from tests.support.folder import Folder
from tests.support.lab import Lab
from tests.support.manifests import model, source, write

USERS = '"warehouse"."main"."dim_users"'


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return write(
        tmp_path, model("dim_users", "user_id", "plan"), model("stg_users", relation_name=None),
        model("dim_plans", config={"schema": "marts"}), model("both", package="billing"), model("both", package="crm"),
        model("dim_users", package="crm", relation_name='"crm"."dim_users"'),
        model("prices", version=1, latest_version=2, alias="prices_v1", relation_name='"prices_v1"'),
        model("prices", version=2, latest_version=2, alias="prices_v2", relation_name='"prices_v2"'),
        model("named", meta={"dagster": {"asset_key": ["lake", "named"]}}), source("app", "users"),
        disabled=("old_users",))


def resolved(sql: str, manifest: Path | None) -> str:
    return resolve(sql, manifest, path="sql/users/profile.sql").sql


@pytest.mark.parametrize(("template", "relation"), [
    ("{{ ref('dim_users') }}", USERS),
    ('{{ref("dim_users")}}', USERS),
    ("{{- ref( 'dim_users' ) -}}", USERS),
    ("{{ ref('crm', 'dim_users') }}", '"crm"."dim_users"'),
    ("{{ ref('both') }}", "several dbt packages have a both: billing, crm"),
    ("{{ ref('crm', 'both') }}", '"warehouse"."main"."both"'),
    ("{{ ref('prices') }}", '"prices_v2"'),
    ("{{ ref('prices', v=1) }}", '"prices_v1"'),
    ("{{ ref('prices', version='1') }}", '"prices_v1"'),
    ("{{ ref('prices', v=3) }}", "the dbt model prices has no version 3"),
    ("{{ source('app', 'users') }}", '"warehouse"."app"."users"'),
    ("{{ source('app', 'user') }}", "dbt has no source app.user; did you mean app.users?"),
    ("{{ ref('dim_user') }}", "dbt has no model dim_user; did you mean dim_users?"),
    ("{{ ref('crn', 'dim_users') }}", "dbt has no package crn; did you mean crm?"),
    ("{{ ref('billing', 'dim_users') }}", "dbt has no model dim_users in the package billing"),
    ("{{ ref('zzz') }}", "dbt has no model zzz; if it is new, let `dbt parse` write the manifest again"),
    ("{{ ref('old_users') }}", "the dbt model old_users is disabled"),
    ("{{ ref('stg_users') }}", "ref('stg_users'): it is ephemeral"),
])
def test_a_ref_or_a_source_is_its_relation_or_an_error(template: str, relation: str, manifest: Path) -> None:
    if relation.startswith('"'):
        assert resolved(f"select 1\nfrom {template} as u", manifest) == f"select 1\nfrom {relation} as u"
    else:
        with pytest.raises(SpecError, match=r"^sql/users/profile.sql:2: ") as error:
            resolved(f"select 1\nfrom {template} as u", manifest)
        assert relation in str(error.value)


@pytest.mark.parametrize("sql", [
    "select 1 -- from {{ ref('nothing') }}",
    "select 1 /* {% if x %} {{ ref('nothing') }} */",
    "select '{{ ref(''nothing'') }}', '{{1,2},{3}}'::int[]",
    'select "{{ x }}" from t',
    "select {'a': {'b': 1}} from t",
])
def test_comments_and_quotes_are_left_alone_and_need_no_manifest(sql: str) -> None:
    assert resolved(sql, None) == sql


@pytest.mark.parametrize("template", [
    "{{ var('x') }}", "{{ this }}", "{{ ref(name) }}", "{{ ref('a') | upper }}", "{{ ref('a', 'b', 'c') }}",
    "{{ source('a') }}", "{{ ref('a', w=1) }}", "{% if x %}", "{# note #}", "{{ ref('a')", "{{ }}",
    pytest.param("{{ " + "(" * 9000 + ")" * 9000 + " }}", id="deep"),
    pytest.param("{{ " + "-" * 950 + "1 }}", id="deep, though short"),
])
def test_any_other_template_is_an_error_at_its_line(template: str, manifest: Path) -> None:
    with pytest.raises(SpecError, match="is not run: of dbt's templates only") as error:
        resolved(f"select 1,\n\n{template} from t", manifest)
    assert error.value.line == 3


def test_lines_stay_where_they_are_for_the_warehouse_to_name(manifest: Path) -> None:
    assert resolved("select 1 from {{\n  ref('dim_users')\n}}\nwhere wrong", manifest).splitlines()[3] == "where wrong"


def test_what_is_quoted_depends_on_the_adapter(tmp_path: Path) -> None:
    users = model("dim_users")
    sql = "select 1 # it's a comment {{ ref('nothing') }}\nfrom {{ ref('dim_users') }}"
    assert resolved(sql, write(tmp_path, users, adapter="bigquery")).endswith(f"from {USERS}")


def test_a_call_reads_as_dbt_writes_it() -> None:
    found = calls("{{ ref( \"a\", version = 2 ) }} {{source('b','c')}}", path="x.sql")
    assert [str(call) for _, _, call in found] == ["ref('a', v=2)", "source('b', 'c')"]


def _with(**wrong: object) -> dict[str, object]:
    """A manifest of one model with wrong properties."""
    node = {**model("dim_users"), **wrong}
    if node["resource_type"] is None:
        return {"metadata": {}, "nodes": {}, "sources": {}, "disabled": {"a": [{"name": node["name"]}]}}
    return {"metadata": {"project_name": "shop"}, "nodes": {"a": node}, "sources": {}}


class TestTheManifest:
    """Missing or broken, it is one sentence at the first ref; a new one is seen without a restart."""

    @pytest.mark.parametrize(("content", "says"), [
        (None, "cannot be read (No such file or directory); `dbt parse` writes it"),
        ("{", "is not a manifest of dbt's, or not a whole one"),
        ("[]", "is not a manifest of dbt's, or not a whole one"),
        ('{"nodes": {}}', "is not a manifest of dbt's, or not a whole one"),
        ("[" * 5000, "is not a manifest of dbt's, or not a whole one"),
        ("\x00", "is not a manifest of dbt's, or not a whole one"),
        ("\udcff", "is not a manifest of dbt's, or not a whole one"),
        *((json.dumps(_with(**wrong)), "is not a manifest of dbt's, or not a whole one") for wrong in (
            {"name": ["dim_users"]}, {"name": None}, {"package_name": 5}, {"relation_name": {"a": 1}},
            {"columns": {"x": {"name": 7}}}, {"columns": ["x"]}, {"meta": {"dagster": {"asset_key": [1, None]}}},
            {"meta": {"dagster": ["asset_key"]}}, {"resource_type": None, "name": 1})),
    ])
    def test_one_that_cannot_be_read_is_named(self, tmp_path: Path, content: str | None, says: str) -> None:
        path = tmp_path / "manifest.json"
        if content is not None:
            path.write_text(content, errors="surrogateescape")
        with pytest.raises(SpecError) as error:
            resolved("select 1 from {{ ref('dim_users') }}", path)
        assert f"CANDU_DBT_MANIFEST: {path} {says}" in str(error.value)

    def test_a_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "manifest.json")
        with pytest.raises(SpecError, match="is not a file"):
            resolved("select 1 from {{ ref('dim_users') }}", tmp_path / "manifest.json")

    def test_none_is_said_with_the_setting(self) -> None:
        with pytest.raises(SpecError, match="CANDU_DBT_MANIFEST is not set"):
            resolved("select 1 from {{ ref('dim_users') }}", None)

    def test_it_is_read_again_when_it_changed(self, tmp_path: Path) -> None:
        path = write(tmp_path, model("dim_users"))
        assert USERS in resolved("from {{ ref('dim_users') }}", path)
        write(tmp_path, model("dim_users", relation_name='"prod"."dim_users"'))
        os.utime(path, (1, 1))
        assert resolved("from {{ ref('dim_users') }}", path) == 'from "prod"."dim_users"'


class TestUpstream:
    """What a sync reads is among its deps, each once."""

    def deps(self, lab: Lab, manifest: Path | None, sql: str, yaml: str = "") -> tuple[str, ...]:
        lab.sync("users/profile", sql, yaml)
        catalog = linked(load_syncs(lab.sql), manifest)
        assert not catalog.errors
        return catalog.syncs["users/profile"].deps

    def test_models_and_sources_under_dagster_dbts_keys(self, lab: Lab, manifest: Path) -> None:
        sql = " union ".join(f"select * from {{{{ {call} }}}}" for call in (
            "ref('dim_users')", "source('app', 'users')", "ref('dim_plans')", "ref('prices')", "ref('named')",
            "ref('dim_users')"))
        assert self.deps(lab, manifest, sql) == ("dim_users", "app/users", "marts/dim_plans", "prices_v2", "lake/named")

    def test_deps_in_the_yaml_are_models_names_or_keys(self, lab: Lab, manifest: Path) -> None:
        assert self.deps(lab, manifest, "select * from {{ ref('dim_users') }}",
                         "deps: [dim_plans, dim_users, marts/dim_plans, s3/raw, both]") == (
                             "marts/dim_plans", "dim_users", "s3/raw", "both")

    def test_the_sql_of_partitions_counts(self, lab: Lab, manifest: Path) -> None:
        assert self.deps(lab, manifest, "select * from t", "partitions: {dynamic: plans, values: "
                         "\"select plan from {{ ref('dim_plans') }}\"}") == ("marts/dim_plans",)

    def test_without_a_manifest_deps_are_as_they_stand(self, lab: Lab) -> None:
        assert self.deps(lab, None, "select * from t", "deps: [dim_plans]") == ("dim_plans",)
        assert self.deps(lab, lab.folder / "missing.json", "select * from t", "deps: [dim_plans]") == ("dim_plans",)

    def test_a_sync_that_cannot_be_resolved_is_an_error_and_the_others_are_there(
            self, lab: Lab, manifest: Path) -> None:
        lab.sync("users/profile", "select * from {{ ref('dim_user') }}")
        lab.sync("users/plans", "select * from {{ ref('dim_plans') }}")
        catalog = linked(load_syncs(lab.sql), manifest)
        assert list(catalog.syncs) == ["users/plans"]
        assert [error.sync for error in catalog.errors] == ["users/profile"]


def test_a_models_own_text_is_kept(lab: Lab, manifest: Path) -> None:
    """It is what a person sees in Dagster."""
    sync: Sync = lab.sync("users/profile", "select * from {{ ref('dim_users') }}")
    assert [node.name for node in nodes_read(sync, manifest)] == ["dim_users"]
    assert "{{ ref('dim_users') }}" in sync.sql


class TestCommands:
    """On the command line: the resolved SQL is what runs, and an error costs its own sync."""

    @pytest.fixture(autouse=True)
    def models(self, project: Folder, manifest: Path) -> None:
        project.overrides["dbt_manifest"] = manifest
        project.people(4)
        project.query("create table dim_users as select * from people")
        project.model("users/profile", "select * from {{ ref('dim_users') }}")

    def test_a_run_reads_the_relation(self, project: Folder) -> None:
        assert project.cli("run", "users/profile", "--json").row["accepted"] == 4
        assert project.cli("run", "users/profile", "--json").row["requests"] == 0

    def test_partitions_are_found_through_dbt_too(self, project: Folder) -> None:
        project.model("users/plans", "select user_id, plan from {{ ref('dim_users') }} where plan = :partition",
                      "partitions: {dynamic: plans, values: \"select distinct plan from {{ ref('dim_users') }}\"}")
        assert sorted(row["partition"] for row in project.cli("plan", "users/plans", "--json").rows) == ["free", "pro"]

    def test_check_names_file_line_and_the_nearest_model(self, project: Folder) -> None:
        project.model("users/wrong", "select *\nfrom {{ ref('dim_user') }}")
        ended = project.cli("check", "--offline")
        assert ended.code == 1
        assert "users/profile: ok" in ended.out
        assert "users/wrong: not ok" in ended.out
        assert ended.err == (f"candu-sync: {project.sql}/users/wrong.sql:2: ref('dim_user'): dbt has no model "
                             "dim_user; did you mean dim_users?\n")

    def test_a_run_of_all_goes_past_it(self, project: Folder) -> None:
        project.model("users/wrong", "select * from {{ ref('dim_user') }}")
        ended = project.cli("run", "--all", "--json")
        assert ended.code == 2
        assert [(row["sync"], row["accepted"]) for row in ended.rows] == [("users/profile", 4), ("users/wrong", 0)]

    def test_a_missing_manifest_costs_those_that_need_it(self, project: Folder) -> None:
        project.model("users/plain", "select user_id, plan as p from people")
        ended = project.cli("check", "--offline", dbt_manifest="")
        assert "users/plain: ok" in ended.out
        assert ended.err.count("CANDU_DBT_MANIFEST is not set") == 1
        assert "users/profile.sql:1: ref('dim_users')" in ended.err

    def test_a_wrong_ref_in_the_sql_of_partitions_is_said(self, project: Folder) -> None:
        project.model("users/plans", "select user_id, plan from people where plan = :partition",
                      "partitions: {dynamic: plans, values: \"select plan from {{ ref('dim_user') }}\"}")
        ended = project.cli("plan", "users/plans")
        assert ended.code == 2
        assert "users/plans: partitions.values:1: ref('dim_user'): dbt has no model dim_user" in ended.err
