"""What a section needs: sizes, how often, where things are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from bench.book import Book, Run
from bench.builds import CURRENT, Build, build_before
from bench.process import Failed
from bench.warehouses import Warehouses

LARGE = 10_000_000
"""Rows from which a thing is measured less often."""


@dataclass(kw_only=True)
class Bench:
    """One call of the bench.

    Attributes:
        cache: where everything is that it makes.
        sizes: rows, ascending; sections take from these what they need.
        kinds: the warehouses, of "duckdb" and "postgres".
        peers: whether other tools are run.
        times, times_slow, times_large: how often a thing is measured: one that takes long, and one of ten million rows.
        brief: only what the targets need.
        before: whether the earlier build is measured beside this one.
        hash_seconds: how long the search for one changed value may take.
        ticks: how often data was changed in this call: each time in other rows.
    """

    cache: Path
    book: Book
    warehouses: Warehouses
    sizes: list[int]
    kinds: list[str]
    times: int = 3
    times_slow: int = 1
    times_large: int = 2
    quick: bool = False
    brief: bool = False
    peers: bool = True
    before: bool = True
    hash_seconds: float = 300.0
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

    def wants(self, *names: str, both: bool = True) -> bool:
        """Whether one of these is still to be measured, by this build or, where ``both``, the earlier one."""
        return self.book.wants(*(f"{build.prefix}{name}" for build in self.builds[:None if both else 1]
                                 for name in names))

    def measure(self, name: str, once: Callable[[], Run], *, slow: bool = False, runs: int | None = None) -> None:
        """Measure so many runs; ``slow``: what takes long, and may be run less often."""
        self.by_turns({name: once}, slow=slow, runs=runs)

    def by_turns(self, calls: Mapping[str, Callable[[], Run]], *, slow: bool = False, runs: int | None = None) -> None:
        """The same of several things that are compared, by turns."""
        self.book.measure_by_turns(calls, runs or (self.times_slow if slow else self.times))

    @cached_property
    def builds(self) -> tuple[Build, ...]:
        """This build, and the earlier one where it can be made; if not, that is written down."""
        if not self.before:
            return (CURRENT,)
        try:
            return CURRENT, build_before(self.environments)
        except Failed as error:
            self.book.fail("the build of before", str(error))
            return (CURRENT,)
