"""What a person waits for who only looks: ``--help``, and the plan of a small sync of which nothing changed; and runs
of many small partitions, the first one and one in which none changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from bench.bench import Bench
from bench.lab import SYNC, Lab, open_sink
from bench.process import Failed

# The last two characters of user_0 … user_999.
PARTITIONS = 110

# Of one user each.
TINY = 300


def starting(bench: Bench) -> None:
    """``start/help``, ``list`` and ``plan``, by both builds; ``first_partitions`` and ``partitions``, ``first_tiny``
    and ``tiny``: seconds of the whole process."""
    warehouse, table = bench.warehouses.table("duckdb", 1_000)
    if bench.wants("start/help", "start/list", "start/plan"):
        _commands(bench, warehouse, table)
    if not bench.brief and bench.wants("start/first_partitions", "start/partitions", "start/first_tiny", "start/tiny",
                                       both=False):
        _partitions(bench, warehouse, table)


def _commands(bench: Bench, warehouse: str, table: str) -> None:
    with ExitStack() as stack:
        calls: dict[str, Callable[[], dict[str, Any]]] = {}
        for build in bench.builds:
            lab = stack.enter_context(Lab(bench.scratch / f"start{len(build.prefix)}", warehouse, table, build=build))
            lab.baseline()
            calls |= {f"{build.prefix}start/{words[0].removeprefix('--')}": partial(_command, lab, *words)
                      for words in (["--help"], ["list"], ["plan", SYNC])}
        # They take little, and their ratios are the targets.
        bench.by_turns(calls, runs=2 if bench.tiny else 9)


def _partitions(bench: Bench, warehouse: str, table: str) -> None:
    with open_sink() as sink, Lab(bench.scratch / "lab", warehouse, table, sink) as lab:
        _split(lab, table)
        bench.measure("start/first_partitions", partial(_first, lab, PARTITIONS))
        bench.measure("start/partitions", partial(_unchanged, lab, PARTITIONS))
        lab.forget()
        _alone(lab, table)
        bench.measure("start/first_tiny", partial(_first, lab, TINY))
        bench.measure("start/tiny", partial(_unchanged, lab, TINY))


def _command(lab: Lab, *words: str) -> dict[str, Any]:
    return dict(lab.command(*words).costs)


def _split(lab: Lab, table: str) -> None:
    """Give the sync a partition for each end of a user's id."""
    lab.model(f"select * from (select * from {table}) where right(user_id, 2) = :partition")
    values = f"select distinct right(user_id, 2) from (select * from {table})"
    (lab.folder / "sql/users/u.yaml").write_text(f'partitions: {{dynamic: ends, values: "{values}"}}')


def _alone(lab: Lab, table: str) -> None:
    """Give the sync a partition for each of ``TINY`` users."""
    lab.model(f"select * from (select * from {table}) where user_id = :partition")
    values = f"select user_id from (select * from {table}) order by user_id limit {TINY}"
    (lab.folder / "sql/users/u.yaml").write_text(f'partitions: {{dynamic: user, values: "{values}"}}')


def _first(lab: Lab, partitions: int) -> dict[str, Any]:
    lab.forget()
    return _run(lab, partitions, sends=True)


def _unchanged(lab: Lab, partitions: int) -> dict[str, Any]:
    return _run(lab, partitions, sends=False)


def _run(lab: Lab, partitions: int, *, sends: bool) -> dict[str, Any]:
    ended = lab.command("run", SYNC, "--json")
    results = [json.loads(line) for line in ended.out.splitlines()]
    if len(results) != partitions or any(bool(result["accepted"]) is not sends for result in results):
        raise Failed(f"{len(results)} of {partitions} partitions ran, or one of them sent what it should not")
    return {**ended.costs, "partitions": len(results)}
