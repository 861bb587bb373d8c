"""The files under deploy/ agree with the package, with Dagster, and with each other."""

from __future__ import annotations

import ast
import re
import runpy
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import DagsterInstance
from dagster._core.execution import asset_backfill

from candu_sync.settings import Settings
from candu_sync.state import check_lasting

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()

# The keys of the chart that the values use, as helm/dagster/values.schema.json and templates/ of Dagster's repository
# have them.
CHART = {
    "global": {"postgresqlSecretName"},
    "generatePostgresqlPasswordSecret": None,
    "dagster-user-deployments": {"enabled", "enableSubchart", "deployments"},
    "runLauncher": {"type", "config"},
    "postgresql": {"enabled", "postgresqlHost", "postgresqlUsername", "postgresqlDatabase", "postgresqlScheme",
                   "service"},
    "dagsterDaemon": {"enabled", "runMonitoring", "runRetries", "env"},
    "additionalInstanceConfig": None,
    "telemetry": {"enabled"},
}
DEPLOYMENT = {"name", "image", "dagsterApiGrpcArgs", "port", "includeConfigInLaunchedRuns", "env", "envSecrets",
              "podSecurityContext", "securityContext", "resources"}


def read(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text())


def texts(node: Any) -> Iterator[str]:
    """All keys and texts of a YAML document."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield str(key)
            yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)
    elif isinstance(node, str):
        yield node


class TestTheSettings:
    """Every CANDU_ variable that a file names is one, and every state outlives its container."""

    FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".pyc")

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
    def test_they_are_settings(self, path: Path) -> None:
        known = {f"CANDU_{name.upper()}" for name in Settings.model_fields}
        assert set(re.findall(r"\bCANDU_[A-Z_]+\b", path.read_text())) <= known

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
    def test_a_state_lasts(self, path: Path) -> None:
        for url in re.findall(r"CANDU_STATE_URL(?:=|: |, value: \"?)(?:\$\{CANDU_STATE_URL:-)?([^\s\"}]+)",
                              path.read_text()):
            check_lasting(url, launched_by="a run launcher")


class TestTheImage:
    def test_its_versions_are_the_packages(self) -> None:
        version = PROJECT["version"]
        for path in TestTheSettings.FILES:
            assert set(re.findall(r"candu-sync:(\d[\w.]*)", path.read_text())) <= {version}, path
        assert read("helm/values.yaml")["dagster-user-deployments"]["deployments"][0]["image"]["tag"] == version

    def test_it_runs_as_nobody_of_importance(self) -> None:
        users = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
        assert users == ["10001"]
        assert read("kubernetes/cronjob.yaml")["spec"]["jobTemplate"]["spec"]["template"]["spec"][
            "securityContext"]["runAsUser"] == 10001

    def test_its_dependencies_are_those_of_the_package(self) -> None:
        requirements = runpy.run_path(str(DEPLOY / "requirements.py"))["requirements"]
        extras = re.findall(r'^ARG EXTRAS="(.*)"$', DOCKERFILE, re.MULTILINE)[0].split(",")
        found = requirements(ROOT / "pyproject.toml", extras)
        assert set(PROJECT["dependencies"]) < set(found)
        for extra in extras:
            assert set(PROJECT["optional-dependencies"][extra]) <= set(found)
        with pytest.raises(KeyError):
            requirements(ROOT / "pyproject.toml", ["nothing"])

    def test_what_it_copies_is_there_and_not_ignored(self) -> None:
        shown = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
                 if line.startswith("!")}
        copied = [name for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
                  for name in line.split()[:-1]]
        assert "pyproject.toml" in copied
        for name in (name.replace("${SQL}", "sql") for name in copied):
            assert (ROOT / name).exists(), name
            assert name in shown, name

    def test_no_base_image_floats(self) -> None:
        images = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
        images += [service["image"] for service in read("compose/compose.yaml")["services"].values()]
        for image in images:
            assert re.search(r":[^:/]*\d", image), image


class TestCompose:
    COMPOSE = read("compose/compose.yaml")

    def test_what_is_mounted_and_waited_for_is_declared(self) -> None:
        services = self.COMPOSE["services"]
        for service in services.values():
            assert {mount.split(":")[0] for mount in service.get("volumes", ())} <= set(self.COMPOSE["volumes"])
            for name, how in service.get("depends_on", {}).items():
                assert "healthcheck" in services[name] or how["condition"] != "service_healthy"

    def test_its_secrets_come_from_env(self) -> None:
        named = {name for text in texts(self.COMPOSE) for name in re.findall(r"\$\{([A-Z0-9_]+)(?::\?|\})", text)}
        example = (DEPLOY / "compose/.env.example").read_text()
        assert named == set(re.findall(r"^([A-Z0-9_]+)=$", example, re.MULTILINE))

    def test_nothing_but_the_pages_is_open_and_those_to_this_machine(self) -> None:
        ports = [port for service in self.COMPOSE["services"].values() for port in service.get("ports", ())]
        assert ports == ["127.0.0.1:3000:3000"]

    def test_the_limits_are_those_of_the_repository(self) -> None:
        ours = yaml.safe_load((ROOT / "dagster.yaml").read_text())
        theirs = read("compose/dagster.yaml")
        assert {key: theirs[key] for key in ours} == ours


class TestHelm:
    VALUES = read("helm/values.yaml")

    def test_its_keys_are_the_charts(self) -> None:
        assert set(self.VALUES) == set(CHART)
        for key, inner in CHART.items():
            assert inner is None or set(self.VALUES[key]) == inner, key
        [deployment] = self.VALUES["dagster-user-deployments"]["deployments"]
        assert set(deployment) == DEPLOYMENT

    def test_dagster_takes_what_goes_into_its_yaml(self, tmp_path: Path) -> None:
        ours = yaml.safe_load((ROOT / "dagster.yaml").read_text())
        more = self.VALUES["additionalInstanceConfig"]
        assert more == {key: ours[key] for key in more}
        with DagsterInstance.local_temp(str(tmp_path), overrides=more) as instance:
            assert instance.run_retries_max_retries == 1
            assert instance.global_op_concurrency_default_limit == 1


def test_backfills_wait_for_a_code_server_that_starts_again() -> None:
    """Dagster's daemon reads this variable; without it a backfill fails, and cancels its runs."""
    name = "DAGSTER_BACKFILL_RETRY_DEFINITION_CHANGED_ERROR"
    # Where Dagster does not know it any more, what it stood for has to be found again.
    assert name in Path(asset_backfill.__file__).read_text()
    assert read("compose/compose.yaml")["services"]["daemon"]["environment"][name] == "1"
    assert read("helm/values.yaml")["dagsterDaemon"]["env"][name] == "1"


