"""The whole job, `candu-sync run` as a user has it: a first run, nothing changed, 1 % changed; by both builds, and by
other tools."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from bench.bench import LARGE, Bench
from bench.lab import Lab, Sink, open_sink
from bench.peers import whole
from bench.peers.environments import python_of
from bench.process import Failed, run

KINDS = ("first", "same", "changed")


def whole_job(bench: Bench) -> None:
    """``whole/<warehouse>/<rows>/<kind>``, by both builds at the sizes of the targets; also ``first_512MB`` and
    ``changed_512MB`` at the largest size, ``disk``, ``plan``: a first run without sending, and ``changed_again``: after
    a run in which rows had changed."""
    with open_sink() as sink:
        for kind in bench.kinds:
            for rows in bench.sizes:
                # A quick bench has the smaller sizes for its plot alone, and of one warehouse.
                if not bench.quick or rows == bench.main_size or kind == "duckdb":
                    _Whole(bench, sink, kind, rows).measure()


class _Whole:
    """The job of one warehouse at one size."""

    def __init__(self, bench: Bench, sink: Sink, kind: str, rows: int) -> None:
        self._bench = bench
        self._sink = sink
        self._kind = kind
        self._rows = rows
        self._large = rows >= LARGE
        self._few = bench.quick and rows < bench.main_size
        self._labs: dict[str, Lab] = {}
        self._complete: set[str] = set()
        self._first_tick = bench.ticks
        self._seen: dict[str, int] = {}

    def measure(self) -> None:
        """First runs; then runs in which nothing or 1 % changed."""
        both = self._rows >= self._bench.main_size
        if not self._bench.wants(*self._names(), both=both):
            return
        self._where = self._bench.warehouses.table(self._kind, self._rows)
        with ExitStack() as stack:
            for build in self._bench.builds if both else self._bench.builds[:1]:
                folder = self._bench.scratch / f"whole{len(build.prefix)}"
                self._labs[build.prefix] = stack.enter_context(Lab(folder, *self._where, self._sink, build))
            if self._sends_all():
                self._first_runs()
            self._make_complete()
            self._later_runs()

    def _names(self) -> list[str]:
        """What says whether all is done already."""
        names = ["same"] if self._kind == "duckdb" or not self._bench.brief else []
        return [f"whole/{self._kind}/{self._rows}/{name}"
                for name in [*names, "changed", *(["first"] if self._sends_all() and not self._large else [])]]

    def _sends_all(self) -> bool:
        """Ten million messages take minutes, and the warehouse makes no difference to them."""
        return self._kind == "duckdb" or not (self._large or self._bench.brief)

    def _first_runs(self) -> None:
        if not self._large:
            self._turns("first", self._first, slow=self._few or self._kind == "postgres")
            return
        self._turns("plan", _planned, runs=1)
        self._turns("first_512MB", self._first, only="", runs=1, memory="512MB")
        self._turns("first", self._first, only="", runs=1)

    def _make_complete(self) -> None:
        """Where the last run was no first one, take all rows as sent. Then let PostgreSQL's hashes be learnt: the run
        that does so reads all rows, and is the only one."""
        for prefix, lab in self._labs.items():
            if prefix not in self._complete:
                lab.forget()
                lab.baseline()
        if self._kind == "postgres":
            lab = self._labs[""]
            self._bench.measure(f"whole/{self._kind}/{self._rows}/learn", partial(_same, lab, self._rows), runs=1)
            _same(lab, self._rows)

    def _later_runs(self) -> None:
        lab, runs = self._labs[""], self._bench.times_large if self._large else None
        self._bench.measure(f"whole/{self._kind}/{self._rows}/disk",
                            lambda: {"mb_per_million": lab.state_bytes() / self._rows}, runs=1)
        # At ten million rows a target needs one of the two.
        least = self._large and self._bench.brief
        if not least or self._kind == "duckdb":
            self._turns("same", _same, slow=self._few, runs=runs)
        self._turns("changed", self._changed, slow=self._few, runs=runs,
                    only="" if least and self._kind == "duckdb" else None)
        if self._kind == "postgres" and not self._large:
            # After a run in which nothing had changed, one asks for the total of all hashes first.
            self._turns("changed_again", self._changed, slow=self._few, runs=runs)
        if self._rows == self._bench.sizes[-1] and not self._bench.quick and not (least and self._kind == "postgres"):
            self._turns("same_512MB", _same, only="", runs=runs, memory="512MB")
            self._turns("changed_512MB", self._changed, only="", runs=runs, memory="512MB")

    def _first(self, lab: Lab, rows: int, **settings: str) -> dict[str, Any]:
        lab.forget()
        found = _counted(lab.sync("run", **settings), rows)
        self._complete.add(lab.build.prefix)
        return found

    def _turns(self, name: str, once: Callable[..., dict[str, Any]], *, only: str | None = None, slow: bool = False,
               runs: int | None = None, **settings: str) -> None:
        """Measure by both builds, or the one of a prefix."""
        calls = {f"{prefix}whole/{self._kind}/{self._rows}/{name}": partial(once, lab, self._rows, **settings)
                 for prefix, lab in self._labs.items() if only is None or prefix == only}
        self._bench.by_turns(calls, slow=slow, runs=runs)

    def _changed(self, lab: Lab, rows: int, **settings: str) -> dict[str, Any]:
        """A run in which 1 % has changed: both builds see the same changes, one after the other."""
        if self._seen.get(lab.build.prefix, self._first_tick) == self._bench.ticks:
            self._bench.ticks += 1
            self._bench.warehouses.change(self._where, self._bench.ticks)
        self._seen[lab.build.prefix] = self._bench.ticks
        return _counted(lab.sync("run", **settings), rows // 100)


def _planned(lab: Lab, rows: int, **settings: str) -> dict[str, Any]:
    lab.forget()
    return _counted(lab.sync("plan", **settings), rows)


def _same(lab: Lab, _: int, **settings: str) -> dict[str, Any]:
    return _counted(lab.sync("run", **settings), 0)


def _counted(found: dict[str, Any], messages: int) -> dict[str, Any]:
    if found["messages"] != messages:
        raise Failed(f"{found['messages']:,} messages instead of {messages:,}")
    return found


def others(bench: Bench) -> None:
    """``peer/<tool>/<rows>/first``: the same first run by drt and dlt."""
    rows = bench.main_size
    with open_sink() as sink:
        for name, setup in (("drt", whole.drt), ("dlt", whole.dlt)):
            bench.measure(f"peer/{name}/{rows}/first", partial(_other, bench, sink, name, setup, rows), slow=True)


def _other(bench: Bench, sink: Sink, name: str, setup: Any, rows: int) -> dict[str, Any]:
    python = python_of(name, bench.environments)
    url, _ = bench.warehouses.table("duckdb", rows)
    job = setup(bench.scratch / name, python, Path(url.removeprefix("duckdb:///")), sink.url)
    sink.reset()
    ended = run(job.command, environment=job.environment, cwd=job.folder)
    stats = sink.stats()
    if stats["messages"] != rows:
        raise Failed(f"{stats['messages']:,} messages arrived instead of {rows:,}")
    return {"seconds": ended.seconds, **ended.costs, "requests": stats["requests"]}
