"""What a person waits for who only looks: ``--help``, and the plan of a small sync of which nothing changed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from bench.bench import Bench
from bench.lab import SYNC, Lab


def starting(bench: Bench) -> None:
    """``start/help``, ``list`` and ``plan``, by both builds: seconds of the whole process."""
    if not bench.wants("start/help", "start/list", "start/plan"):
        return
    warehouse, table = bench.warehouses.table("duckdb", 1_000)
    with ExitStack() as stack:
        calls: dict[str, Callable[[], dict[str, Any]]] = {}
        for build in bench.builds:
            lab = stack.enter_context(Lab(bench.scratch / f"start{len(build.prefix)}", warehouse, table, build=build))
            lab.baseline()
            calls |= {f"{build.prefix}start/{words[0].removeprefix('--')}": partial(_command, lab, *words)
                      for words in (["--help"], ["list"], ["plan", SYNC])}
        # They take little, and their ratios are the targets.
        bench.by_turns(calls, runs=2 if bench.tiny else 9)


def _command(lab: Lab, *words: str) -> dict[str, Any]:
    return dict(lab.command(*words).costs)
