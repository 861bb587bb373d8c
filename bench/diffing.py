"""The diff alone, both sides in Parquet, compared with reading them once and with other engines.

candu-sync's is ``candu-sync plan``, by its own seconds: the newer side comes from Parquet by DuckDB, the older one is
its snapshot. Those seconds hold more than the others': canonical values, the messages of what changed, the staged
files.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from bench.bench import LARGE, Bench
from bench.lab import Lab
from bench.peers.environments import python_of
from bench.process import ROOT, Failed, child, result_of, run
from bench.warehouses import Warehouses

FLOORS = ("parquet_duckdb", "parquet_pyarrow", "parquet_max")

# Environment (None: ours) and script of each engine, and the rows up to which it is run: beyond, its memory or patience
# of this machine does not suffice.
PEERS = {"duckdb_join": (None, "diff_duckdb.py", 10_000_000), "polars": ("polars", "diff_polars.py", 10_000_000),
         "datacompy": ("datacompy", "diff_datacompy.py", 10_000_000)}

MEMORIES: dict[str, dict[str, str]] = {"candu": {}, "candu_512MB": {"memory": "512MB"}}


def diffing(bench: Bench) -> None:
    """``diff/<rows>/…``: the floors, candu, candu_512MB, and the peers."""
    for rows in bench.diff_sizes[-1:] if bench.brief else bench.diff_sizes:
        prefix = f"diff/{rows}"
        old, new = bench.warehouses.pair(rows)
        runs = bench.times_large if rows >= LARGE else None
        for floor in FLOORS:
            bench.measure(f"{prefix}/{floor}", partial(child, f"floors:{floor}", old=str(old), new=str(new)), runs=runs)
        _candu(bench, prefix, rows, old, new, runs)
        for name, (environment, script, most) in PEERS.items() if bench.peers else ():
            if rows <= most and not (bench.brief and environment):
                slow = environment is not None and rows >= LARGE
                bench.measure(f"{prefix}/{name}", partial(_peer, bench, environment, script, old, new, rows),
                              slow=slow, runs=None if slow else runs)


def _candu(bench: Bench, prefix: str, rows: int, old: Path, new: Path, runs: int | None) -> None:
    """By both builds; at the sizes of a quick bench memory is no matter."""
    memories = {"candu": MEMORIES["candu"]} if bench.quick else MEMORIES
    names = [f"{prefix}/{name}" for name in memories]
    # What a target needs of ten million rows is this build's alone.
    builds = bench.builds[:1] if bench.brief else bench.builds
    if not (bench.book.wants(*names) or (len(builds) > 1 and bench.wants(f"{prefix}/candu"))):
        return
    with ExitStack() as stack:
        calls: dict[str, Callable[[], dict[str, Any]]] = {}
        for build in builds:
            folder = bench.scratch / f"diff{len(build.prefix)}"
            lab = stack.enter_context(Lab(folder, bench.warehouses.view(old), "u", build=build))
            lab.baseline()
            lab.warehouse = bench.warehouses.view(new)
            calls |= {f"{build.prefix}{prefix}/{name}": partial(_plan, lab, rows, **settings)
                      for name, settings in memories.items() if name == "candu" or not build.prefix}
        bench.by_turns(calls, runs=runs)


def _plan(lab: Lab, rows: int, **settings: str) -> dict[str, Any]:
    return checked(lab.sync("plan", **settings), rows)


def _peer(bench: Bench, environment: str | None, script: str, old: Path, new: Path, rows: int) -> dict[str, Any]:
    python = Path(sys.executable) if environment is None else python_of(environment, bench.environments)
    return checked(result_of(run([python, ROOT / "bench/peers" / script, old, new])), rows)


def checked(found: dict[str, Any], rows: int) -> dict[str, Any]:
    """What was found, if it is right. Raises Failed."""
    expected = Warehouses.expected(rows)
    counts = {name: found.get(name) for name in expected}
    if counts != expected:
        raise Failed(f"found {counts} instead of {expected}")
    return found
