"""The demo says what it is doing while it does it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dagster_defs.demo.__main__ import _reported

MAKEFILE = (Path(__file__).parents[2] / "Makefile").read_text()

# A day of the demo that has run two syncs and is at work on a third, until it reads a line.
DAY = """
for name in ("users/a", "users/a", "events/b"):
    print('{"sync": "%s", "rows": 1}' % name, flush=True)
input()
"""


def test_a_sync_is_named_when_it_has_run(capsys: pytest.CaptureFixture[str]) -> None:
    with subprocess.Popen([sys.executable, "-c", DAY], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as process:
        results = _reported(process)
        assert [next(results)["sync"] for _ in range(3)] == ["users/a", "users/a", "events/b"]
        assert process.poll() is None
        assert capsys.readouterr().err.splitlines()[1:] == ["  users/a", "  events/b"]
        process.communicate("\n")


def test_an_install_says_so_before_it_begins() -> None:
    rules = re.findall(r"^\S+/installed: pyproject.toml constraints.txt\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert len(rules) == 2
    for rule in rules:
        assert rule.index("echo") < rule.index("-m venv") < rule.index("PIP_INSTALL")
