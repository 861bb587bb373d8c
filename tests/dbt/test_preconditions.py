"""``dbt: {contract: true, tests: true}``: a sync runs only where dbt vouches for its model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from candu_sync.dbt.preconditions import check_preconditions
from candu_sync.errors import PreconditionFailed
from tests.support.folder import Folder
from tests.support.lab import Lab
from tests.support.manifests import data_test, model, results, source, write

SQL = "select * from {{ ref('dim_users') }}"
CONTRACT = {"config": {"contract": {"enforced": True}}, "original_file_path": "models/dim_users.sql"}
UNIQUE = data_test("unique_id", "dim_users")


def refused(lab: Lab, manifest: Path | None, yaml: str, sql: str = SQL) -> str:
    """Why a sync does not run; "": it runs."""
    try:
        check_preconditions(lab.sync("users/profile", sql, yaml), manifest)
    except PreconditionFailed as error:
        return str(error).removeprefix("users/profile: ")
    return ""


class TestContract:
    YAML = "dbt: {contract: true}"

    def test_one_that_is_enforced_is_enough(self, lab: Lab) -> None:
        assert refused(lab, write(lab.folder, model("dim_users", **CONTRACT)), self.YAML) == ""

    @pytest.mark.parametrize("config", [{}, {"contract": {"enforced": False}}, {"contract": None}])
    def test_none_is_said_with_the_file(self, lab: Lab, config: dict[str, object]) -> None:
        manifest = write(lab.folder, model("dim_users", config=config, patch_path="shop://models/schema.yml"))
        assert refused(lab, manifest, self.YAML) == (
            "not run, since its YAML asks for more of dbt: dim_users has no contract that dbt enforces "
            "(`contract: {enforced: true}` in models/schema.yml)")

    def test_each_model_that_is_read_must_have_one(self, lab: Lab) -> None:
        manifest = write(lab.folder, model("dim_users", **CONTRACT), source("app", "plans"))
        assert "app.plans is a source, which can have no contract" in refused(
            lab, manifest, self.YAML, f"{SQL} join {{{{ source('app', 'plans') }}}} using (plan)")

    @pytest.mark.parametrize("manifest", [True, False])
    def test_a_sync_that_reads_nothing_of_dbts_cannot_have_it(self, lab: Lab, manifest: bool) -> None:
        path = write(lab.folder, model("dim_users")) if manifest else None
        assert "the SQL reads nothing of dbt's" in refused(lab, path, self.YAML, "select 1")

    def test_the_sql_of_partitions_counts(self, lab: Lab) -> None:
        manifest = write(lab.folder, model("dim_users", **CONTRACT), model("plans"))
        yaml = ("dbt: {contract: true}\npartitions: {dynamic: plans, values: \"select plan from "
                "{{ ref('plans') }}\"}")
        assert "plans has no contract" in refused(lab, manifest, yaml)


class TestTests:
    YAML = "dbt: {tests: true}"

    @pytest.fixture
    def manifest(self, lab: Lab) -> Path:
        return write(lab.folder, model("dim_users"), model("other"), UNIQUE, data_test("unique_other", "other"),
                     data_test("rows_agree", "dim_users", "other"))

    @pytest.mark.parametrize("status", ["pass", "warn"])
    def test_all_that_passed_are_enough(self, lab: Lab, manifest: Path, status: str) -> None:
        results(lab.folder, test__unique_id=status, test__rows_agree="pass", test__unique_other="fail")
        assert refused(lab, manifest, self.YAML) == ""

    @pytest.mark.parametrize("status", ["fail", "error", "skipped", "reused"])
    def test_any_other_end_is_said(self, lab: Lab, manifest: Path, status: str) -> None:
        results(lab.folder, test__unique_id="pass", test__rows_agree=status)
        assert (f"the test rows_agree of dim_users ended with `{status}` at 2026-11-28T08:00:00Z"
                in refused(lab, manifest, self.YAML))

    def test_one_that_did_not_run_is_said(self, lab: Lab, manifest: Path) -> None:
        results(lab.folder, which="run", model__dim_users="success")
        assert (f"the test unique_id and 1 other of dim_users did not run since the model was built, by what is in "
                f"{lab.folder}/run_results.json") in refused(lab, manifest, self.YAML)

    def test_a_model_without_tests_is_not_tested(self, lab: Lab) -> None:
        results(lab.folder, model__dim_users="success")
        assert "dim_users has no tests" in refused(lab, write(lab.folder, model("dim_users")), self.YAML)

    def test_without_results_nothing_is_known(self, lab: Lab, manifest: Path) -> None:
        assert f"there is no {lab.folder}/run_results.json" in refused(lab, manifest, self.YAML)

    @pytest.mark.parametrize("content", ["{", "[]", '{"results": [{"status": 1}]}', "\x00"])
    def test_a_broken_file_is_named(self, lab: Lab, manifest: Path, content: str) -> None:
        (lab.folder / "run_results.json").write_text(content)
        assert f"{lab.folder}/run_results.json holds no results of dbt's" in refused(lab, manifest, self.YAML)


class TestRunsInFoldersOfTheirOwn:
    """dagster-dbt has the results of each run in a folder beside the manifest."""

    YAML = "dbt: {tests: true}"

    @pytest.fixture
    def manifest(self, lab: Lab) -> Path:
        return write(lab.folder, model("dim_users"), UNIQUE)

    def run(self, lab: Lab, folder: str, minute: int, which: str = "build", **statuses: str) -> None:
        path = results(lab.folder / folder, which, f"2026-11-28T08:{minute:02}:00Z", **statuses)
        os.utime(path, (minute, minute))

    def test_the_newest_counts(self, lab: Lab, manifest: Path) -> None:
        self.run(lab, "run-1", 1, model__dim_users="success", test__unique_id="fail")
        self.run(lab, "run-2", 2, model__dim_users="success", test__unique_id="pass")
        self.run(lab, "run-3", 3, model__other="success")
        assert refused(lab, manifest, self.YAML) == ""
        self.run(lab, "run-1", 4, model__dim_users="success", test__unique_id="fail")
        assert "ended with `fail` at 2026-11-28T08:04:00Z" in refused(lab, manifest, self.YAML)

    def test_tests_of_before_the_last_build_say_nothing(self, lab: Lab, manifest: Path) -> None:
        self.run(lab, "run-1", 1, model__dim_users="success", test__unique_id="pass")
        self.run(lab, "run-2", 2, which="run", model__dim_users="success")
        assert "did not run since the model was built" in refused(lab, manifest, self.YAML)

    def test_a_command_that_builds_nothing_does_not_matter(self, lab: Lab, manifest: Path) -> None:
        self.run(lab, "run-1", 1, model__dim_users="success", test__unique_id="pass")
        self.run(lab, "run-2", 2, which="compile", model__dim_users="success")
        assert refused(lab, manifest, self.YAML) == ""


class TestCommands:
    @pytest.fixture(autouse=True)
    def shop(self, project: Folder) -> None:
        project.overrides["dbt_manifest"] = write(project.folder, model("dim_users", **CONTRACT), UNIQUE)
        project.people(3)
        project.query("create table dim_users as select * from people")
        project.model("users/profile", SQL, "dbt: {contract: true, tests: true}")

    def test_run_stops_and_goes_on_when_the_tests_pass(self, project: Folder) -> None:
        results(project.folder, model__dim_users="success", test__unique_id="fail")
        ended = project.cli("run", "users/profile", "--json")
        assert ended.code == 1
        assert "the test unique_id of dim_users ended with `fail`" in ended.row["error"]
        assert ended.row["requests"] == 0
        assert "the test unique_id" in project.cli("status", "--json").row["error"]
        results(project.folder, model__dim_users="success", test__unique_id="pass")
        assert project.cli("run", "users/profile", "--json").row["accepted"] == 3

    def test_check_says_it_and_checks_the_columns_too(self, project: Folder) -> None:
        results(project.folder, test__unique_id="fail")
        ended = project.cli("check", "--offline", "--json")
        assert ended.code == 1
        [found] = ended.row["findings"]
        assert (found["code"], found["severity"]) == ("precondition", "error")
        assert ended.row["traits"] == {"plan": "text"}

    def test_a_wrong_key_is_an_error_of_the_file(self, project: Folder) -> None:
        project.model("users/profile", SQL, "dbt: {test: true, contract: 1}")
        ended = project.cli("run", "users/profile")
        assert ended.code == 2
        assert "dbt.test: unknown key of dbt; did you mean tests?" in ended.err
        assert "dbt.contract: 1 is not allowed; allowed: true or false" in ended.err
