"""A line of the tables of targets, and how its number is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.book import Book
from bench.diffing import FLOORS

MILLION, TEN = 1_000_000, 10_000_000

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
        of: the name of the measurement that may be compared with the build of before.
    """

    what: str
    goal: float
    value: float | None
    unit: str = " s"
    least: bool = False
    detail: str = ""
    of: str = ""

    @property
    def missed(self) -> bool:
        """Whether it was measured, and not reached."""
        return self.value is not None and not (self.value >= self.goal if self.least else self.value <= self.goal)

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        return "**missed**" if self.missed else "reached"


def two(book: Book, name: str, other: str, of: Callable[[float, float], float], field: str = "seconds",
        ) -> tuple[float | None, str]:
    """A number made of two measurements, and both in words."""
    a, b = book.get(name, field), book.get(other, field)
    if a is None or b is None:
        return None, ""
    unit = "MB" if field == "peak_mb" else "" if field == "store_requests" else "s"
    return of(a, b), f"{a:,.2f} and {b:,.2f} {unit}".strip()


def ratio(a: float, b: float) -> float:
    return a / b


def ratio_of(book: Book, name: str, other: str, field: str = "seconds") -> tuple[float | None, str]:
    """One measurement's number by another's, and both in words. None: one was not measured, or is 0."""
    if not book.get(other, field):
        return None, ""
    return two(book, name, other, ratio, field)


def parquet_floor(book: Book, rows: int) -> float | None:
    """Seconds to read both sides of a diff once, by whatever is fastest."""
    found = [book.get(f"diff/{rows}/{name}") for name in FLOORS]
    return min((seconds for seconds in found if seconds is not None), default=None)


def millions(word: str) -> str:
    """``1000000`` → ``1 M``; all else as it is."""
    return f"{int(word) // MILLION} M" if word.isdigit() and int(word) >= MILLION else word
