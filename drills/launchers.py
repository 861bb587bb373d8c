"""``python -m drills.launchers``: how long 16 shards of a first run take, by launcher and workers. It needs what
``drills.distributed`` needs. Run nothing beside it.

Each measurement is a deployment of its own, with an empty state: PostgreSQL, Redis, an S3, Dagster's daemon, code
server and webserver. Seconds are from the start of the first run to the end of the last one, as Dagster has them; a few
shards of another sync come before, so that the workers have loaded the code. Candu answers after 50 ms and has no rate
limit.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dagster import RunsFilter
from sqlalchemy import create_engine, text

from candu_sync.simulator import Simulator
from candu_sync.syncs import shard_keys
from drills import services
from drills.distributed import STORE, credentials, ends_in_order, environment_of, started
from drills.kills import LATENCY
from drills.machines import Machines
from drills.orchestrator import BACKFILL_TAG, CELERY, Orchestrator, configuration, under_way
from drills.people import TEAMS, USERS, Warehouse, write_syncs
from drills.services import until

SHARDS = 16


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way to run the shards.

    Attributes:
        workers: of Celery, each on a machine of its own; 0: Dagster's own launcher.
        slots: how many runs at once.
    """

    name: str
    workers: int
    slots: int


WAYS = (Way(name="DefaultRunLauncher, 4 runs at once", workers=0, slots=4),
        *(Way(name=f"CeleryRunLauncher, workers: {count}", workers=count, slots=count) for count in (1, 3, 4)))


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is sent: ``users``, in requests of ``batch`` messages, which may ``grow``."""

    users: int
    batch: int
    grow: bool
    concurrency: int
    store: Literal["moto", "seaweedfs"]


def measure(folder: Path, way: Way, work: Work) -> tuple[float, int]:
    """The seconds that a first run of all shards took, and its messages."""
    with ExitStack() as stack:
        postgres = stack.enter_context(services.postgres(folder / "postgres"))
        with create_engine(f"postgresql+psycopg://postgres@{postgres}/postgres",
                           isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text("create database dagster"))
        redis = stack.enter_context(services.redis())
        store = stack.enter_context(services.object_store(work.store, folder / "s3"))
        simulator = stack.enter_context(Simulator(log=False))
        simulator.fault("delay", seconds=LATENCY)
        write_syncs(folder / "sql", SHARDS)
        warehouse = Warehouse(postgres, work.users)
        stack.callback(warehouse.close)
        warehouse.change(0)
        environment = environment_of(folder, postgres, redis, store, simulator)
        environment |= {"CANDU_BATCH_SIZE": str(work.batch), "CANDU_BATCH_GROWTH": str(work.grow).lower(),
                        "CANDU_CONCURRENCY": str(work.concurrency), "CANDU_RATE": "0"}
        os.environ.update(credentials(store) | {"CANDU_STATE_URL": STORE})
        shape = configuration(postgres, redis, slots=way.slots, drill=False, launcher=CELERY if way.workers else None)
        machines = Machines(folder, environment, shape, redis, slots=1)
        stack.callback(machines.end)
        dagster = stack.enter_context(started(folder, machines, shape, way.workers))
        finished(dagster, TEAMS, shard_keys(SHARDS)[:2 * max(1, way.workers)])
        seconds = finished(dagster, USERS, shard_keys(SHARDS))
        return seconds, simulator.stats()["messages"]["identify"]


def finished(dagster: Orchestrator, sync: str, keys: tuple[str, ...]) -> float:
    """Backfill shards of a sync, and wait; the seconds from the first run's start to the last one's end."""
    backfill = until(lambda: dagster.backfill(sync, keys), "a backfill starts", 300)
    until(lambda: len(dagster.runs([backfill])) == len(keys) and not under_way(dagster.runs([backfill])),
          "all runs end", 1800)
    records = dagster.instance.get_run_records(RunsFilter(tags={BACKFILL_TAG: backfill}))
    wrong = [record.dagster_run.run_id for record in records if record.dagster_run.status.value != "SUCCESS"]
    assert not wrong, wrong
    return max(record.end_time or 0 for record in records) - min(record.start_time or 0 for record in records)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--users", type=int, default=16_000)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--no-growth", action="store_true")
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--store", choices=["moto", "seaweedfs"], default="moto")
    parser.add_argument("--only", metavar="WORDS", default="", help="the ways whose name has these words")
    given = parser.parse_args()
    ends_in_order()
    work = Work(users=given.users, batch=given.batch, grow=not given.no_growth, concurrency=given.concurrency,
                store=given.store)
    sys.stdout.write("| | seconds | messages a second |\n|---|---|---|\n")
    for way in (way for way in WAYS if given.only in way.name):
        with tempfile.TemporaryDirectory(prefix="candu-drill-", ignore_cleanup_errors=True) as folder:
            seconds, messages = measure(Path(folder), way, work)
        sys.stdout.write(f"| {way.name} | {seconds:.1f} | {messages / seconds:,.0f} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
