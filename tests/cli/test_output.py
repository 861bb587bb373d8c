"""What the command line says, and where: results on stdout, the rest on stderr, secrets nowhere."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys

import pytest
from rich.console import Console
from rich.text import Text

from candu_sync.cli import progress_bar, tables
from candu_sync.simulator import Simulator
from tests.support.folder import EXECUTABLE, Folder

HEAVY = ("dagster", "duckdb", "pyarrow", "sqlalchemy", "httpx", "pydantic", "obstore", "starlette")


@pytest.mark.parametrize("width", [200, 30])
def test_a_table_of_many_lines_looks_as_rich_lays_it_out(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    rows = [(Text(f"users/ü漢 [red]{n}"), Text(f"{n * 77:,}"), Text("failed" if n % 3 else "succeeded", style="red"))
            for n in range(30)]
    table = tables.empty_table("sync", "rows", "status", numbers=1)
    for cells in rows:
        table.add_row(*cells)
    by_rich, by_us = (Console(file=io.StringIO(), highlight=False, width=width) for _ in range(2))
    by_rich.print(table)
    monkeypatch.setattr(tables, "console", lambda: by_us)
    tables._show_table(("sync", "rows", "status"), rows, numbers=1)
    assert isinstance(by_us.file, io.StringIO)
    assert isinstance(by_rich.file, io.StringIO)
    assert by_us.file.getvalue() == by_rich.file.getvalue()


def test_help_waits_for_no_heavy_module() -> None:
    code = "import sys; from candu_sync.cli import main\ntry: main()\nexcept SystemExit: print()\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True)
    assert "baseline" in run.stdout
    loaded = set(run.stdout.splitlines()[-1].split())
    assert "typer" in loaded
    assert not loaded.intersection(HEAVY)


@pytest.mark.parametrize("command", [[EXECUTABLE], [sys.executable, "-m", "candu_sync"]])
def test_the_installed_command_and_the_module_are_one(command: list[str]) -> None:
    run = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    assert "plan" in run.stdout
    assert run.stderr == ""


def test_stdout_has_only_the_result(project: Folder, simulator: Simulator) -> None:
    project.people(3)
    project.model("users/profile", "select * from people")
    project.model("users/broken", "select * from people", "gaurd: {}")
    simulator.fault("status", status=503)
    ended = project.execute("run", "--all", "--json", rat="1")
    assert (ended.code, [row["unsent"] for row in ended.rows]) == (1, [3, 0])
    for output in ("broken.yaml", "HTTP 503", "CANDU_RATE"):
        assert output in ended.err
    assert project.execute("status", "--json").row["status"] == "failed"


def test_progress_is_lines_on_stderr_where_there_is_no_terminal(
        project: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_bar, "_LINE_EVERY", 0)
    project.people(3)
    project.model("users/profile", "select * from people")
    ended = project.cli("run", "users/profile", "--json")
    assert ended.row["accepted"] == 3
    assert ended.err.splitlines() == ["users/profile: read 3 rows", "users/profile: push 3 of 3 messages"]


def test_progress_is_a_bar_on_a_terminal_and_names_the_partition(project: Folder, simulator: Simulator) -> None:
    project.people(4)
    project.model("users/profile", "select * from people where plan = :partition", "partitions: {static: [free, pro]}")
    simulator.fault("delay", seconds=0.3)
    ours, theirs = pty.openpty()
    process = subprocess.Popen([EXECUTABLE, "run", "users/profile", "--json"], cwd=project.folder, stderr=theirs,
                               stdout=subprocess.PIPE, env=project.environment() | {"TERM": "xterm", "COLUMNS": "120"})
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    out = process.communicate()[0]
    os.close(ours)
    assert process.returncode == 0
    assert out.count(b"\n") == 2
    assert "users/profile [pro]: push" in shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says EIO when the other end is closed
        return b""


def test_neither_the_key_nor_a_value_is_printed_or_names_a_file(project: Folder, simulator: Simulator) -> None:
    project.secrets = ("sesame", "hushhush", "s3cret")
    project.table("people", user_id=["u1", "u2", "u3", "u3"], nick=["sesame"] * 3 + ["hushhush"], born=["s3cret"] * 4)
    project.model("users/profile", "select * from people")
    project.model("users/cast", "select user_id, cast(born as date) as birthday from people")
    simulator.fault("refuse", user_ids=["u2"], status=422)
    loud = {"log_level": "debug"}
    python = {"PYTHONDEVMODE": "1", "HTTPX_LOG_LEVEL": "trace", "LOGLEVEL": "DEBUG", "DEBUG": "1"}
    for words in (["plan", "--all"], ["run", "--all"], ["run", "--all", "--json"], ["status"], ["list"], ["check"],
                  ["rejected", "users/profile"], ["rejected", "users/profile", "--csv"], ["baseline", "--all"]):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in python.items():
                patch.setenv(name, value)
            said = project.cli(*words, **loud)
        assert said.out + said.err
    with pytest.MonkeyPatch.context() as patch:
        for name, value in python.items():
            patch.setenv(name, value)
        assert project.execute("run", "--all", "--full", **loud).code == 1
    files = project.state_files()
    assert not [name for name in files for secret in project.secrets if secret in name]
    assert not [name for name, data in files.items() if simulator.key.encode() in data]


def test_a_wrong_key_is_not_printed_either(project: Folder) -> None:
    project.people(1)
    project.model("users/profile", "select * from people")
    for words in (["run", "users/profile"], ["check"]):
        assert project.cli(*words, api_key="key-to-keep").code == 1
        assert project.cli(*words, api_key="key to keep").code == 2


def test_the_simulator_says_where_it_is(project: Folder) -> None:
    process = project.start("simulate", "--port", "0")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    assert lines[0].startswith("page: http://127.0.0.1:")
    assert lines[1].startswith("CANDU_API_URL=http://127.0.0.1:")
    project.people(2)
    project.model("users/profile", "select * from people")
    url = lines[1].strip().partition("=")[2]
    assert project.cli("run", "users/profile", api_url=url, api_key="simulator-key").code == 0
    port = url.split(":")[2].split("/")[0]
    taken = project.cli("simulate", "--port", port)
    assert taken.code == 2
    assert "Choose another port" in taken.err
    process.terminate()
    assert project.ended(process).code == 0


def test_noise_is_said_by_plan_and_run_and_is_in_the_json(project: Folder) -> None:
    project.model("users/profile", "select * from people", "guard: {max_changed: null}")
    project.people(3, spent="1.0::double")
    project.cli("run", "users/profile")
    project.people(3, spent="0.9999999999999999::double")
    said = "spent: 3 of 3 changes are smaller than a billionth of the number. Round it"
    assert said in project.cli("plan", "users/profile").out
    assert project.cli("plan", "users/profile", "--json").row["noise"] == {"tiny": {"spent": 3}}
    assert f"users/profile: {said}" in project.cli("run", "users/profile").out
    assert "billionth" not in project.cli("run", "users/profile").out


def test_many_partitions_without_anything_to_do_share_a_row(project: Folder) -> None:
    project.people(22)
    project.model("users/each", "select * from people where user_id = :partition",
                  'partitions: {dynamic: users, values: "select user_id from people"}')
    first = project.cli("run", "users/each")
    assert first.out.count("users/each [") == 22
    project.query("update people set plan = 'team' where user_id = 'u7'")
    again = project.cli("run", "users/each")
    assert [line.split()[:3] for line in again.out.splitlines()[1:]] == [
        ["users/each", "(21", "partitions)"], ["users/each", "[u7]", "1"]]
    assert [line.split()[3] for line in again.out.splitlines()[1:2]] == ["21"]
    assert len(project.cli("run", "users/each", "--json").rows) == 22


def test_an_argument_that_is_not_utf_8_is_refused(project: Folder) -> None:
    project.people(1)
    project.model("users/profile", "select * from people")
    for words in (["run", "users/profile", "--key"], ["history", "--user"], ["forget"], ["run", "users/profile",
                                                                                         "--partition"]):
        ended = project.cli(*words, "\udcff")
        assert (ended.code, ended.err) == (2, "candu-sync: the argument '\\udcff' is not UTF-8. Write it in a terminal "
                                              "whose encoding is UTF-8\n")
