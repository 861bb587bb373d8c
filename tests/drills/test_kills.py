"""Real processes are killed, stopped and raced; Candu and the state still agree.

``DRILL_KILLS=500`` makes it a long one, with a table of what happened at the end.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from candu_sync.simulator import Simulator
from candu_sync.state.claims import read_claim
from candu_sync.state.receipts import read_receipts
from candu_sync.syncs.sync import Sync
from tests.drills.processes import Conditions, Launcher
from tests.drills.world import SYNCS, World, make_world
from tests.support.waiting import delayed, held_back, until

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("DRILL_KILLS", "16"))
PEOPLE = 60
SEED = int(os.environ.get("DRILL_SEED", "20261101"))


@dataclass
class Drill:
    """A world, the processes that work on it, and what became of them."""

    world: World
    launcher: Launcher
    dice: random.Random = field(default_factory=lambda: random.Random(SEED))
    phases: Counter[str] = field(default_factory=Counter)

    def a_day_passes(self) -> None:
        """Every user and group changes, some come or go, and events happen."""
        for n in range(PEOPLE):
            self.world.person(f"u{n}", self.dice.randint(1, 3), self.dice.choice([None, "x", "y"]))
        self.world.no_person(f"u{self.dice.randrange(PEOPLE)}")
        for group in ("g1", "g2", "g3"):
            members = {f"u{self.dice.randrange(PEOPLE)}" for _ in range(self.dice.randrange(12))}
            self.world.team(group, members, self.dice.randint(1, 9))
        self.world.happened |= {f"e{len(self.world.happened) + n}": True for n in range(PEOPLE)}
        self.world.write()

    def quiet(self) -> None:
        """One run of everything ends well; Candu then holds what the models say, and another makes no request."""
        self.world.simulator.clear_faults()
        code, said = self.launcher.run("run", "--all")
        assert code == 0, said
        self.world.check()
        for name in SYNCS:
            self.world.check_quiet(name)
        before = len(self.world.simulator.requests())
        assert self.launcher.run("run", "--all")[0] == 0
        assert len(self.world.simulator.requests()) == before

    def known(self, sync: Sync) -> set[str]:
        """The runs that have left anything in the state, or a claim."""
        state = self.world.lab.state(sync)
        owner = read_claim(state, state.current().number + 1)
        return {name.split("/")[-2] for name in state.store.list(state.name("runs/")) if name.endswith("plan.json")} | {
            state.current().run_id, *([owner.run_id] if owner else [])}

    def phase(self, sync: Sync, known: set[str]) -> str:
        """How far a process had come that was killed; ``known``: the runs before it."""
        state = self.world.lab.state(sync)
        version = state.current()
        if version.run_id not in known:
            return "after the commit"
        owner = read_claim(state, version.number + 1)
        if owner is None or owner.run_id in known:
            return "before the claim"
        outcome = read_receipts(state, owner.run_id)
        if not (outcome.accepted or outcome.unanswered):
            return "claimed, nothing sent"
        return "requests in flight" if outcome.uncertain else "between requests and commit"

    def counted(self) -> dict[str, int]:
        """What Candu was sent more than once, and how much of that was reported."""
        messages = self.world.simulator.messages()
        received = Counter((m["user_id"], m["payload"]["traits"].get("tick"))
                           for m in messages if m["type"] == "identify")
        events = Counter((e["event"], e["properties"]["id"]) for e in self.world.simulator.events())
        twice = {pair for pair, times in events.items() if times > 1}
        reported = {(name.split("/")[1], key) for name in SYNCS if name.startswith("events")
                    for key in self.world.reported(self.world.syncs[name])}
        lost = (self.world.people.keys() - self.world.simulator.users().keys()) | {
            (event, key) for event in ("once", "skipped") for key in self.world.happened} - events.keys() - reported
        return {"rows lost": len(lost), "messages accepted": len(messages),
                "identify messages sent again": sum(received.values()) - len(received),
                "events accepted twice": len(twice), "of these reported": len(twice & reported),
                "events reported as uncertain": len(reported)}


@pytest.fixture
def drill(tmp_path: Path, simulator: Simulator) -> Drill:
    """Requests of four messages that take some milliseconds, so that there is time to be killed in."""
    world = make_world(tmp_path, simulator)
    world.lab.overrides |= {"batch_size": 4, "concurrency": 3, "timeout": 60}
    return Drill(world, Launcher(world.lab))


def slow(simulator: Simulator, seconds: float) -> None:
    """Candu answers every request slowly."""
    simulator.clear_faults()
    simulator.fault("delay", seconds=seconds)


def table(config: pytest.Config, title: str, rows: dict[str, int]) -> None:
    """Say what happened, where somebody asked for a long drill."""
    writer = config.get_terminal_writer()
    writer.line()
    writer.line(title, bold=True)
    for name, count in rows.items():
        writer.line(f"  {name:<32}{count:>8,}")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_at_random(drill: Drill, simulator: Simulator, number: signal.Signals, pytestconfig: pytest.Config,
                          ) -> None:
    """Whenever a run is ended, no row is lost, nothing stale arrives, and events that arrive twice are reported."""
    drill.a_day_passes()
    for kill in range(KILLS if number == signal.SIGKILL else KILLS // 3):
        sync = drill.world.syncs[SYNCS[kill % len(SYNCS)]]
        slow(simulator, 0.04)
        known, received = drill.known(sync), len(simulator.messages())
        process = drill.launcher.start("run", sync.name)
        if kill % 3:  # while it sends, or soon after
            while len(simulator.messages()) == received and process.process.is_alive():
                time.sleep(0.005)
        time.sleep(drill.dice.uniform(0, 0.3))
        process.signal(number)
        code = process.wait()
        assert code in (0, 1, -number), process.said()
        drill.phases["it had ended" if code == 0 else drill.phase(sync, known)] += 1
        drill.world.check()
        if kill % len(SYNCS) == 0:
            drill.a_day_passes()
    drill.quiet()
    if "DRILL_KILLS" in os.environ:
        table(pytestconfig, f"{number.name} at random", {**drill.phases, **drill.counted()})


@pytest.mark.parametrize("name", SYNCS)
def test_killed_before_and_after_every_durable_write_and_request(drill: Drill, name: str) -> None:
    """The points are gone through one by one, in runs that begin with the recovery of the run killed before."""
    step = 1 if "DRILL_KILLS" in os.environ else 13
    drill.world.lab.overrides |= {"batch_size": 30, "concurrency": 1}
    drill.a_day_passes()
    point = 1 + SYNCS.index(name)
    while True:
        code, said = drill.launcher.run("run", name, conditions=Conditions(kill_at=point))
        assert code in (0, -signal.SIGKILL), said
        drill.world.check()
        if code == 0:
            break
        point += step
        drill.a_day_passes()
    assert point > 20, f"{name}: a run has {point} points, which cannot be all"
    drill.quiet()


def test_sigterm_commits_what_was_accepted(drill: Drill, simulator: Simulator) -> None:
    drill.a_day_passes()
    with held_back(simulator, after=2):
        process = drill.launcher.start("run", "users/people", "--json")
        until(lambda: simulator.stats()["messages"]["identify"] == 8, "two requests were accepted")
        process.signal(signal.SIGTERM)
        until(lambda: "stopping" in process.said())
    assert process.wait() == 1
    accepted = simulator.stats()["messages"]["identify"]
    state = drill.world.lab.state(drill.world.syncs["users/people"])
    assert accepted < PEOPLE - 1
    assert state.current().rows == accepted, "the snapshot is not what Candu accepted"
    assert not state.store.list(state.name("claims/")), "the claim was not given back"
    assert "messages waiting; the next run goes on from there" in process.said()
    drill.quiet()
    assert simulator.stats()["messages"]["identify"] == PEOPLE - 1, "a user was sent twice"


def test_a_second_sigterm_ends_at_once_and_loses_nothing(drill: Drill, simulator: Simulator) -> None:
    drill.a_day_passes()
    with held_back(simulator):
        process = drill.launcher.start("run", "events/once")
        until(lambda: sent(drill.world, "events/once"), "a request went out")
        process.signal(signal.SIGTERM)
        until(lambda: "stopping" in process.said())
        process.signal(signal.SIGTERM)
        # It does not wait for an answer: there is none.
        assert process.wait() == 1
    drill.quiet()


def test_two_processes_at_once(drill: Drill, simulator: Simulator) -> None:
    """One does the work; the other waits its turn by chance, or is refused by name. Nothing goes twice."""
    refused = 0
    for day in range(40):
        if day >= 4 and refused:
            break
        drill.a_day_passes()
        slow(simulator, 0.01)
        name = SYNCS[day % len(SYNCS)]
        both = [drill.launcher.start("run", name) for _ in range(2)]
        codes = [process.wait() for process in both]
        said = [process.said() for process in both]
        assert 0 in codes, said
        for code, words in zip(codes, said, strict=True):
            assert code in (0, 1), words
            if code == 1:
                refused += 1
                assert refusal_in(words), words
        drill.world.check()
    drill.quiet()
    counted = drill.counted()
    assert counted["identify messages sent again"] == counted["events accepted twice"] == 0
    assert refused, "the two never met: the drill proves nothing"


def refusal_in(words: str) -> bool:
    return any(sentence in words for sentence in (
        "has claimed", "was claimed by another run", "make the plan again"))


@pytest.mark.parametrize("name", ["users/people", "events/once"])
def test_an_owner_that_is_stopped_past_its_lease_sends_and_commits_no_more(drill: Drill, simulator: Simulator,
                                                                           name: str) -> None:
    """SIGSTOP, another run takes over, SIGCONT: the first one finds its claim lost."""
    leases = Conditions(leases=(3.0, 1.5, 0.2))
    drill.a_day_passes()
    with held_back(simulator):
        paused = drill.launcher.start("run", name, conditions=leases)
        # At Candu, not on their way: see docs/guarantees.md, "requests after a pause".
        until(lambda: delayed(simulator) == 3, "each worker's request")
        paused.signal(signal.SIGSTOP)
        refused, words = drill.launcher.run("run", name, conditions=Conditions(leases=(600.0, 300.0, 0.2)))
    assert refused == 1, "its lease was not over"
    assert "has claimed" in words
    time.sleep(3.2)
    assert drill.launcher.run("run", name, conditions=leases)[0] == 0
    received, version = len(simulator.messages()), drill.world.lab.state(drill.world.syncs[name]).current()
    paused.signal(signal.SIGCONT)
    assert paused.wait() == 1
    assert len(simulator.messages()) == received, "it went on sending"
    assert drill.world.lab.state(drill.world.syncs[name]).current() == version, "it committed"
    drill.world.check()
    drill.quiet()


def test_a_zombie_holds_no_claim(drill: Drill, simulator: Simulator) -> None:
    """A process that is dead and not yet waited for by its parent is dead."""
    drill.a_day_passes()
    with held_back(simulator):
        child = subprocess.Popen([sys.executable, "-m", "candu_sync", "run", "users/people"],
                                 env=os.environ | drill.launcher.settings)
        until(lambda: sent(drill.world, "users/people"), "a request went out")
        os.kill(child.pid, signal.SIGKILL)
    until(lambda: Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z", "it is dead")
    assert drill.launcher.run("run", "users/people")[0] == 0
    assert child.wait() == -signal.SIGKILL
    drill.quiet()


def sent(world: World, name: str) -> int:
    """Requests of the newest run that went out and have no answer yet."""
    state = world.lab.state(world.syncs[name])
    if not state.store.list(state.name("claims/")):
        return 0
    runs = sorted(path.split("/")[-3] for path in state.store.list(state.name("runs/")) if "/receipts/" in path)
    return sum(read_receipts(state, runs[-1]).unanswered.values()) if runs else 0
