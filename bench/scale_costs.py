"""What a row, a message, a shard and a run cost: the figures that ``plan_of_scale`` counts with.

They stand in ``scale_costs.json``. Those that were measured come from a bench's own figures (``take``), each by the
function that is named here; the others are Candu's documented defaults, or are assumed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.book import Book
from bench.target import TEN

PATH = Path(__file__).with_suffix(".json")

_LARGE = f"whole/duckdb/{TEN}"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One figure.

    Attributes:
        value: in ``unit``.
        unit: such as µs.
        what: what costs it.
        source: ``measured``, ``documented`` or ``assumed``.
        how: where it comes from.
    """

    value: float
    unit: str
    what: str
    source: str
    how: str


Costs = Mapping[str, Cost]
"""By name, in the order of the page."""


def read_costs(path: Path = PATH) -> Costs:
    """The figures of the file."""
    return {name: Cost(**fields) for name, fields in json.loads(path.read_text()).items()}


def take(book: Book, path: Path = PATH) -> list[str]:
    """Put what a bench has measured into the file: the names of the figures that it had."""
    costs = json.loads(path.read_text())
    found = {name: value for name, measure in MEASURED.items() if (value := measure(book)) is not None}
    for name, value in found.items():
        costs[name]["value"] = float(f"{value:.3g}")
    path.write_text(json.dumps(costs, indent=1, ensure_ascii=False) + "\n")
    return list(found)


def _a_row(name: str, *fields: str, by: str = "rows", times: float = 1e6) -> Callable[[Book], float | None]:
    """The sum of some figures of a measurement, divided by another of its figures."""
    def value(book: Book) -> float | None:
        found, of = [book.get(name, field) for field in fields], book.get(name, by)
        known = [each for each in found if each is not None]
        return times * sum(known) / of if of and len(known) == len(fields) else None
    return value


def _dagster(book: Book) -> float | None:
    """A run of one sync in a process of its own: its imports and definitions, and the run."""
    cpu, of_runs, of_one = (book.get("dagster/20", field) for field in ("cpu", "run_cpu", "run_cpu_a_sync"))
    return None if cpu is None or of_runs is None or of_one is None else cpu - of_runs + of_one


def _field(name: str, field: str) -> Callable[[Book], float | None]:
    return lambda book: book.get(name, field)


MEASURED: dict[str, Callable[[Book], float | None]] = {
    "scan": _a_row("shards/scan", "all_cpu"),
    "shard_scan": _a_row("shards/scan", "shard_cpu"),
    "look_up": _a_row(f"{_LARGE}/same", "read_cpu"),
    "first": _a_row(f"{_LARGE}/plan", "read_and_diff_cpu"),
    "commit": _a_row(f"{_LARGE}/first", "commit_cpu"),
    "push": _a_row(f"{_LARGE}/first", "push_cpu", by="messages"),
    "push_one": _a_row(f"{_LARGE}/changed", "push_cpu", by="messages"),
    "compare": _a_row(f"{_LARGE}/changed", "diff_cpu", "commit_cpu"),
    "state_bytes": _field(f"{_LARGE}/disk", "mb_per_million"),
    "worker_mb": _field("shards/worker", "peak_mb"),
    "same_requests": _field("store/s3", "store_requests"),
    "dagster": _dagster,
}
"""Name → how a bench's figures give it; None: it did not measure that."""
