"""The targets, as the issue on speed has them, each beside what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from bench.book import Book
from bench.diffing import FLOORS

MILLION, TEN = 1_000_000, 10_000_000

# Seconds of the best that was done by hand on this kind of machine: 1 % of 1 M changed, reading included. The target
# is twice that.
BY_HAND = {"duckdb": 0.85, "postgres": 1.43}
NAMES = {"duckdb": "DuckDB", "postgres": "PostgreSQL"}


@dataclass(frozen=True)
class Target:
    """One line of the table.

    Attributes:
        what: what is measured.
        goal: the number to reach; ``least``: it is to be reached from below.
        value: what was measured; None: it was not, or failed.
        unit: of both, behind the number.
        detail: the numbers that the value is made of.
    """

    what: str
    goal: float
    value: float | None
    unit: str = " s"
    least: bool = False
    detail: str = ""

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        return "reached" if (self.value >= self.goal if self.least else self.value <= self.goal) else "**missed**"


def targets(book: Book) -> Iterator[Target]:
    """All targets, in the issue's order."""
    yield from _reading(book)
    yield from _changes(book)
    yield from _first_run(book)
    yield from _diff(book)
    yield from _ten_million(book)
    disk = book.get(f"whole/duckdb/{MILLION}/disk", "mb_per_million")
    yield _of("snapshot on disk, a million rows", 100, disk, " MB")
    yield _of("`candu-sync --help`, whole process", 0.3, book.get("start/help", "wall"))
    yield _of("`plan` of an unchanged sync of 1,000 rows, whole process", 0.8, book.get("start/plan", "wall"))
    yield _of("`run` of 110 unchanged partitions, CPU of the whole process", 3.0, book.get("start/partitions", "cpu"))
    yield from _first_partitions(book)
    # A tenth of what the first version took on two cores: 46.3 and 23.4 s.
    yield _of("first `run` of 300 partitions of one user, CPU of the whole process", 4.6,
              book.get("start/first_tiny", "cpu"))
    yield _of("… and one in which nothing changed", 2.3, book.get("start/tiny", "cpu"))
    yield from _sending(book)


def _of(what: str, goal: float, value: float | None, unit: str = " s", detail: str = "") -> Target:
    return Target(what, goal, value, unit, detail=detail)


def _two(book: Book, name: str, other: str, of: Callable[[float, float], float], field: str = "seconds",
         unit: str = "s") -> tuple[float | None, str]:
    """A number made of two measurements, and both in words."""
    a, b = book.get(name, field), book.get(other, field)
    return (None, "") if a is None or b is None else (of(a, b), f"{a:,.2f} and {b:,.2f} {unit}")


def ratio(a: float, b: float) -> float:
    return a / b


def _first_partitions(book: Book) -> Iterator[Target]:
    value, detail = _two(book, "start/first_partitions", "start/partitions", ratio, "cpu")
    yield Target("first `run` of 110 partitions, CPU, against an unchanged one", 3, value, " ×", detail=detail)


def _reading(book: Book) -> Iterator[Target]:
    value, detail = _two(book, f"read/postgres/{MILLION}/candu", f"read/postgres/{MILLION}/adbc", ratio)
    yield Target("PostgreSQL → Arrow, against ADBC alone", 1.3, value, " ×", detail=detail)
    for kind, name in NAMES.items():
        value, detail = _two(book, f"whole/{kind}/{MILLION}/same", f"read/{kind}/{MILLION}/candu", lambda a, b: a - b)
        yield Target(f"nothing changed, {name}: beyond reading the result", 0.8, value, detail=detail)


def _changes(book: Book) -> Iterator[Target]:
    for kind, best in BY_HAND.items():
        yield _of(f"1 % changed, whole job, {NAMES[kind]}", 2 * best, book.get(f"whole/{kind}/{MILLION}/changed"),
                  detail=f"twice the {best} s done by hand")


def _first_run(book: Book) -> Iterator[Target]:
    ours = f"whole/duckdb/{MILLION}/first"
    yield _of("first run, whole job, DuckDB", 14, book.get(ours))
    for tool in ("drt", "dlt"):
        value, detail = _two(book, f"peer/{tool}/{MILLION}/first", ours, ratio, "wall")
        yield Target(f"first run: times as fast as {tool}, whole processes", 3.5, value, " ×", True, detail)


def parquet_floor(book: Book, rows: int) -> float | None:
    """Seconds to read both sides of a diff once, by whatever is fastest."""
    found = [book.get(f"diff/{rows}/{name}") for name in FLOORS]
    return min((seconds for seconds in found if seconds is not None), default=None)


def _diff(book: Book) -> Iterator[Target]:
    ours, floor = book.get(f"diff/{TEN}/candu"), parquet_floor(book, TEN)
    value = None if ours is None or floor is None else ours / floor
    yield Target("diff of 10 M, against reading both sides once", 1.6, value, " ×",
                 detail="" if value is None else f"{ours:,.2f} and {floor:,.2f} s")
    for name, words, goal in (("candu", "default settings", 1_200), ("candu_512MB", "`CANDU_MEMORY=512MB`", 700)):
        yield _of(f"diff of 10 M, peak of the process, {words}", goal, book.worst(f"diff/{TEN}/{name}", "peak_mb"),
                  " MB")


def _ten_million(book: Book) -> Iterator[Target]:
    for kind, goal in (("duckdb", 14), ("postgres", 22)):
        yield _of(f"whole job of 10 M, 1 % changed, {NAMES[kind]}", goal, book.get(f"whole/{kind}/{TEN}/changed"))
    for kind, name in NAMES.items():
        for field, unit, words, most in (("seconds", "s", "time", 11.0), ("peak_mb", "MB", "peak memory", 1.5)):
            value, detail = _two(book, f"whole/{kind}/{TEN}/changed", f"whole/{kind}/{MILLION}/changed", ratio, field,
                                 unit)
            yield Target(f"1 M → 10 M, 1 % changed, {name}: {words}", most, value, " ×", detail=detail)


def _sending(book: Book) -> Iterator[Target]:
    for kind, words, goal in (("sparse", "one trait", 200_000), ("full", "20 traits", 150_000)):
        rate = book.get(f"messages/{MILLION}/{kind}", "rate")
        yield Target(f"messages built a second, {words}", goal, rate, "", True)
    rate = book.get("pace/50", "rate")
    yield Target("a limit of 50 requests a second: achieved", 49, rate, " /s", True, "within 2 % of the limit")
    yield _of("… and the most in any window of a second, by the sink's clock", 50,
              book.worst("pace/50", "most_in_a_second"), "")
    rates = [book.get(f"latency/{n}/candu", "rate") for n in (4, 16, 64, 128)]
    grown = [rate for rate in rates if rate is not None]
    smallest = min((b / a for a, b in pairwise(grown)), default=None)
    yield Target("50 ms latency: no step of `CANDU_CONCURRENCY` 4, 16, 64, 128 sends fewer (5 % is noise)", 0.95,
                 smallest if len(grown) == len(rates) else None, " ×", True,
                 ", ".join(f"{rate:,.0f}" for rate in grown) + " requests/s")
