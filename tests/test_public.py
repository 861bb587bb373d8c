"""The public names are those of ``__all__``, and each is there; asking for none of them loads no database."""

from __future__ import annotations

import subprocess
import sys

import pytest

import candu_sync
from tests.support.folder import Folder


@pytest.mark.parametrize("name", candu_sync.__all__)
def test_each_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(candu_sync, name).__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute sink"):
        candu_sync.sink  # noqa: B018


def test_importing_the_package_loads_no_database() -> None:
    heavy = "duckdb", "pyarrow", "sqlalchemy", "httpx", "dagster"
    code = f"import sys, candu_sync.cli; print([m for m in {heavy!r} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_help_loads_no_command() -> None:
    """It has the names and the first sentences of the commands in a table. A module more is time that each --help
    takes, and each command too."""
    code = ("import atexit, sys; sys.argv = ['candu-sync', '--help']; from candu_sync.cli import main; atexit.register("
            "lambda: print(*(m for m in sys.modules if m.startswith('candu_sync')), file=sys.stderr)); main()")
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {*ended.stderr.split()} == {
        "candu_sync", "candu_sync.lazy", "candu_sync.errors", "candu_sync.suggestions", "candu_sync.terminal",
        "candu_sync.workspaces", "candu_sync.cli", "candu_sync.cli.commands", "candu_sync.cli.common"}


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["list"], ["list", "--json"], ["status"],
                                   ["status", "--json"]])
def test_what_only_looks_loads_no_database(project: Folder, words: list[str]) -> None:
    """Also where there is a sync with a state, and a manifest of dbt's is not looked for."""
    project.people(3)
    project.model("users/profile", "select * from people")
    project.cli("run", "users/profile")
    heavy = "duckdb", "pyarrow", "numpy", "sqlalchemy", "httpx", "obstore", "sqlglot", "dagster", "asyncio"
    code = (f"import atexit, sys; sys.argv = {['candu-sync', *words]!r}; from candu_sync.cli import main; "
            f"atexit.register(lambda: print([m for m in {heavy!r} if m in sys.modules], file=sys.stderr)); main()")
    ended = subprocess.run([sys.executable, "-c", code], cwd=project.folder, env=project.environment(),
                           capture_output=True, text=True, check=True)
    assert ended.stderr.strip() == "[]"
    assert "users/profile" in ended.stdout or "--help" in words


@pytest.mark.parametrize("words", [["plan", "users/profile"], ["run", "users/profile"], ["plan", "--all", "--json"]])
def test_an_unchanged_sync_of_duckdb_loads_no_sqlalchemy(project: Folder, words: list[str]) -> None:
    project.people(3)
    project.model("users/profile", "select * from people")
    project.cli("run", "users/profile")
    code = (f"import atexit, sys; sys.argv = {['candu-sync', *words]!r}; from candu_sync.cli import main; "
            "atexit.register(lambda: print([m for m in ('sqlalchemy', 'duckdb') if m in sys.modules], "
            "file=sys.stderr)); main()")
    ended = subprocess.run([sys.executable, "-c", code], cwd=project.folder, env=project.environment(),
                           capture_output=True, text=True, check=True)
    assert ended.stderr.splitlines()[-1] == "['duckdb']"
