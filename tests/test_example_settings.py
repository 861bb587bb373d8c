"""The examples of settings, and the page about components, name things that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dagster_defs
from candu_sync.settings import Settings
from candu_sync.workspaces import CHOICE

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / ".env.example", *sorted((ROOT / "docs").glob("*.md")),
         *sorted((ROOT / "examples").rglob(".env.example")), *sorted((ROOT / "examples").rglob("*.md"))]
KNOWN = {name.upper() if name.startswith("segment_") else f"CANDU_{name.upper()}" for name in Settings.model_fields}
# Pages also name the choice of a workspace, and the settings of one that is named eu.
NAMED = KNOWN | {CHOICE} | {name.replace("_", "_EU_", 1) for name in KNOWN}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_setting_it_names_exists(page: Path) -> None:
    assert set(re.findall(r"\b(?:CANDU|SEGMENT)_[A-Z_]+[A-Z]\b", page.read_text("utf-8"))) <= NAMED


def test_the_section_that_the_example_names_has_the_settings() -> None:
    named = re.search(r'(\S+\.md), "([^"]+)"', (ROOT / ".env.example").read_text("utf-8"))
    assert named is not None
    sections = re.split(r"^## ", (ROOT / named[1]).read_text("utf-8"), flags=re.MULTILINE)
    [section] = [text for text in sections if text.startswith(f"{named[2]}\n")]
    assert set(re.findall(r"(?:CANDU|SEGMENT)_[A-Z_]+[A-Z]", section)) >= KNOWN


def test_the_page_about_components_names_what_there_is() -> None:
    page = (ROOT / "docs" / "component.md").read_text("utf-8")
    for name in re.findall(r"dagster_defs\.(\w+)", page):
        assert name in dagster_defs.__all__
    for name in re.findall(r"`(get_\w+)`", page):
        assert hasattr(dagster_defs.CanduSync, name)
    for path in re.findall(r"this repository's `([^`]+)`", page):
        assert (ROOT / path).exists()
