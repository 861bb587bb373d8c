"""Keys, partitions, names and reasons come from others: what a terminal or a spreadsheet would obey is only shown."""

from __future__ import annotations

import csv
import io
import os
import pty
import re
import subprocess

import pytest

from candu_sync.simulator import Simulator
from tests.support.folder import EXECUTABLE, Folder

# Clears the screen, sets the title, C1's CSI, turns the writing direction, overwrites the line.
EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egpj.exe\rall is well"
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2066\ud800-\udfff]")
SHOWN = r"\x1b[2J\x1b]0;owned\x07\x9b31m\u202egpj.exe\rall is well"

COMMANDS = (["list"], ["check"], ["plan", "--all"], ["run", "--all"], ["status"], ["rejected", "users/profile"],
            ["baseline", "--all"], ["run", "--all", "--full"], ["rejected", "users/profile", "--retry"],
            ["reset", "users/profile"])


@pytest.fixture
def evil(project: Folder, simulator: Simulator) -> Folder:
    """A project whose keys, partitions, columns, file names and refusals all try it."""
    project.table("people", user_id=[f"u{EVIL}", f"v{EVIL}", "w"], plan=[EVIL] * 3, size=[1, 2**53 + 1, 3])
    quoted = f'"{EVIL}"'
    project.model("users/profile", f"select user_id, size as {quoted} from people where plan = :partition",
                  "partitions: {dynamic: plans, values: select distinct plan from people}\npreview: values")
    project.model("users/fails", f"select user_id, [1] as {quoted} from people")
    (project.sql / "users" / f"{EVIL.replace('/', '_')}.sql").write_text("select 1 as user_id")
    (project.sql / "users" / "broken.sql").write_text("select 1 as user_id")
    (project.sql / "users" / "broken.yaml").write_text('"a\\e[31mb": 1')
    simulator.fault("refuse", user_ids=[f"u{EVIL}"], status=422)
    return project


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("style", [[], ["--json"]], ids=["text", "json"])
def test_no_command_passes_it_on(evil: Folder, command: list[str], style: list[str]) -> None:
    evil.cli("run", "users/profile")
    said = evil.cli(*command, *style)
    assert "owned" in said.out + said.err
    assert RAW.findall(said.out) == []
    assert RAW.findall(said.err) == []
    if style:
        assert said.rows is not None


def test_it_is_shown_so_that_a_person_recognizes_it(evil: Folder) -> None:
    assert f"users/profile [{SHOWN}]" in evil.cli("run", "users/profile").out.replace("\n", "")
    rows = evil.cli("rejected", "users/profile", "--json").rows
    assert {row["key"] for row in rows} == {f"u{EVIL}", f"v{EVIL}"}


def test_the_bar_on_a_terminal_is_not_steered(evil: Folder, simulator: Simulator) -> None:
    simulator.clear_faults()
    simulator.fault("delay", seconds=0.3)
    ours, theirs = pty.openpty()
    process = subprocess.Popen([EXECUTABLE, "run", "users/profile", "--json"], cwd=evil.folder, stderr=theirs,
                               stdout=subprocess.DEVNULL, env=evil.environment() | {"TERM": "xterm", "COLUMNS": "200"})
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    process.wait()
    assert rb"\x1b[2J\x1b]0;owned" in shown
    assert b"\x1b[2J" not in shown
    assert b"\x1b]0;" not in shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says EIO when the other end is closed
        return b""


def test_a_faked_second_line_does_not_look_like_a_message(project: Folder) -> None:
    project.people(1)
    project.model("users/profile", "select * from people where plan = :partition", "partitions: {static: [pro]}")
    said = project.cli("run", "users/profile", "--partition", "x\ncandu-sync: all is well")
    assert said.code == 2
    assert not any(line.startswith("candu-sync: all") for line in said.err.splitlines())


@pytest.mark.parametrize("key", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1", "\n=1"])
def test_csv_is_no_formula(project: Folder, key: str) -> None:
    project.table("people", user_id=[key, "u1"], size=[2**53 + 1, 2**53 + 1])
    project.model("users/profile", "select * from people")
    project.cli("run", "users/profile")
    found = csv.reader(io.StringIO(project.cli("rejected", "users/profile", "--csv").out, newline=""))
    assert {row[2] for row in list(found)[1:]} == {f"'{key}", "u1"}
    assert {row["key"] for row in project.cli("rejected", "users/profile", "--json").rows} == {key, "u1"}


def test_csv_has_no_escape_sequence(project: Folder) -> None:
    project.table("people", user_id=["u\x1b[2J"], size=[2**53 + 1])
    project.model("users/profile", "select * from people")
    project.cli("run", "users/profile")
    assert r"u\x1b[2J" in project.cli("rejected", "users/profile", "--csv").out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_stdout_that_is_not_utf_8_loses_no_result(project: Folder, encoding: str) -> None:
    project.table("people", user_id=["ünïcode→"], plan=["→"])
    project.model("users/profile", "select * from people", "preview: values")
    for words in (["plan", "users/profile"], ["run", "users/profile", "--json"]):
        done = subprocess.run([EXECUTABLE, *words], cwd=project.folder, capture_output=True, check=False,
                              env=project.environment() | {"PYTHONIOENCODING": encoding})
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
        assert done.stdout


@pytest.mark.parametrize("closing", ["2>&-", "2>/dev/full"])
def test_a_closed_or_full_stderr_stops_no_push(project: Folder, simulator: Simulator, closing: str) -> None:
    project.people(3)
    project.model("users/profile", "select * from people")
    project.model("users/broken", "select 1", "gaurd: {}")
    done = subprocess.run(f"exec '{EXECUTABLE}' run --all --json {closing}", shell=True, cwd=project.folder,
                          env=project.environment(), stdout=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert b'"accepted": 3' in done.stdout
    assert {"u0", "u1", "u2"} <= set(simulator.users())
