"""Somebody's own Dagster project takes a sync, or a folder of them, as a component."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from dagster import (
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    Component,
    ComponentTree,
    DagsterInvalidDefinitionError,
    Definitions,
    materialize,
)
from dagster.components.core.component_tree import ComponentTreeException
from dagster.components.testing import create_defs_folder_sandbox
from dagster_dg_cli.cli import create_dg_cli

from candu_sync.syncs.sync import Sync
from dagster_defs import CanduSync, CanduSyncs
from dagster_defs.specs import changes_spec
from tests.dagster.room import CHANGES, PUSH, Room

# Dagster's sandbox for tests warns of what Dagster's own loading does not: see `test_they_load_without_a_warning`.
pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")

ONE = """
type: dagster_defs.CanduSync
attributes:
  name: users/people
  sql: people.sql
  automation: "0 * * * *"
  deps: [dim_users]
  owners: [team:growth]
"""
FOLDER = "{type: dagster_defs.CanduSyncs, attributes: {path: sql}}"


@contextmanager
def project(defs: str, **files: str) -> Iterator[Definitions]:
    """A project with a defs.yaml in ``defs/candu`` and files next to it (``__`` in a name: a folder)."""
    with create_defs_folder_sandbox() as sandbox:
        for name, text in {"defs.yaml": defs, **files}.items():
            path = sandbox.defs_folder_path / "candu" / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        with sandbox.build_all_defs() as found:
            yield found


def keys(found: Definitions) -> set[str]:
    return {key.to_user_string() for key in found.resolve_all_asset_keys()}


def specs(found: Definitions) -> dict[str, AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in found.resolve_all_asset_specs()}


def example(component: type[Component]) -> str:
    """The YAML in a component's docstring."""
    shown = inspect.getdoc(component) or ""
    return textwrap.dedent(shown[shown.index("    type: "):])


class TestOneSync:
    def test_eight_lines_of_yaml_bring_users_to_candu(self, room: Room) -> None:
        room.table("people", user_id=["u1", "u2"], plan=["free", "pro"])
        with project(ONE, **{"people.sql": "-- Who pays\nselect * from people"}) as found:
            assets = [asset for asset in found.assets or () if isinstance(asset, AssetsDefinition)]
            assert materialize(assets, instance=room.instance, resources=found.resources).success
        assert room.simulator.users() == {"u1": {"plan": "free"}, "u2": {"plan": "pro"}}

    def test_its_settings_show_on_its_assets(self) -> None:
        with project(ONE, **{"people.sql": "-- Who pays\nselect 1 as user_id"}) as found:
            spec = specs(found)[CHANGES]
            assert str(spec.description).startswith("Who pays")
            assert list(spec.owners) == ["team:growth"]
            assert [dep.asset_key for dep in spec.deps] == [AssetKey("dim_users")]
            assert [schedule.name for schedule in found.schedules or ()] == ["candu__users__people__schedule"]

    def test_the_example_of_the_docstring_loads(self) -> None:
        with project(example(CanduSync), **{"profile.sql": "select 1 as user_id"}) as found:
            assert {"candu/users/profile_changes", "candu/users/profile"} <= keys(found)

    def test_several_of_them_stand_in_one_project(self) -> None:
        two = ONE + "---\n" + ONE.replace("people", "others")
        model = "select 1 as user_id"
        with project(two, **{"people.sql": model, "others.sql": model}) as found:
            assert {CHANGES, PUSH, "candu/users/others_changes", "candu/users/others"} <= keys(found)
            assert len(list(found.schedules or ())) == len(list(found.jobs or ())) == 2

    def test_a_missing_model_costs_its_own_sync_only(self) -> None:
        with project(ONE) as found:
            assert "people.sql: cannot be read" in str(specs(found)[PUSH].description)
            assert keys(found) >= {PUSH}
            assert CHANGES not in keys(found)

    def test_settings_that_exclude_each_other_are_reported_on_the_asset(self) -> None:
        with project(ONE + "  cursor: {lookback: 1 day}\n", **{"people.sql": "select 1 as user_id"}) as found:
            assert "cursor: a cursor is for events" in str(specs(found)[PUSH].description)


class TestFolder:
    def test_every_model_of_the_folder_is_there(self) -> None:
        models = {"sql__users__people.sql": "select 1 as user_id", "sql__groups__teams.sql": "select 1 as group_id"}
        with project(FOLDER, **models) as found:
            assert keys(found) == {CHANGES, PUSH, "candu/groups/teams_changes", "candu/groups/teams"}

    def test_the_example_of_the_docstring_loads(self) -> None:
        with project(example(CanduSyncs), **{"sql__users__people.sql": "select 1 as user_id"}) as found:
            assert keys(found) == {CHANGES, PUSH}

    def test_a_path_may_come_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MODELS", "elsewhere")
        defs = yaml.safe_dump({"type": "dagster_defs.CanduSyncs", "attributes": {"path": "{{ env.MODELS }}"}})
        with project(defs, **{"elsewhere__users__people.sql": "select 1"}) as found:
            assert keys(found) == {CHANGES, PUSH}

    def test_the_executor_stays_the_projects_own(self) -> None:
        with project(FOLDER, **{"sql__users__people.sql": "select 1 as user_id"}) as found:
            assert found.executor is None

    def test_a_missing_folder_is_named(self) -> None:
        shown = error_of(FOLDER.replace("sql", "models"))
        assert shown.startswith("path: there is no folder ")
        assert shown.endswith("/candu/models; create it with users/, groups/ or events/ in it")


