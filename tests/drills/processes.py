"""Real processes that run the command line, to be killed, stopped and continued.

They are forked from a server that has the packages loaded, so that a drill makes hundreds of them in a minute; what
they run is ``candu_sync.cli.main``, with what a test asks for patched in before.
"""

from __future__ import annotations

import logging
import multiprocessing as mp
import os
import signal
import sys
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from candu_sync import cli
from candu_sync.state import claims, owner
from tests.drills.interruptions import place
from tests.support.lab import Lab

_forkserver = mp.get_context("forkserver")
_forkserver.set_forkserver_preload(["tests.drills.processes"])

# A process that does nothing wrong ends within this.
PATIENCE = 60.0


@dataclass(frozen=True)
class Conditions:
    """What is unlike a usual process.

    Attributes:
        kill_at: SIGKILL comes at this point (see ``interruptions``).
        leases: seconds, of the lease, of SENDING and of HEARTBEAT (``candu_sync.state``).
        largest_file: bytes beyond which no file can be written (setrlimit(2), RLIMIT_FSIZE), as on a full disk.
    """

    kill_at: int | None = None
    leases: tuple[float, float, float] | None = None
    largest_file: int | None = None


@dataclass
class Process:
    """A ``candu-sync`` that was started; what it says goes to a file."""

    process: ForkServerProcess
    log: Path

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def signal(self, number: int) -> None:
        """Send a signal, if it still lives."""
        if self.process.is_alive():
            os.kill(self.pid, number)

    def wait(self, seconds: float = PATIENCE) -> int:
        """Its exit code, negative for a signal."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.signal(signal.SIGKILL)
            raise AssertionError(f"it did not end within {seconds} s; it said: {self.said()}")
        return self.process.exitcode

    def said(self) -> str:
        """Its stdout and stderr."""
        return self.log.read_text()


@dataclass
class Launcher:
    """Starts processes on a lab's project."""

    lab: Lab
    conditions: Conditions = Conditions()
    started: int = 0
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, str]:
        """The lab's settings as environment variables."""
        return {f"CANDU_{name.upper()}": str(value) for name, value in self.lab.overrides.items()}

    def start(self, *words: str, conditions: Conditions | None = None) -> Process:
        """Start ``candu-sync WORDS…``."""
        self.started += 1
        log = self.lab.folder / f"process-{self.started}.log"
        process = _forkserver.Process(target=_main, daemon=True, args=(
            list(words), self.settings | self.environment, str(log), conditions or self.conditions))
        process.start()
        return Process(process, log)

    def run(self, *words: str, conditions: Conditions | None = None) -> tuple[int, str]:
        """Start it and wait: exit code, and what it said."""
        process = self.start(*words, conditions=conditions)
        return process.wait(), process.said()


def _main(words: list[str], environment: dict[str, Any], log: str, conditions: Conditions) -> None:
    os.environ.update(environment)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    logging.getLogger("httpx").setLevel(logging.WARNING)
    _arrange(conditions)
    sys.argv = ["candu-sync", *words]
    cli.main()


def _arrange(conditions: Conditions) -> None:
    patch = pytest.MonkeyPatch()  # for good: this process is no test
    if conditions.kill_at is not None:
        place(patch).arm(conditions.kill_at, lambda: os.kill(os.getpid(), signal.SIGKILL))
    if conditions.leases is not None:
        lease, sending, heartbeat = conditions.leases
        patch.setattr(owner, "LEASE", lease)
        patch.setattr(claims, "SENDING", sending)
        patch.setattr(claims, "HEARTBEAT", heartbeat)
    if conditions.largest_file is not None:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (conditions.largest_file, conditions.largest_file))
