"""What the drill does to a deployment, each at a random time in the middle of pushes."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from dagster import DagsterRun, DagsterRunStatus

from candu_sync.simulator import Simulator
from candu_sync.state import read_last_run
from drills.machines import Machines
from drills.orchestrator import PARENT_TAG, Orchestrator, Part
from drills.pushes import Claims, Push, TakeOvers
from drills.services import Network, until

LATENCY = 0.05

# Of ten kills, as many are of each kind.
KINDS = {"a worker's process": 6, "a whole machine": 2, "the code server": 1, "the daemon": 1}
_LONGEST_OUTAGE = 45.0


@dataclass(kw_only=True)
class Deployment:
    """All that runs, and what the drill knows of it.

    Attributes:
        kills: kind → how many, each in the middle of a push.
        refused: how often a second scheduler was refused.
        cancelled: runs that were cancelled.
        faults: what a cancel or a second scheduler should have done.
        outages: seconds for which the store was away.
        begun_again: how many of the cancelled runs were started again by the drill.
        dead: the processes that were killed, also those that had committed by then.
    """

    machines: Machines
    dagster: Orchestrator
    claims: Claims
    takeovers: TakeOvers
    network: Network
    simulator: Simulator
    dice: random.Random
    restart: dict[str, Callable[[], object]]
    kills: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    cancelled: list[tuple[Part, DagsterRun]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    outages: list[float] = field(default_factory=list)
    begun_again: int = 0
    dead: set[str] = field(default_factory=set)

    def pushes(self) -> list[Push]:
        """The pushes of living processes, in no order."""
        found = [push for push in self.claims.under_way(self.dagster)
                 if push.owner.process_id not in self.dead and push.where in self.machines.workers]
        self.dice.shuffle(found)
        return found

    def push(self) -> Push | None:
        """One of them, a random time after it was seen; None: there is none any more."""
        for push in self.pushes():
            time.sleep(self.dice.uniform(0, 2))
            if self.claims.goes_on(push):
                return push
        return None


def kill(on: Deployment) -> str | None:
    """Kill something; its kind, or None: no push was under way."""
    kind = on.dice.choice([kind for kind, weight in KINDS.items() for _ in range(weight)])
    push = on.push()
    if push is None:
        return None
    if kind == "a worker's process":
        victims = [push] if on.machines.workers[push.where].kill_process(push.owner.pid) else []
    elif kind == "a whole machine":
        there = [other for other in on.pushes() if other.where == push.where]
        on.machines.lose_worker(push.where)
        on.machines.add_worker()
        victims = there
    else:
        on.machines.others[kind].kill()
        on.restart[kind]()
        on.kills[kind] += 1
        return kind
    on.dead |= {victim.owner.process_id for victim in victims}
    # One that ended a moment before was not killed in its middle.
    victims = [victim for victim in victims if on.claims.goes_on(victim) and not on.claims.committed(victim)]
    if not victims:
        return None
    on.takeovers.killed(kind, victims)
    on.kills[kind] += 1
    return kind


def cut_the_network(on: Deployment) -> None:
    """The store is away for a while, while pushes are under way."""
    how: Literal["refuse", "hang"] = on.dice.choice(["refuse", "hang"])
    seconds = on.dice.uniform(5, _LONGEST_OUTAGE)
    on.network.fail(how)
    time.sleep(seconds)
    on.network.mend()
    on.outages.append(seconds)


def second_scheduler(on: Deployment) -> bool:
    """Start a partition from another machine while a run is at work on it; whether that was so until the end."""
    push = next(iter(on.pushes()), None)
    if push is None:
        return False
    with _slowly(on.simulator):
        done = on.machines.command("run", push.part.sync, "--partition", push.part.partition)
        if not on.claims.goes_on(push):
            return False
    if done.returncode == 1 and "has claimed" in done.stdout + done.stderr:
        on.refused += 1
    else:
        on.faults.append(f"a second scheduler of {push.part} ended with {done.returncode}: {done.stderr[-300:]}")
    return True


def cancel(on: Deployment) -> bool:
    """Cancel a run in the middle of its push; whether it was in its middle."""
    push = next(iter(on.pushes()), None)
    if push is None:
        return False
    with _slowly(on.simulator):
        on.dagster.cancel(push.run.run_id)
        run = until(lambda: _ended(on, push.run.run_id), "a cancelled run ends", 120)
    if run.status == DagsterRunStatus.SUCCESS:
        return False
    on.cancelled.append((push.part, run))
    _check_cancelled(on, push, run)
    return True


def _ended(on: Deployment, run_id: str) -> DagsterRun | None:
    run = on.dagster.instance.get_run_by_id(run_id)
    return run if run is not None and run.is_finished else None


def _check_cancelled(on: Deployment, push: Push, run: DagsterRun) -> None:
    """A cancelled run ends as CANCELED, and what was accepted is committed: the run's tag, the version and the plan of
    what is left agree."""
    def wrong(what: str) -> None:
        on.faults.append(f"cancelled run {run.run_id} of {push.part}: {what}")

    if run.status != DagsterRunStatus.CANCELED:
        wrong(f"it ended as {run.status.value}")
    try:
        until(lambda: not on.claims.goes_on(push), "the claim of a cancelled push is free", 120)
    except TimeoutError as error:
        wrong(str(error))
        return
    last = read_last_run(on.claims.of(push.part))
    # It may have come before the first answer.
    if last["accepted"] and not on.claims.committed(push):
        wrong("nothing was committed")
    tag = run.tags.get("candu/accepted", "0")
    # A run that came before its first answer may leave the record of the run before it, whose rows it took over.
    accepted = last["accepted"] if run.run_id in str(last.get("launched_as")) else 0
    if tag != str(accepted):
        wrong(f"its tag says {tag} accepted, and the state {accepted}")
    [left] = on.machines.json_lines("plan", push.part.sync, "--partition", push.part.partition)
    if left["messages"] != last["waiting"]:
        wrong(f"{last['waiting']} messages were left, and a plan finds {left['messages']}")


def check_not_retried(on: Deployment, runs: list[DagsterRun]) -> None:
    """No run was started in the place of a cancelled one."""
    parents = {run.tags.get(PARENT_TAG) for run in runs}
    on.faults += [f"cancelled run {run.run_id} of {part} was started again"
                  for part, run in on.cancelled if run.run_id in parents]


@contextmanager
def _slowly(simulator: Simulator) -> Iterator[None]:
    """Answers take longer, so that a push is under way for longer than a command takes to start."""
    simulator.fault("delay", seconds=1.0)
    try:
        yield
    finally:
        simulator.clear_faults()
        simulator.fault("delay", seconds=LATENCY)
