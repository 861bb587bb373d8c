"""Shards: nothing changed in 16 of them against none, a worker's memory, and what the warehouse does for a shard."""

from __future__ import annotations

import resource
from contextlib import ExitStack
from functools import partial
from typing import Any

from bench.bench import Bench
from bench.lab import SYNC, Lab, open_sink
from bench.process import Failed, child

SHARDS = 16

# A shard of 10 M rows in six has as many rows as one of 100 M in 64.
LARGE_SHARDS = 6

# What docs/scale.md recommends to a worker of one shard.
MEMORY = "256MB"
POOL = {"ARROW_DEFAULT_MEMORY_POOL": "system"}


def shards(bench: Bench) -> None:
    """``shards/same/1`` and ``shards/same/16``: a run of all rows in which nothing changed; ``shards/base``: the same
    of a thousand rows; ``shards/worker``: a first run of one large shard; ``shards/scan``: the warehouse alone."""
    rows = bench.sizes[-1]
    if bench.wants("shards/same/1", f"shards/same/{SHARDS}", both=False):
        _same(bench, rows)
    if bench.wants("shards/worker", both=False):
        with open_sink() as sink, _lab(bench, rows, LARGE_SHARDS, sink=sink) as lab:
            bench.measure("shards/worker", partial(_first, lab), runs=1)
    url, table = bench.warehouses.table("duckdb", rows)
    bench.measure("shards/scan", partial(child, "shards:scan", path=url.removeprefix("duckdb:///"), table=table,
                                         count=SHARDS), runs=1)


def _lab(bench: Bench, rows: int, count: int, **options: Any) -> Lab:
    lab = Lab(bench.scratch / f"shards{rows}-{count}", *bench.warehouses.table("duckdb", rows), **options)
    if count > 1:
        (lab.folder / "sql/users/u.yaml").write_text(f"partitions: {{shards: {count}}}\n")
    return lab


def _same(bench: Bench, rows: int) -> None:
    with ExitStack() as stack:
        labs = {f"shards/same/{count}": stack.enter_context(_lab(bench, rows, count)) for count in (1, SHARDS)}
        labs["shards/base"] = stack.enter_context(_lab(bench, 1_000, 1))
        for lab in labs.values():
            lab.baseline()
            # The first run after one that sent something learns what the totals of its rows are.
            _unchanged(lab)
        bench.by_turns({name: partial(_unchanged, lab) for name, lab in labs.items()}, slow=True)


def _unchanged(lab: Lab) -> dict[str, Any]:
    ended = lab.command("run", SYNC)
    return {"seconds": ended.seconds, **ended.costs}


def _first(lab: Lab) -> dict[str, Any]:
    lab.forget()
    lab.more |= POOL
    found = lab.sync("run", "--partition", f"3-of-{LARGE_SHARDS}", memory=MEMORY)
    if not found["messages"]:
        raise Failed("no message in a shard")
    return found


def scan(path: str, table: str, count: int) -> dict[str, float]:
    """Seconds of processor to hash all rows of a table, and to find and hash those of one shard."""
    import duckdb

    from candu_sync.warehouse import shard_number

    with duckdb.connect(path, read_only=True) as warehouse:
        columns = ", ".join(str(name) for name, *_ in warehouse.execute(f"DESCRIBE {table}").fetchall())
        total = f"SELECT count(*), bit_xor(hash({columns})) FROM {table}"
        found = {name: _cpu(warehouse, sql) for name, sql in (
            ("all_cpu", total), ("shard_cpu", f"{total} WHERE {shard_number('duckdb', 'user_id', count)} = 3"))}
        [[rows]] = warehouse.execute(f"SELECT count(*) FROM {table}").fetchall()
    return {**found, "rows": rows}


def _cpu(warehouse: Any, sql: str) -> float:
    began = _used()
    warehouse.execute(sql).fetchall()
    return _used() - began


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
