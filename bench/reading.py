"""Reading: the model's result as Arrow, compared with the database and its driver alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from bench.bench import Bench
from bench.lab import Lab
from bench.process import child

FLOORS = {"duckdb": ["duckdb_arrow"], "postgres": ["server_copy", "client_copy", "adbc"]}


def reading(bench: Bench) -> None:
    """``read/<warehouse>/<rows>/…``: the floors, ``candu`` (reading), ``canonical`` (and canonical values)."""
    rows = bench.main_size
    for kind in bench.kinds:
        floors = FLOORS[kind]
        prefix = f"read/{kind}/{rows}"
        names = [*floors, "candu", "canonical"]
        if not bench.book.wants(*(f"{prefix}/{name}" for name in names)):
            continue
        url, table = bench.warehouses.table(kind, rows)
        with Lab(bench.scratch / "lab", url, table) as lab:
            calls: dict[str, Callable[[], dict[str, Any]]] = {
                f"{prefix}/{floor}": partial(child, f"floors:{floor}", url=url, table=table) for floor in floors}
            calls[f"{prefix}/candu"] = partial(child, "engine:read", url=url, table=table)
            calls[f"{prefix}/canonical"] = partial(child, "engine:canonical", environment=lab.environment())
            bench.by_turns(calls)
