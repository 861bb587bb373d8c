"""A wheel has what a checkout has: it is built, unpacked, and used from an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's files."""
    folder = tmp_path_factory.mktemp("wheel")
    # From a copy of what is committed or to be: a build leaves files beside the sources.
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True,
                           check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        copy = folder / "source" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_symlink():
            copy.symlink_to((ROOT / name).readlink())
        elif (ROOT / name).is_file():
            copy.write_bytes((ROOT / name).read_bytes())
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps",
                    "--wheel-dir", str(folder), str(folder / "source")], check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_the_demo_s_models_are_those_under_sql(unpacked: Path) -> None:
    for model in sorted(path for path in (ROOT / "sql").rglob("*") if path.is_file()):
        packed = unpacked / "candu_sync/demo/models" / model.relative_to(ROOT / "sql")
        assert packed.read_bytes() == model.read_bytes()


def test_a_project_begins_in_an_empty_folder(unpacked: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CANDU_")}
    environment["PYTHONPATH"] = str(unpacked)
    for words in ["init"], ["plan", "users/example"]:
        done = subprocess.run([sys.executable, "-P", "-m", "candu_sync", *words], cwd=tmp_path, env=environment,
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert "would send 3 messages" in done.stdout


def test_it_holds_no_tests(unpacked: Path) -> None:
    assert {path.name for path in unpacked.iterdir() if path.suffix != ".dist-info"} == {"candu_sync", "dagster_defs"}
