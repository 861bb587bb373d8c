"""The words of a notice are those that docs/alerts.md shows."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path

from candu_sync.alerts import CODES, Problem, Standing, parse_addresses
from candu_sync.alerts.notices import Notice

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text("utf-8")
AT = dt.datetime(2026, 11, 28, 6, 0, 12, tzinfo=dt.UTC)


def block(language: str) -> str:
    """The first block of that language on the page."""
    found = re.search(rf"^```{language}\n(.*?)\n```", PAGE, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def shown() -> Notice:
    _, sentence, link, _ = block("text").splitlines()
    bad = Standing(None, (Problem("guarded", sentence),), link=link.removeprefix("The run: "))
    return Notice(sync="users/profile", owners=("team:growth",), bad=(bad,), well=(), at=AT)


def test_the_page_shows_a_notice_as_it_is() -> None:
    assert shown().text == block("text")


def test_the_page_shows_the_json_as_it_is() -> None:
    page, real = json.loads(block("json")), shown().json()
    assert list(page) == list(real)
    assert page["problems"][0].keys() == real["problems"][0].keys()
    for name in page.keys() - {"text", "problems"}:
        assert page[name] == real[name], name


def test_the_page_lists_every_code_with_its_title() -> None:
    listed = dict(re.findall(r"^\| `([a-z]+)` \| ([^|]+) \|", PAGE, re.MULTILINE))
    assert listed == dict(CODES)


def test_the_addresses_of_the_page_are_addresses() -> None:
    setting = next(line for line in PAGE.splitlines() if line.startswith('CANDU_ALERTS_URL="')).partition("=")[2]
    found = parse_addresses(setting.strip('"').replace("…", "x"))
    assert [(address.owner, address.way) for address in found] == [
        ("team:growth", "slack"), ("ann@example.com", "smtp"), ("*", "json"), (None, "slack")]


def test_no_line_of_an_error_looks_like_another_message() -> None:
    bad = Standing(None, (Problem("failing", "it failed\x1b[2J\nusers/other is well again\r\n"),))
    text = Notice(sync="users/profile", owners=(), bad=(bad,), well=(), at=AT).text
    assert text.splitlines() == ["users/profile is failing", r"it failed\x1b[2J", "  users/other is well again",
                                 "candu-sync status users/profile"]
