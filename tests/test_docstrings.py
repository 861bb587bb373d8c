"""The examples in docstrings run, and the documents that code names are there."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import candu_sync
from candu_sync import Project, Target
from candu_sync.simulator import Simulator
from tests.support.lab import Lab

ROOT = Path(__file__).parents[1]

# Verbs that a reader meets first: each shows how it is used.
WITH_EXAMPLE = (
    "candu_sync.pipeline.plan", "candu_sync.pipeline.guard", "candu_sync.pipeline.push",
    "candu_sync.pipeline.push_staged", "candu_sync.pipeline.run", "candu_sync.project.Project",
    "candu_sync.target.Target", "candu_sync.operate.check.check_models", "candu_sync.operate.findings.findings_of",
    "candu_sync.operate.status.statuses", "candu_sync.simulator.Simulator", "candu_sync.syncs.load_syncs",
)


def examples() -> Iterator[doctest.DocTest]:
    """The docstrings of the package that have an example."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    names = ["candu_sync", *(found.name for found in pkgutil.walk_packages(candu_sync.__path__, "candu_sync."))]
    for name in names:
        if not name.endswith("__main__"):
            module = importlib.import_module(name)
            yield from (found for found in finder.find(module, name) if found.examples)


@pytest.mark.parametrize("example", list(examples()), ids=lambda example: example.name)
def test_an_example_runs(example: doctest.DocTest, lab: Lab, simulator: Simulator, tmp_path: Path,
                         monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a project of its own: two users in DuckDB, the sync ``users/profile``, nothing sent yet."""
    lab.table("people", user_id=["u1", "u2"], plan=["pro", "free"])
    sync = lab.sync("users/profile", "select * from people")
    monkeypatch.chdir(tmp_path)
    for name, value in lab.overrides.items():
        monkeypatch.setenv(f"CANDU_{name.upper()}", str(value))
    with lab.project() as project:
        example.globs |= {"Project": Project, "Target": Target, "project": project, "simulator": simulator,
                          "sync": sync, "tmp_path": tmp_path}
        failures: list[str] = []
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=failures.append)
    assert failures == []


@pytest.mark.parametrize("name", WITH_EXAMPLE)
def test_a_verb_shows_how_it_is_used(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    assert ">>>" in (getattr(importlib.import_module(module), attribute).__doc__ or "")


def test_the_documents_that_code_names_are_there() -> None:
    there = {path.name for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"),
                                    *(ROOT / "examples").rglob("*.md")]}
    for folder in ("candu_sync", "dagster_defs", "bench"):
        for path in (ROOT / folder).rglob("*.py"):
            for name in re.findall(r"\b((?:[a-z][\w-]*|README|CHANGELOG)\.md)\b", path.read_text("utf-8")):
                assert name in there, f"{path.relative_to(ROOT)} names {name}"


def test_every_page_of_the_docs_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    linked = set(re.findall(r"\]\(([^)#]+)\)", index))
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert pages <= linked
