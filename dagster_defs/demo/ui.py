"""`python -m dagster_defs.demo.ui FOLDER`: Dagster's UI and the simulator's page on the demo's result."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from candu_sync.demo.story import settings
from dagster_defs.demo import environment

# Ctrl-C, `kill`, and a terminal that is closed.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# Seconds that the child processes have to end by themselves.
_PATIENCE = 15


def main(folder: Path, port: int, simulator_port: int) -> int:
    """Run both until Ctrl-C or another signal, or until one of them ends; returns the exit code."""
    if not (folder / "candu.db").exists():
        print(f"candu-sync: there is no demo in {folder} yet: run `make demo` first", file=sys.stderr)  # noqa: T201
        return 2
    candu = settings(folder, f"http://127.0.0.1:{simulator_port}/api")
    simulate = [sys.executable, "-m", "candu_sync", "simulate", "--port", str(simulator_port), "--database",
                str(folder / "candu.db")]
    dagster = [sys.executable, "-m", "dagster", "dev", "--module-name", "dagster_defs.definitions", "--port", str(port)]
    print(f"Dagster: http://127.0.0.1:{port} (in about 15 s)\nCandu's stand-in: http://127.0.0.1:{simulator_port}\n"  # noqa: T201
          "Ctrl-C ends both", flush=True)
    return together([simulate, dagster], environment(folder, candu))


def together(commands: Sequence[Sequence[str]], variables: Mapping[str, str]) -> int:
    """Run commands until a signal comes, or until one of them ends, and end all of them with their children.

    Returns:
        The exit code: 0 after a signal, 1 when one ended by itself.
    """
    told = threading.Event()
    for number in _SIGNALS:
        signal.signal(number, lambda *_: told.set())
    children: list[subprocess.Popen[bytes]] = []
    try:
        # Each starts in a session of its own, so that Ctrl-C reaches it and its children once, from here.
        children.extend(subprocess.Popen(command, env=variables, start_new_session=True) for command in commands)
        while not told.wait(0.5) and all(child.poll() is None for child in children):
            pass
    finally:
        _end(children)
    return 0 if told.is_set() else 1


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """End the child processes and theirs, at once when another signal comes. Not by SIGINT: a process that was started
    in the background may ignore it."""
    for number in _SIGNALS:
        signal.signal(number, lambda *_: _tell(children, signal.SIGKILL))
    _tell(children, signal.SIGTERM)
    end = time.monotonic() + _PATIENCE
    for child in children:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(max(0.0, end - time.monotonic()))
    _tell(children, signal.SIGKILL)
    for child in children:
        child.wait()
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _tell(children: Sequence[subprocess.Popen[bytes]], number: signal.Signals) -> None:
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m dagster_defs.demo.ui")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--simulator-port", type=int, default=8800)
    words = parser.parse_args()
    sys.exit(main(words.folder, words.port, words.simulator_port))
