"""The state's disk is full, read-only, or fails for a while: a clear error, nothing sent that is not recorded, and the
next run is sound."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from candu_sync import pipeline
from candu_sync.errors import StateError
from candu_sync.simulator import Simulator
from candu_sync.target import Target
from tests.drills.interruptions import Points, install
from tests.drills.processes import Conditions, Launcher, Process
from tests.drills.world import World, make_world

pytestmark = pytest.mark.slow

PEOPLE = 300
CLEAR = re.compile(r"candu-sync: .*(cannot be written|cannot be read).*", re.DOTALL)


def filled(world: World) -> World:
    for n in range(PEOPLE):
        world.person(f"u{n}", 1, "x")
    world.happened |= {f"e{len(world.happened) + n}": True for n in range(PEOPLE)}
    world.write()
    return world


@pytest.fixture
def world(tmp_path: Path, simulator: Simulator) -> World:
    return make_world(tmp_path, simulator)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True,
                             check=False)
    if mounted.returncode:
        pytest.skip("this user may not mount a file system; the limits on file sizes are still tested")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def agrees(world: World, name: str) -> None:
    """The next run is sound: it ends well, and no user who was sent before the disk was full is sent again."""
    code, said = Launcher(world.lab, started=1000).run("run", name)
    assert code == 0, said
    world.check()
    world.check_quiet(name)


def says_what_is_wrong(said: str) -> None:
    assert CLEAR.search(said), said
    assert "Traceback" not in said, said


@pytest.mark.parametrize("name", ["users/people", "events/once"])
@pytest.mark.parametrize("largest", [1_000, 100_000])
def test_no_file_can_grow(world: World, name: str, largest: int) -> None:
    """setrlimit(2): no file beyond so many bytes, receipts (reserved in steps of 256 KB) among them."""
    filled(world)
    code, said = Launcher(world.lab).run("run", name, conditions=Conditions(largest_file=largest))
    assert code == 1, said
    assert world.simulator.messages() == [], "something was sent that could not be recorded"
    says_what_is_wrong(said)
    agrees(world, name)
    assert len(world.simulator.messages()) == PEOPLE


@pytest.mark.parametrize("name", ["users/people", "events/once"])
def test_the_disk_is_full(world: World, small_disk: Path, name: str) -> None:
    """With less and less room: a run that cannot record what it does reports that, and sends nothing."""
    world.lab.overrides["state_url"] = str(small_disk / "state")
    launcher = Launcher(world.lab)
    failures = 0
    for free in (330_000, 120_000, 40_000, 0):
        filled(world)
        room = os.statvfs(small_disk)
        filler = small_disk / "filler"
        filler.write_bytes(bytes(max(0, room.f_bavail * room.f_frsize - free)))
        before = len(world.simulator.messages())
        code, said = launcher.run("run", name)
        if code:
            failures += 1
            says_what_is_wrong(said)
            if "claim" not in said:
                assert len(world.simulator.messages()) == before, f"{free} bytes free: it sent messages"
        filler.unlink()
        agrees(world, name)
        assert len(world.simulator.messages()) == before + PEOPLE, f"{free} bytes free: a user was sent twice"
    assert failures >= 2, "the disk was never full"


def test_a_state_that_is_read_only(world: World, small_disk: Path) -> None:
    world.lab.overrides["state_url"] = str(small_disk / "state")
    filled(world)
    agrees(world, "users/people")
    filled(world)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    code, said = Launcher(world.lab).run("run", "users/people")
    assert code == 1
    says_what_is_wrong(said)
    assert len(world.simulator.messages()) == PEOPLE
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    agrees(world, "users/people")


@pytest.fixture
def points() -> Iterator[Points]:
    with pytest.MonkeyPatch.context() as patch:
        yield install(patch)


@pytest.mark.parametrize("name", ["users/people", "events/once"])
@pytest.mark.parametrize("times", [1, 1000])
def test_the_state_fails_for_a_while(world: World, points: Points, name: str, times: int) -> None:
    """From any point on, for one write, or for all: an error or a good end, and the next run is sound."""
    failures = 0
    for point in range(1 + times % 4, 70, 8):
        for n in range(9):
            world.person(f"u{n}", 1, "x")
        world.happened |= {f"e{len(world.happened) + n}": True for n in range(9)}
        world.write()
        with points.acting(point, lambda: points.fail(times)), world.lab.project() as project:
            try:
                result = pipeline.run(Target(project, world.syncs[name]))
                failures += result.status == "failed"
            except StateError:
                failures += 1
        world.check()
        with points.acting(0, None):
            assert world.lab.run(world.syncs[name]).error is None
        world.check()
        world.check_quiet(name)
    assert failures >= 3


def under_way(world: World, process: Process, arrived: int) -> None:
    until = time.monotonic() + 240
    while len(world.simulator.messages()) < arrived:
        assert time.monotonic() < until, process.said()
        time.sleep(0.01)


@pytest.mark.parametrize("name", ["users/people", "events/once"])
@pytest.mark.parametrize("what", ["all of it", "the sync", "its run", "moved away"])
def test_the_state_is_removed_while_a_run_is_under_way(world: World, name: str, what: str) -> None:
    """No more than what was under way is sent, and a sentence says what happened."""
    filled(world)
    world.lab.overrides |= {"batch_size": 5, "concurrency": 2, "rate": 20}
    process = Launcher(world.lab).start("run", name)
    under_way(world, process, 30)
    state = world.lab.folder / "state"
    if what == "moved away":
        state.rename(world.lab.folder / "elsewhere")
    else:
        folder = state / world.lab.state(world.syncs[name]).prefix
        removed = {"all of it": state, "the sync": folder.parent, "its run": folder / "runs"}[what]
        shutil.rmtree(removed, ignore_errors=True)
    arrived = len(world.simulator.messages())
    assert process.wait() == 1, process.said()
    assert len(world.simulator.messages()) <= arrived + 2 * 5
    assert "were removed from" in process.said()
    assert "Traceback" not in process.said()


def test_the_claim_is_removed_while_a_run_is_under_way(world: World) -> None:
    """As when the state's objects are removed: a put of a receipt would not notice."""
    filled(world)
    world.lab.overrides |= {"batch_size": 5, "concurrency": 1, "rate": 10}
    process = Launcher(world.lab, Conditions(leases=(120.0, 40.0, 0.2))).start("run", "users/people")
    under_way(world, process, 10)
    state = world.lab.state(world.syncs["users/people"])
    [claim] = state.store.list(state.name("claims/"))
    state.store.delete(claim)
    assert process.wait() == 1, process.said()
    assert "has lost its claim" in process.said()
    assert len(world.simulator.messages()) < PEOPLE
    agrees(world, "users/people")
