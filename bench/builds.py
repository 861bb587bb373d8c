"""Two builds of candu-sync that are measured side by side: this one, and the one of before the work on speed.

The earlier one comes from the repository's own history. It runs in an environment of its own, with this environment's
libraries, so that only its own code differs; a driver that this build no longer needs is installed there.
"""

from __future__ import annotations

import shutil
import site
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from bench.process import ROOT, Failed, run

COMMIT = "ee01c83"
"""The last commit before the work on speed."""

BEFORE = "before/"
"""What the names of the earlier build's measurements begin with."""

# What the earlier build needs, and this one does not.
_OWN = ["duckdb-engine==0.17.0"]

_MAIN = "from candu_sync.cli import main; main()"


@dataclass(frozen=True)
class Build:
    """A build.

    Attributes:
        prefix: of its measurements' names.
        python: of its environment.
    """

    prefix: str
    python: Path

    @property
    def command(self) -> list[str | Path]:
        """``candu-sync``, as its console script runs it."""
        return [self.python, "-c", _MAIN]

    @property
    def environment(self) -> dict[str, str]:
        """What its processes need: a path of Python's must not put this build before the earlier one."""
        return {"PYTHONPATH": ""} if self.prefix else {}


CURRENT = Build("", Path(sys.executable))


def build_before(environments: Path) -> Build:
    """The earlier build, made if it is not there.

    Raises:
        Failed: the repository has no such commit, or the environment cannot be made.
    """
    home = environments / f"candu-sync-{COMMIT}"
    if not (home / "installed").exists():
        shutil.rmtree(home, ignore_errors=True)
        source = home / "source"
        _unpack(source)
        run([sys.executable, "-m", "venv", home])
        _borrow(home, source)
        run([_python(home), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", *_OWN])
        _check(home, source)
        (home / "installed").touch()
    return Build(BEFORE, _python(home))


def _python(home: Path) -> Path:
    return home / "bin" / "python"


def _unpack(folder: Path) -> None:
    """The sources, of the repository's history. A download without history has none."""
    packed = subprocess.run(["git", "archive", "--format=tar", COMMIT, "candu_sync", "dagster_defs"], cwd=ROOT,
                            capture_output=True, check=False)
    if packed.returncode:
        raise Failed(f"the build of before ({COMMIT}) is not in this copy's history: git fetch --unshallow brings it")
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as tar:
        tar.extractall(folder, filter="data")


def _borrow(home: Path, source: Path) -> None:
    """Let the environment find the sources, and then this environment's libraries."""
    [packages] = (home / "lib").glob("python*/site-packages")
    lines = [str(source), *site.getsitepackages()]
    (packages / "candu_sync_before.pth").write_text("".join(f"{line}\n" for line in lines))


def _check(home: Path, source: Path) -> None:
    """Raises Failed when it would be this build that is measured again."""
    where = run([_python(home), "-c", "import candu_sync; print(candu_sync.__file__)"], cwd=home,
                environment={"PYTHONPATH": ""}).out.strip()
    if not Path(where).resolve().is_relative_to(source.resolve()):
        raise Failed(f"the environment of {COMMIT} runs {where}")