class TestTypos:
    @pytest.mark.parametrize(("line", "shown"), [
        ("  automatoin: on_upstream", "defs.yaml:9"),
        ("  automatoin: on_upstream", "unknown key; did you mean automation?"),
        ("  guard: {max_change: 0.5}", "unknown key; did you mean max_changed?"),
        ("  max_changed: 0.5", "unknown key; it belongs under guard"),
        ("  nulls: sned", "'send' or 'omit'"),
        ("  timezone: Europe/Pariss", "Europe/Paris"),
    ])
    def test_a_wrong_key_or_value_is_answered_with_the_right_one(self, line: str, shown: str) -> None:
        assert shown in error_of(ONE + line)

    def test_a_kind_that_is_none(self) -> None:
        assert "attributes.name at" in error_of(ONE.replace("users/people", "user/people"))

    def test_what_is_missing_is_named(self) -> None:
        assert "attributes.sql at" in error_of("{type: dagster_defs.CanduSync, attributes: {name: users/people}}")

    def test_a_typo_of_the_folder_component(self) -> None:
        assert "did you mean path?" in error_of(FOLDER.replace("path", "pth"))


def error_of(defs: str) -> str:
    """What loading the project says, with what led to it."""
    try:
        with project(defs, **{"people.sql": "select 1 as user_id"}):
            pass
    except ComponentTreeException as error:
        return str(error.__cause__)
    raise AssertionError("it loaded")


class TestOverrides:
    def test_a_subclass_changes_how_assets_are_shown(self, tmp_path: Path) -> None:
        class Ours(CanduSync):
            def get_changes_spec(self, sync: Sync) -> AssetSpec:
                return changes_spec(sync).replace_attributes(group_name="growth")

        assert specs(loaded(Ours, tmp_path))[CHANGES].group_name == "growth"

    def test_the_key_stays(self, tmp_path: Path) -> None:
        class Ours(CanduSync):
            def get_push_spec(self, sync: Sync) -> AssetSpec:
                return AssetSpec("people")

        with pytest.raises(DagsterInvalidDefinitionError, match="get_push_spec gave the key people in place of "):
            loaded(Ours, tmp_path)


def loaded(component: type[CanduSync], folder: Path) -> Definitions:
    """As a project's component.py does it."""
    (folder / "people.sql").write_text("select 1 as user_id")
    context = ComponentTree.for_test().load_context
    return component(name="users/people", sql=str(folder / "people.sql")).build_defs(context)


class TestCommands:
    """``dg`` in a project as ``create-dagster`` makes it."""

    @pytest.fixture
    def defs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        (tmp_path / "pyproject.toml").write_text(
            "[project]\nname = 'shop'\nversion = '0'\n[tool.dg]\ndirectory_type = 'project'\n"
            "[tool.dg.project]\nroot_module = 'shop'\n")
        folder = tmp_path / "src" / "shop" / "defs"
        folder.mkdir(parents=True)
        for module in (folder.parent, folder):
            (module / "__init__.py").write_text("")
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(str(tmp_path / "src"))
        yield folder
        for name in [name for name in sys.modules if name.split(".")[0] == "shop"]:
            del sys.modules[name]

    def dg(self, *words: str) -> tuple[int, str]:
        result = CliRunner().invoke(create_dg_cli(), words, catch_exceptions=False)  # type: ignore[no-untyped-call]
        return result.exit_code, result.output

    def test_components_are_listed(self, defs: Path) -> None:
        code, shown = self.dg("list", "components", "--json")
        assert code == 0
        assert '"dagster_defs.CanduSync"' in shown
        assert '"dagster_defs.CanduSyncs"' in shown

    @pytest.mark.parametrize("component", ["CanduSync", "CanduSyncs"])
    def test_what_is_scaffolded_is_right(self, defs: Path, component: str) -> None:
        assert self.dg("scaffold", "defs", f"dagster_defs.{component}", "people")[0] == 0
        written: dict[str, Any] = yaml.safe_load((defs / "people" / "defs.yaml").read_text())
        assert written["type"] == f"dagster_defs.{component}"
        assert len(list((defs / "people").rglob("*.sql"))) == 1
        assert self.dg("check", "yaml") == (0, "All component YAML validated successfully.\n")

    def test_they_load_without_a_warning(self, defs: Path) -> None:
        for component in ("CanduSync", "CanduSyncs"):
            self.dg("scaffold", "defs", f"dagster_defs.{component}", component.lower())
        model = defs / "candusyncs" / "sql" / "users" / "profile.sql"
        model.with_suffix(".yaml").write_text('partitions: {daily: 2026-11-01, static: [eu]}\nautomation: "0 * * * *"')
        code = ("from pathlib import Path; from dagster import load_from_defs_folder\n"
                f"found = load_from_defs_folder(path_within_project=Path({str(defs)!r}))\n"
                "print(len(found.resolve_all_asset_keys()))")
        loaded = subprocess.run([sys.executable, "-W", "error", "-c", code], env=os.environ | {
            "PYTHONPATH": str(defs.parents[1])}, capture_output=True, text=True, timeout=300, check=False)
        assert (loaded.stdout, loaded.stderr) == ("4\n", "")

    def test_check_yaml_names_the_wrong_key_and_those_that_there_are(self, defs: Path) -> None:
        self.dg("scaffold", "defs", "dagster_defs.CanduSync", "people")
        with (defs / "people" / "defs.yaml").open("a") as file:
            file.write("  automatoin: on_upstream\n")
        code, shown = self.dg("check", "yaml")
        assert code == 1
        assert "('automatoin' was unexpected)" in shown
        assert "'automatoin' is not one of ['automation', " in shown
