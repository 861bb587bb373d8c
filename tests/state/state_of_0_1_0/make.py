# ruff: noqa: I001 -- these are modules of 0.1.0
"""How the state in ``state/`` was made, with the code of 0.1.0 (commit ee01c83):

    git worktree add OLD ee01c83
    PYTHONPATH=OLD python make.py FOLDER

Two days of runs: what was accepted, refused and removed, partitions, a change set that was staged and not pushed, and
a run of events that was killed while two of its five messages had been accepted.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
from candu_sync.simulator import Simulator

MODELS = {
    "users/people": ("select user_id, plan, seats, seen from people", "removed: {gone: true}\n"),
    "users/segments": ("select user_id, segment from segments where segment = :partition",
                       "partitions: {static: [eu, Us/1]}\n"),
    "groups/teams": ("select group_id, user_id, name from teams", ""),
    "events/visits": ("select event_id, user_id, event, timestamp, event_id as visit from visits", ""),
}

DAYS = [
    """
    create table people as select * from (values
        ('u1', 'pro', 5, timestamp '2026-11-01 10:00:00'), ('u2', 'free', 1, null), ('u3', null, 2, null),
        (null, 'free', 1, null)) t(user_id, plan, seats, seen);
    create table segments as select * from (values ('u1', 'eu'), ('u2', 'Us/1')) t(user_id, segment);
    create table teams as select * from (values ('g1', 'u1', 'One'), ('g1', 'u2', 'One'), ('g2', 'u3', 'Two'))
        t(group_id, user_id, name);
    create table visits as select * from (values ('e1', 'u1', 'Visited', timestamp '2026-11-01 10:00:00'),
        ('e2', 'u2', 'Visited', timestamp '2026-11-02 10:00:00')) t(event_id, user_id, event, timestamp);
    """,
    """
    update people set plan = 'team' where user_id = 'u2';
    delete from people where user_id = 'u3';
    insert into people values ('u4', 'bad', 1, null);
    """,
    """
    update teams set name = 'Three' where group_id = 'g2';
    insert into visits select 'e' || i, 'u1', 'Visited', timestamp '2026-11-03 10:00:00' from range(3, 8) t(i);
    """,
]


def day(number: int) -> None:
    with duckdb.connect("warehouse.duckdb") as warehouse:
        warehouse.execute(DAYS[number])


def main(folder: Path) -> None:
    folder.mkdir(parents=True)
    os.chdir(folder)
    for name, (sql, yaml) in MODELS.items():
        path = folder / "sql" / f"{name}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sql)
        if yaml:
            path.with_suffix(".yaml").write_text(yaml)
    with Simulator(port=0) as simulator:
        os.environ |= {"CANDU_API_KEY": simulator.key, "CANDU_API_URL": simulator.url, "CANDU_STATE_URL": "state",
                       "CANDU_WAREHOUSE_URL": "duckdb:///warehouse.duckdb", "CANDU_BATCH_SIZE": "1",
                       "CANDU_CONCURRENCY": "1"}
        command = [sys.executable, "-m", "candu_sync"]
        day(0)
        subprocess.run([*command, "run", "--all"], check=False)
        day(1)
        simulator.fault("refuse", user_ids=["u4"])
        subprocess.run([*command, "run", "users/people"], check=False)
        day(2)
        stage()
        before = len(simulator.events())
        run = subprocess.Popen([*command, "run", "events/visits"], env=os.environ | {"CANDU_RATE": "1"})
        while len(simulator.events()) < before + 2:
            time.sleep(0.01)
        time.sleep(0.3)  # the receipt of the second one
        run.send_signal(signal.SIGKILL)
        run.wait()


def stage() -> None:
    """As Dagster's `changes/groups/teams` alone did."""
    from candu_sync.pipeline import plan
    from candu_sync.project import Project
    from candu_sync.settings import load_settings
    from candu_sync.sync import load_syncs

    with Project(load_settings()) as project:
        plan(project, load_syncs(Path("sql")).syncs["groups/teams"], None)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
