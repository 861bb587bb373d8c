"""One changed value among as many rows as time and disk allow, found by hashes alone.

The table is generated while it is read, so that only candu-sync's own snapshot and index are on disk. How many rows are
taken follows from how long a smaller table took. A process needs memory with few rows too (Python, DuckDB and their
buffers), so the smaller table is measured as well: what the larger one takes beyond it is what the rows take.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.bench import Bench
from bench.lab import SYNC, Lab
from bench.process import Failed, child

STEPS = (1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000, 50_000_000, 100_000_000)

SHARDS = 10

# Bytes of disk a row: the snapshot, its index, and what is staged of them at a time. Seen: 60 to 80.
_DISK = 200


def hashing(bench: Bench) -> None:
    """``hashes/most``: the plan that finds the value; ``rows`` says of how many. ``hashes/base``: the same of the
    fewest rows. ``hashes/shard``: the plan of one of ten shards of the most."""
    if not bench.book.wants("hashes/most", "hashes/base", "hashes/shard"):
        return
    steps = (1_000, 10_000) if bench.tiny else STEPS
    began = time.monotonic()
    base = _found(bench, steps[0])
    took = time.monotonic() - began
    rows = most_rows(steps, took, bench.hash_seconds - took, shutil.disk_usage(bench.cache).free // 2)
    bench.measure("hashes/base", lambda: base, runs=1)
    bench.measure("hashes/most", lambda: _found(bench, rows), runs=1)
    bench.measure("hashes/shard", lambda: _shard(bench, rows), runs=1)


def most_rows(steps: tuple[int, ...], took: float, seconds: float, disk: int) -> int:
    """The most rows that fit, and one shard of them as well, when the first step took so many seconds."""
    fitting = [rows for rows in steps[1:] if took * 1.3 * rows / steps[0] <= seconds and rows * _DISK <= disk]
    return max(fitting, default=steps[1])


def _found(bench: Bench, rows: int) -> dict[str, Any]:
    """Take all rows as sent, change one value, and let the plan find it. Raises Failed."""
    with _generated(bench, rows) as (lab, path):
        baseline = lab.command("baseline", SYNC)
        child("data:change_generated", path=str(path), row=rows * 2 // 3)
        found = lab.sync("plan")
        disk = lab.state_bytes()
    if (found["rows"], found["changed"], found["messages"]) != (rows, 1, 1):
        raise Failed(f"{found['changed']} changed values were found instead of one")
    return {**found, "bytes_a_row": 1e6 * found["peak_mb"] / rows, "disk_a_row": disk / rows,
            "baseline_wall": baseline.seconds, "baseline_mb": baseline.peak_mb}


def _shard(bench: Bench, rows: int) -> dict[str, Any]:
    """The plan of one shard of which nothing changed. Raises Failed."""
    with _generated(bench, rows) as (lab, _):
        (lab.folder / "sql/users/u.yaml").write_text(f"partitions: {{shards: {SHARDS}}}\n")
        part = ("--partition", f"3-of-{SHARDS}")
        lab.command("baseline", SYNC, *part)
        found = lab.sync("plan", *part)
    if found["messages"] or not 0.8 < found["rows"] * SHARDS / rows < 1.2:
        raise Failed(f"{found['rows']} rows and {found['messages']} messages in a shard of {rows} rows")
    return {**found, "bytes_a_row": 1e6 * found["peak_mb"] / found["rows"]}


@contextmanager
def _generated(bench: Bench, rows: int) -> Iterator[tuple[Lab, Path]]:
    """A project over so many rows, and the file that generates them."""
    path = bench.scratch / "generated.duckdb"
    try:
        child("data:generated_table", path=str(path), rows=rows)
        with Lab(bench.scratch / "generated", f"duckdb:///{path}", "u") as lab:
            yield lab, path
    finally:
        path.unlink(missing_ok=True)
