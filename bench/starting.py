"""What a person waits for who only looks: ``--help``, and the plan of a small sync of which nothing changed; and a run
of many small partitions of which none changed."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from bench.bench import Bench
from bench.lab import SYNC, Lab
from bench.process import Failed

# The last two characters of user_0 … user_999.
PARTITIONS = 110


def starting(bench: Bench) -> None:
    """``start/help``, ``start/plan`` and ``start/partitions``: seconds of the whole process."""
    warehouse, table = bench.warehouses.table("duckdb", 1_000)
    with Lab(bench.scratch / "lab", warehouse, table) as lab:
        lab.baseline()
        bench.measure("start/help", partial(_help, lab))
        bench.measure("start/plan", partial(lab.sync, "plan"))
    with Lab(bench.scratch / "lab", warehouse, table) as lab:
        _split(lab, table)
        lab.baseline()
        bench.measure("start/partitions", partial(_unchanged, lab))


def _help(lab: Lab) -> dict[str, Any]:
    return dict(lab.command("--help").costs)


def _split(lab: Lab, table: str) -> None:
    """Give the sync a partition for each end of a user's id."""
    lab.model(f"select * from (select * from {table}) where right(user_id, 2) = :partition")
    values = f"select distinct right(user_id, 2) from (select * from {table})"
    (lab.folder / "sql/users/u.yaml").write_text(f'partitions: {{dynamic: ends, values: "{values}"}}')


def _unchanged(lab: Lab) -> dict[str, Any]:
    ended = lab.command("run", SYNC, "--json")
    results = [json.loads(line) for line in ended.out.splitlines()]
    if len(results) != PARTITIONS or any(result["messages"] for result in results):
        raise Failed(f"{len(results)} of {PARTITIONS} partitions ran, or one of them changed")
    return {**ended.costs, "partitions": len(results)}
