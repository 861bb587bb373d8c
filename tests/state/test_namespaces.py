"""Two containers with one host name, each with a process table of its own, share a state: one of them sends."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from candu_sync.simulator import Simulator
from candu_sync.syncs import Sync
from tests.support.lab import Lab
from tests.support.waiting import held_back, until

CONTAINER = ["unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]

# A run as the first process of its container.
RUN = """
import socket, sys
socket.sethostname("same-name")
from candu_sync import Project, Target, load_settings, load_syncs, run
from candu_sync.errors import Claimed
settings = load_settings()
try:
    with Project(settings) as project:
        run(Target(project, load_syncs(settings.sql_dir).syncs[sys.argv[1]]))
except Claimed as refused:
    sys.exit(str(refused))
"""


@pytest.fixture(scope="module", autouse=True)
def _may_unshare() -> None:
    try:
        allowed = subprocess.run([*CONTAINER, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        allowed = False
    if not allowed:
        pytest.skip("this user may not make namespaces")


def contained(lab: Lab, sync: Sync) -> subprocess.Popen[str]:
    names = {f"CANDU_{name.upper()}": str(value) for name, value in lab.overrides.items()}
    return subprocess.Popen([*CONTAINER, sys.executable, "-c", RUN, sync.name], cwd=lab.folder,
                            env={**os.environ, **names}, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("where", ["disk", "S3"])
def test_the_living_run_of_another_container_is_not_taken_for_dead(
        lab: Lab, simulator: Simulator, request: pytest.FixtureRequest, where: str) -> None:
    lab.overrides |= {"batch_size": 20, "concurrency": 1}
    if where == "S3":
        lab.overrides["state_url"] = request.getfixturevalue("s3_url")
    lab.query("create table seen as select 'e' || i as event_id, 'u' || i as user_id, 'x' as event, "
              "timestamp '2026-01-01' as timestamp from range(100) t(i)")
    sync = lab.sync("events/model", "select * from seen")
    with held_back(simulator, after=1):
        first = contained(lab, sync)
        until(simulator.events)
        second = contained(lab, sync)
        _, said = second.communicate(timeout=300)
    assert second.returncode == 1, said
    assert "on host same-name (process 1) has claimed events/model" in said
    first.communicate(timeout=300)
    assert first.returncode == 0
    assert len(simulator.events()) == 100
