"""What a person waits for who only looks: ``--help``, and the plan of a small sync of which nothing changed."""

from __future__ import annotations

from functools import partial
from typing import Any

from bench.bench import Bench
from bench.lab import Lab


def starting(bench: Bench) -> None:
    """``start/help`` and ``start/plan``: seconds of the whole process."""
    with Lab(bench.scratch / "lab", *bench.warehouses.table("duckdb", 1_000)) as lab:
        lab.baseline()
        bench.measure("start/help", partial(_help, lab))
        bench.measure("start/plan", partial(lab.sync, "plan"))


def _help(lab: Lab) -> dict[str, Any]:
    return dict(lab.command("--help").costs)
