"""The site has every page, and the workflows use what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from candu_sync.syncs import json_schema

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


class Loader(yaml.SafeLoader):
    """MkDocs' file names a function of Python in one place."""


Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


def test_every_page_is_in_the_navigation() -> None:
    site = yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)
    listed = [page for group in site["nav"] for pages in group.values() for page in pages]
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    root_pages = {"readme.md", "changelog.md", "contributing.md", "security.md"}
    assert sorted(listed) == sorted(pages | root_pages)
    for page in root_pages:
        assert (ROOT / f"{page.removesuffix('.md').upper()}.md").exists()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
class TestWorkflows:
    def steps(self, path: Path) -> list[dict[str, Any]]:
        jobs = yaml.safe_load(path.read_text())["jobs"]
        return [step for job in jobs.values() for step in job["steps"]]

    def test_what_they_run_is_there(self, path: Path) -> None:
        for step in self.steps(path):
            for target in re.findall(r"\bmake ([a-z-]+)", step.get("run", "")):
                assert target in TARGETS
            for script in re.findall(r"\b(checks/\S+)", step.get("run", "")):
                assert (ROOT / script).stat().st_mode & 0o100

    def test_actions_are_pinned_by_a_tag(self, path: Path) -> None:
        used = [step["uses"] for step in self.steps(path) if "uses" in step]
        assert used
        for action in used:
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@(v\d+|release/v\d+)", action)

    def test_they_may_do_no_more_than_they_must(self, path: Path) -> None:
        assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}


def test_the_tested_pythons_are_those_that_are_named() -> None:
    matrix = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["test"]["strategy"]["matrix"]
    named = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    assert matrix["python"] == named


def test_what_contributing_names_is_there() -> None:
    for page in ("CONTRIBUTING.md", "docs/deploy.md"):
        assert set(re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / page).read_text(), re.MULTILINE)) <= TARGETS


def test_the_schema_has_a_name_that_stays() -> None:
    assert json_schema.json_schema()["$id"] == "urn:candu-sync:schema:sync:1"
