"""``forget`` is killed anywhere: the state can be read, nothing of others is lost, and the same command finishes it.

``DRILL_KILLS=500`` kills it at every point.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from candu_sync.simulator import Simulator
from tests.drills.interruptions import place
from tests.drills.processes import Conditions, Launcher
from tests.support.folder import Folder
from tests.support.person import ID, fill
from tests.support.whole_state import objects_with

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("DRILL_KILLS", "4"))
SIGKILL = -9


def test_a_kill_leaves_the_old_state_or_the_new(project: Folder, simulator: Simulator) -> None:
    fill(project, simulator)
    project.model("users/by_plan", "select user_id, true as in_segment from people where plan = :partition",
                  "partitions: {static: [free, pro]}\nremoved: {in_segment: false}")
    project.cli("run", "--all")
    project.cli("plan", "users/by_plan", "--save", "--full")
    state, filled = project.folder / "state", project.folder / "filled"
    shutil.copytree(state, filled)
    points = _points(project)
    assert points > 40, points
    for point in sorted({1 + n * (points - 1) // max(1, min(KILLS, points) - 1) for n in range(min(KILLS, points))}):
        _renew(state, filled)
        code, said = Launcher(project).run("forget", ID, conditions=Conditions(kill_at=point))
        assert code == SIGKILL, (point, said)
        simulator.reset()
        # The others go on, and the person is neither sent nor stored, whatever is left of the old state.
        for row in project.cli("run", "--all", "--json").rows:
            assert (row["status"], row["accepted"]) == ("succeeded", 0), (point, row)
        assert simulator.messages() == []
        assert project.cli("forget", ID).code == 0, point
        assert objects_with(str(state), ID) == [], point
        project.cli("run", "--all")
        assert simulator.messages() == [], point


def _renew(state: Path, filled: Path) -> None:
    shutil.rmtree(state)
    shutil.copytree(filled, state)


def _points(project: Folder) -> int:
    """How many points one forgetting has at which it may be killed."""
    with pytest.MonkeyPatch.context() as patch:
        points = place(patch)
        assert project.cli("forget", ID).code == 0
    return points.count
