"""Runs in a process of their own, which a test may kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from candu_sync.simulator import Simulator
from candu_sync.syncs.sync import Sync
from tests.support.lab import Lab
from tests.support.waiting import delayed, held_back, until

# A run in a process of its own, which prints nothing and may be killed.
RUN = """
import sys
from pathlib import Path
from candu_sync import pipeline
from candu_sync.project import Project
from candu_sync.target import Target
from candu_sync.settings import load_settings
from candu_sync.syncs import load_syncs

settings = load_settings()
with Project(settings) as project:
    pipeline.run(Target(project, load_syncs(settings.sql_dir).syncs[sys.argv[1]]))
"""


def run_elsewhere(lab: Lab, sync: Sync) -> subprocess.Popen[bytes]:
    names = {f"CANDU_{name.upper()}": str(value) for name, value in lab.overrides.items()}
    return subprocess.Popen([sys.executable, "-c", RUN, sync.name], env={**os.environ, **names}, cwd=lab.folder)


def run_killed(lab: Lab, sync: Sync, simulator: Simulator, requests: int) -> None:
    """A run that is ended by SIGKILL once so many of its requests were answered, and while others are under way."""
    before = len(simulator.requests())
    with held_back(simulator, after=requests):
        process = run_elsewhere(lab, sync)
        until(lambda: len(simulator.requests()) == before + requests and delayed(simulator))
        process.send_signal(signal.SIGKILL)
        process.wait()
