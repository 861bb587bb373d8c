"""`python -m dagster_defs.demo.ui FOLDER`: Dagster's UI and the simulator's page on the demo's result."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from candu_sync.demo.story import settings
from dagster_defs.demo import environment


def main(folder: Path, port: int, simulator_port: int) -> int:
    """Run both until Ctrl-C, or until one of them ends; returns the exit code."""
    if not (folder / "candu.db").exists():
        print(f"candu-sync: there is no demo in {folder} yet: run `make demo` first", file=sys.stderr)  # noqa: T201
        return 2
    candu = settings(folder, f"http://127.0.0.1:{simulator_port}/api")
    simulate = [sys.executable, "-m", "candu_sync", "simulate", "--port", str(simulator_port), "--database",
                str(folder / "candu.db")]
    dagster = [sys.executable, "-m", "dagster", "dev", "--module-name", "dagster_defs.definitions", "--port", str(port)]
    # Each starts in a session of its own, so that Ctrl-C reaches it and its children once, from here.
    children = [subprocess.Popen(command, env=environment(folder, candu), start_new_session=True)
                for command in (simulate, dagster)]
    print(f"Dagster: http://127.0.0.1:{port} (in about 15 s)\nCandu's stand-in: http://127.0.0.1:{simulator_port}\n"  # noqa: T201
          "Ctrl-C ends both", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        while all(child.poll() is None for child in children):
            time.sleep(0.5)
    except KeyboardInterrupt:
        return 0
    finally:
        _end(children)
    return 1


def _end(children: list[subprocess.Popen[bytes]]) -> None:
    """End the child processes and theirs. Not by SIGINT: a process that was started in the background may ignore it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, number)
        for child in children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(15)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m dagster_defs.demo.ui")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--simulator-port", type=int, default=8800)
    words = parser.parse_args()
    sys.exit(main(words.folder, words.port, words.simulator_port))
