"""Seconds and peak memory of `candu-sync run`, as whole processes: `python bench/bench.py [ROWS …]`.

A made-up table of 20 mixed traits in DuckDB, 100,000 rows unless said, pushed to a local server that does nothing but
answer (bench/sink.py): a first run, one with nothing changed, one with 1 % of the rows changed. Medians of three.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

HERE = Path(__file__).parent
RUNS = 3


def build(path: Path, rows: int) -> None:
    """A table ``u`` of user_id and 20 traits: 6 integers, 4 decimals, 6 texts, 2 booleans, 2 timestamps."""
    columns = [f"hash(i * {n + 3}) % 1000 AS count_{n}" for n in range(6)]
    columns += [f"((hash(i * {n + 31}) % 100000) / 100)::DECIMAL(12, 2) AS amount_{n}" for n in range(4)]
    columns += [f"'text ' || hash(i * {n + 57}) % 10000 AS text_{n}" for n in range(6)]
    columns += [f"hash(i * {n + 91}) % 2 = 0 AS flag_{n}" for n in range(2)]
    columns += [f"TIMESTAMPTZ '2026-01-01' + INTERVAL (hash(i * {n + 71}) % 10000000) SECOND AS at_{n}"
                for n in range(2)]
    with duckdb.connect(str(path)) as warehouse:
        warehouse.execute(f"CREATE TABLE u AS SELECT 'user_' || i AS user_id, {', '.join(columns)} "
                          f"FROM range({rows}) t(i)")


def change(path: Path, tick: int) -> None:
    """Change one trait of 1 % of the rows."""
    with duckdb.connect(str(path)) as warehouse:
        warehouse.execute(f"UPDATE u SET count_0 = count_0 + 1 WHERE hash(user_id) % 100 = {tick}")


def run(folder: Path, port: int) -> tuple[float, float, dict[str, Any]]:
    """One `candu-sync run`: seconds of the process, its peak memory in MB, and what it printed."""
    environment = os.environ | {
        "CANDU_API_URL": f"http://127.0.0.1:{port}/api", "CANDU_API_KEY": "bench", "CANDU_RATE": "0",
        "CANDU_WAREHOUSE_URL": f"duckdb:///{folder / 'w.duckdb'}", "CANDU_STATE_URL": str(folder / "state"),
        "CANDU_SQL_DIR": str(folder / "sql")}
    began = time.monotonic()
    child = subprocess.Popen([sys.executable, "-m", "candu_sync", "run", "users/u", "--json"], env=environment,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert child.stdout is not None
    printed = child.stdout.read()
    _, _, usage = os.wait4(child.pid, 0)
    return time.monotonic() - began, usage.ru_maxrss / 1024, json.loads(printed)


def measure(rows: int, port: int) -> None:
    """Print a line for each kind of run."""
    found: dict[str, list[tuple[float, float, dict[str, Any]]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sql/users").mkdir(parents=True)
        (folder / "sql/users/u.sql").write_text("select * from u")
        build(folder / "w.duckdb", rows)
        for tick in range(RUNS):
            shutil.rmtree(folder / "state", ignore_errors=True)
            found.setdefault("first run", []).append(run(folder, port))
            found.setdefault("nothing changed", []).append(run(folder, port))
            change(folder / "w.duckdb", tick)
            found.setdefault("1 % changed", []).append(run(folder, port))
    for kind, results in found.items():
        seconds = statistics.median(result[0] for result in results)
        memory = statistics.median(result[1] for result in results)
        last = results[-1][2]
        phases = "  ".join(f"{phase} {last['seconds'][phase]:.2f}" for phase in ("read", "diff", "push", "commit"))
        print(f"{rows:>10,} rows  {kind:<16} {seconds:6.2f} s  {memory:6.0f} MB  {last['messages']:>9,} messages  "  # noqa: T201
              f"{phases}", flush=True)


def main(sizes: list[int]) -> None:
    """Measure each size against a sink of its own process."""
    with subprocess.Popen([sys.executable, HERE / "sink.py"], stdout=subprocess.PIPE, text=True) as sink:
        assert sink.stdout is not None
        port = int(sink.stdout.readline())
        try:
            for rows in sizes:
                measure(rows, port)
        finally:
            sink.kill()


if __name__ == "__main__":
    main([int(word.replace("_", "")) for word in sys.argv[1:]] or [100_000])
