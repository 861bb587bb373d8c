"""Machines: each is a UTS and PID namespace with a host name, a process table, a working folder and a home for Dagster
of its own. What runs on it ends when it is killed, as when a machine loses its power.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from drills.services import program

_HOST = ["unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c"]

# Prints the ids of a sync's uncertain events, of all partitions.
_UNCERTAIN = """
import json, sys
from candu_sync import Project
from candu_sync.commit import list_uncertain
from candu_sync.settings import load_settings
sync = sys.argv[1]
with Project(load_settings()) as project:
    states = [project.state.of(sync, key) for key in project.state.partitions(sync)]
    print(json.dumps([key for state in states for found in list_uncertain(state) for key in found.keys]))
"""


class Machine:
    """One machine, with a program that runs on it from the start."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str], command: list[str]) -> None:
        self.name = name
        self._folder = folder / name
        (self._folder / "tmp").mkdir(parents=True, exist_ok=True)
        self._environment = {**environment, "TMPDIR": str(self._folder / "tmp")}
        self._start(command)

    def _start(self, command: list[str]) -> None:
        with (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*_HOST, f"hostname {self.name}; {shlex.join(command)}"], cwd=self._folder, env=self._environment,
                stdout=log, stderr=log, start_new_session=True)

    def kill(self) -> None:
        """All that runs on it ends at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def kill_process(self, number: int) -> bool:
        """Kill the process that has a number in the machine's own process table; whether there was one."""
        for pid in _below(self.process.pid):
            if _number_within(pid) == number:
                os.kill(pid, signal.SIGKILL)
                return True
        return False


class Machines:
    """All machines of a drill, by what they do."""

    def __init__(self, folder: Path, environment: Mapping[str, str], configuration: str, broker: str,
                 *, slots: int) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._configuration = configuration
        self._slots = slots
        self._made = 0
        self.workspace = folder / "workspace.yaml"
        self.workers: dict[str, Machine] = {}
        self.others: dict[str, Machine] = {}
        (folder / "worker.yaml").write_text(json.dumps(
            {"execution": {"config": {"broker": f"{broker}/0", "backend": f"{broker}/1"}}}))

    def start(self, name: str, *command: str) -> Machine:
        """A machine for a part of Dagster; one of the same name is gone."""
        self.others[name] = self._machine(name, list(command))
        return self.others[name]

    def add_worker(self) -> Machine:
        """A machine with a worker of Celery, under a new name."""
        self._made += 1
        name = f"worker{self._made}"
        self.workers[name] = self._machine(name, [
            program("dagster-celery"), "worker", "start", "-A", "dagster_celery.app", "-y",
            str(self._folder / "worker.yaml"), "-n", name, "--", "--concurrency", str(self._slots)])
        return self.workers[name]

    def lose_worker(self, name: str) -> None:
        """A machine loses its power."""
        self.workers.pop(name).kill()

    def _machine(self, name: str, command: list[str]) -> Machine:
        name = name.removeprefix("the ").replace(" ", "-")
        home = self._folder / name / "home"
        home.mkdir(parents=True, exist_ok=True)
        (home / "dagster.yaml").write_text(self._configuration)
        return Machine(name, self._folder, {**self._environment, "DAGSTER_HOME": str(home)}, command)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """``candu-sync`` on one more machine, as cron might run it."""
        return self._run(program("candu-sync"), *words)

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*_HOST, f"hostname cron; {shlex.join(words)}"], cwd=self._folder,
                              env=self._environment, capture_output=True, text=True, check=False)

    def json_lines(self, *words: str) -> list[dict[str, Any]]:
        """The objects that a command prints with ``--json``."""
        done = self.command(*words, "--json")
        if done.returncode not in (0, 4):
            raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr[-2000:]}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def uncertain(self, sync: str) -> set[str]:
        """The ids of the events that the state lists as uncertain (``uncertain/<run>.json``): also of those that a
        later try of the same push got accepted, which the history has as accepted."""
        done = self._run(sys.executable, "-c", _UNCERTAIN, sync)
        if done.returncode:
            raise RuntimeError(f"the uncertain events of {sync} cannot be read: {done.stderr[-2000:]}")
        return set(json.loads(done.stdout))

    def end(self) -> None:
        """Kill all of them."""
        for machine in (*self.workers.values(), *self.others.values()):
            machine.kill()


def _below(pid: int) -> list[int]:
    """The processes below one."""
    with suppress(psutil.Error):
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    return []


def _number_within(pid: int) -> int | None:
    """The number of a process in the innermost process table that it is in."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    return None
