"""A project to begin with: what is written, and that it works as its README says."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from candu_sync.errors import UsageError
from candu_sync.simulator import Simulator
from candu_sync.starting import dagster_configuration, write_project
from candu_sync.syncs import load_syncs

ROOT = Path(__file__).parents[2]
BASE = [".env", ".github/workflows/check.yml", ".gitignore", "README.md", "pyproject.toml", "sql/users/example.sql",
        "sql/users/example.yaml"]


def names(paths: tuple[Path, ...]) -> list[str]:
    return [str(path) for path in paths]


def blocks(readme: str) -> list[str]:
    """The commands of a README, without those of another terminal."""
    lines = "\n".join(re.findall(r"^```sh\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)).splitlines()
    return [line.split("  #")[0].strip() for line in lines if "another terminal" not in line]


class TestFiles:
    def test_a_project_has_settings_an_example_and_a_check(self, tmp_path: Path) -> None:
        done = write_project(tmp_path / "shop")
        assert (names(done.written), done.kept) == (BASE, ())
        assert list(load_syncs(tmp_path / "shop" / "sql").syncs) == ["users/example"]
        assert stat.S_IMODE((tmp_path / "shop" / ".env").stat().st_mode) == 0o600

    def test_what_was_there_is_kept(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("CANDU_API_KEY=mine\n")
        done = write_project(tmp_path, dagster=True)
        assert names(done.kept) == [".env"]
        assert (tmp_path / ".env").read_text() == "CANDU_API_KEY=mine\n"
        assert write_project(tmp_path, dagster=True).written == ()

    def test_dagster_and_dbt_add_to_it(self, tmp_path: Path) -> None:
        done = write_project(tmp_path, dagster=True, dbt=True)
        assert set(names(done.written)) - set(BASE) == {
            ".dagster_home/dagster.yaml", "syncs/__init__.py", "syncs/definitions.py"}
        assert "CANDU_DBT_MANIFEST=target/manifest.json" in (tmp_path / ".env").read_text()
        assert "dg dev" in (tmp_path / "README.md").read_text()
        assert (tmp_path / ".dagster_home/dagster.yaml").read_text() == (ROOT / "dagster.yaml").read_text()

    @pytest.mark.parametrize("folder", ["Shop Syncs", "été", "2026", "a.b_c"])
    def test_the_project_is_named_as_its_folder(self, tmp_path: Path, folder: str) -> None:
        write_project(tmp_path / folder, dagster=True)
        project = tomllib.loads((tmp_path / folder / "pyproject.toml").read_text())
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", project["project"]["name"])
        assert project["project"]["dependencies"] == ["candu-sync[dagster]"]
        yaml.safe_load((tmp_path / folder / ".github/workflows/check.yml").read_text())

    def test_a_folder_that_is_a_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "shop").write_text("")
        with pytest.raises(UsageError, match=r"the project cannot be written: .*shop"):
            write_project(tmp_path / "shop")


def test_the_repository_s_dagster_yaml_is_the_one_of_new_projects() -> None:
    assert dagster_configuration() == (ROOT / "dagster.yaml").read_text()


def test_the_commands_of_its_readme_run_from_an_empty_folder(tmp_path: Path, simulator: Simulator) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CANDU_")}
    environment = kept | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def run(line: str, folder: Path) -> str:
        done = subprocess.run(line.split(), cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    run("candu-sync init shop", tmp_path)
    shop = tmp_path / "shop"
    settings = (shop / ".env").read_text()
    (shop / ".env").write_text(settings.replace("http://127.0.0.1:8800/api", simulator.url))
    outputs = [run(line, shop) for line in blocks((shop / "README.md").read_text())]
    assert len(outputs) == 5
    assert simulator.users().keys() == {"u1", "u2", "u3"}
    assert len(simulator.requests()) == 2  # the check's probe, and one request of the first run
