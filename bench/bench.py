"""What a section needs: sizes, how often, where things are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.book import Book, Run
from bench.warehouses import Warehouses


@dataclass
class Bench:
    """One call of the bench.

    Attributes:
        cache: where everything is that it makes.
        sizes: rows, ascending; sections take from these what they need.
        times: how often each thing is measured; slow ones ``times_slow``.
        kinds: the warehouses, of "duckdb" and "postgres".
        peers: whether other tools are run.
        ticks: how often data was changed in this call: each time in other rows.
    """

    cache: Path
    book: Book
    warehouses: Warehouses
    sizes: list[int]
    kinds: list[str]
    times: int = 3
    times_slow: int = 3
    quick: bool = False
    peers: bool = True
    ticks: int = field(default=0)

    @property
    def main_size(self) -> int:
        """The rows of what is measured at one size: a million, or the most below."""
        return max((n for n in self.sizes if n <= 1_000_000), default=self.sizes[0])

    @property
    def diff_sizes(self) -> list[int]:
        return [n for n in self.sizes if n >= self.main_size]

    @property
    def tiny(self) -> bool:
        """A size at which only the bench itself can be tested."""
        return self.main_size < 10_000

    @property
    def scratch(self) -> Path:
        return self.cache / "scratch"

    @property
    def environments(self) -> Path:
        return self.cache / "venvs"

    def first_rows(self, rows: int) -> tuple[str, str]:
        """The URL and table of so many users, out of the main table."""
        url, table = self.warehouses.table("duckdb", self.main_size)
        return url, f"{table} limit {rows}"

    def measure(self, name: str, once: Callable[[], Run], *, slow: bool = False, runs: int | None = None) -> None:
        """Measure so many runs; ``slow``: what takes long, and may be run less often."""
        self.book.measure(name, once, runs or (self.times_slow if slow else self.times))
