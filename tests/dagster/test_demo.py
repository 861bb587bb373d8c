"""The demo says what it is doing while it does it."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dagster_defs.demo.__main__ import _reported
from tests.support.waiting import until

MAKEFILE = (Path(__file__).parents[2] / "Makefile").read_text()

# A day of the demo that has run two syncs and is at work on a third, until it reads a line.
DAY = """
for name in ("users/a", "users/a", "events/b"):
    print('{"sync": "%s", "rows": 1}' % name, flush=True)
input()
"""


# Two services, of which the second starts a process of its own. All ignore SIGTERM, and hold a lock while they live.
SERVICES = """
import os, subprocess, sys
from dagster_defs.demo import ui

child = '''
import fcntl, os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if sys.argv[1] == "outer":
    subprocess.Popen([sys.executable, *sys.orig_argv[1:-1], "inner"])
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
lock.write("held")
lock.flush()
time.sleep(3600)
'''
sys.exit(ui.together([[sys.executable, "-c", child, name] for name in ("one", "outer")], os.environ))
"""


def held(path: Path) -> bool:
    """Whether a service lives that has this lock."""
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_ui_ends_with_all_of_its_processes(tmp_path: Path, number: signal.Signals) -> None:
    locks = [tmp_path / name for name in ("one", "outer", "inner")]
    with subprocess.Popen([sys.executable, "-c", SERVICES], cwd=tmp_path,
                          env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}) as process:
        until(lambda: all(lock.exists() and lock.read_text() == "held" for lock in locks))
        process.send_signal(number)
        # Who does not wait asks again: that ends those that do not end by themselves at once.
        while process.poll() is None:
            time.sleep(0.2)
            process.send_signal(number)
    assert process.returncode == 0
    until(lambda: not any(map(held, locks)))


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
        assert rule.index("echo") < rule.index("$(call install,")
