"""Processes that are measured: seconds by the clock, and peak memory as the kernel knows it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


class Failed(Exception):
    """A process ended badly, or what it found is wrong. The text goes into the page."""


@dataclass(frozen=True)
class Ended:
    """A process that ended well: seconds from its start to its end, peak resident memory in MB (10^6 bytes), seconds of
    processor, stdout."""

    seconds: float
    peak_mb: float
    cpu: float
    out: str

    @property
    def costs(self) -> dict[str, float]:
        """As they are written down."""
        return {"wall": self.seconds, "peak_mb": self.peak_mb, "cpu": self.cpu}


def run(command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None, cwd: Path = ROOT) -> Ended:
    """Run a command to its end.

    The peak is ``ru_maxrss`` of ``wait4``: of the whole process, its libraries included. A child starts with its
    parent's peak, so this process imports nothing large.

    Raises:
        Failed: it did not end with 0; with the last line that it wrote to stderr.
    """
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as printed:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=cwd, env=clean_environment() | dict(environment or {}),
                                   stdout=printed, stderr=errors)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        seconds = time.perf_counter() - began
        # Popen must not wait for it again.
        process.returncode = os.waitstatus_to_exitcode(status)
        out, said = _text(printed), _text(errors)
    if process.returncode:
        raise Failed(f"{Path(command[0]).name} {_end(process.returncode)}: {_last_words(said or out)}")
    return Ended(seconds, usage.ru_maxrss * 1024 / 1e6, usage.ru_utime + usage.ru_stime, out)


def _end(code: int) -> str:
    if code == -signal.SIGKILL:
        return "was killed, probably because memory ran out"
    return f"ended with {code}"


def _last_words(said: str) -> str:
    """The last line that has words in it."""
    lines = [line.strip() for line in said.splitlines() if any(letter.isalpha() for letter in line)]
    return lines[-1][:300] if lines else "it said nothing"


def _text(file: Any) -> str:
    file.seek(0)
    return str(file.read().decode(errors="replace"))


def clean_environment() -> dict[str, str]:
    """This process's environment without what would change what is measured: settings of candu-sync, and the one by
    which each process compiles all modules anew."""
    return {name: value for name, value in os.environ.items()
            if not name.startswith("CANDU_") and name != "PYTHONDONTWRITEBYTECODE"}


def child(function: str, **arguments: Any) -> dict[str, Any]:
    """Call ``bench.<module>:<function>`` in a process of its own: what it returns, and what the process
    cost. Raises Failed."""
    return result_of(run([sys.executable, "-m", "bench.child", function, json.dumps(arguments)]))


def result_of(ended: Ended) -> dict[str, Any]:
    """The JSON object on a process's last line, and what the process cost."""
    lines = ended.out.strip().splitlines()
    found = json.loads(lines[-1]) if lines else {}
    return {**found, **ended.costs}