def test_a_run_that_is_stopped_has_the_time_to_commit() -> None:
    patience = Settings().timeout + 30
    pod = read("kubernetes/cronjob.yaml")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    helm = read("helm/values.yaml")["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]["podSpecConfig"]
    plus = read("dagster-plus/container_context.yaml")["k8s"]["run_k8s_config"]["pod_spec_config"]
    code = read("compose/compose.yaml")["services"]["code"]["stop_grace_period"]
    assert pod["terminationGracePeriodSeconds"] >= patience
    assert helm["terminationGracePeriodSeconds"] >= patience
    assert plus["termination_grace_period_seconds"] >= patience
    assert float(code.removesuffix("s")) >= patience


def test_the_commands_are_commands() -> None:
    """Each `candu-sync …` of cron, Airflow and Kubernetes names a command and options that there are."""
    from candu_sync.cli import commands

    used = {"cronjob": read("kubernetes/cronjob.yaml")["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][
        0]["command"]}
    for name in ("cron/candu-sync.cron", "airflow/candu_sync_dag.py"):
        for number, words in enumerate(re.findall(r"bin/candu-sync ([^|>\n]*)", (DEPLOY / name).read_text())):
            used[f"{name} {number}"] = ["candu-sync", *words.split()]
    assert len(used) == 4
    for where, (_, command, *words) in used.items():
        options = {option for parameter in commands.load(command).params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, where


def test_the_dag_can_be_read() -> None:
    tree = ast.parse((DEPLOY / "airflow/candu_sync_dag.py").read_text())
    assert any(isinstance(node, ast.With) for node in tree.body)
