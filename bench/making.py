"""Making what is measured: all tables and files, and the environments of other tools. Nothing here is a measurement."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from bench.bench import Bench
from bench.peers.environments import PACKAGES, python_of
from bench.process import Failed


def making(bench: Bench) -> None:
    """Make what is not there yet, so that later calls are all measurement. A failure is reported where the result is
    needed."""
    for rows in {1_000, *bench.sizes}:
        for kind in bench.kinds if rows in bench.sizes else ["duckdb"]:
            _make(bench, f"{rows:,} rows in {kind}", partial(bench.warehouses.table, kind, rows))
    for rows in bench.diff_sizes:
        _make(bench, f"{rows:,} rows in Parquet, two sides", partial(bench.warehouses.pair, rows))
    for name in PACKAGES if bench.peers else ():
        _make(bench, f"the environment of {name}", partial(python_of, name, bench.environments))


def _make(bench: Bench, what: str, make: Callable[[], Any]) -> None:
    began = time.monotonic()
    try:
        make()
        ended = ""
    except Failed as error:
        ended = f": {error}"
    bench.book.say(f"made {what}, {time.monotonic() - began:.1f} s{ended}")
