"""The whole job, `candu-sync run` as a user has it: a first run, nothing changed, 1 % changed; and by other tools."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from bench.bench import Bench
from bench.lab import Lab, Sink, open_sink
from bench.peers import whole
from bench.peers.environments import python_of
from bench.process import Failed, run

KINDS = ("first", "same", "changed")
LARGEST = 10_000_000


def whole_job(bench: Bench) -> None:
    """``whole/<warehouse>/<rows>/<kind>``; also ``changed_512MB`` at the largest size, and ``disk``."""
    with open_sink() as sink:
        for kind in bench.kinds:
            for rows in bench.sizes:
                # A quick bench has the smaller sizes for its plot alone, and of one warehouse.
                if not bench.quick or rows == bench.main_size or kind == "duckdb":
                    _whole(bench, sink, kind, rows)


def _whole(bench: Bench, sink: Sink, kind: str, rows: int) -> None:
    prefix = f"whole/{kind}/{rows}"
    names = ["first", "disk", "same", "changed"]
    names += ["changed_512MB"] if rows == bench.sizes[-1] and not bench.quick else []
    if not bench.book.wants(*(f"{prefix}/{name}" for name in names)):
        return
    few = bench.quick and rows < bench.main_size
    where = bench.warehouses.table(kind, rows)
    with Lab(bench.scratch / "lab", *where, sink) as lab:
        # Ten million messages take minutes: once is enough to see them through.
        bench.measure(f"{prefix}/first", partial(_first, lab, rows), slow=bench.quick,
                      runs=1 if rows >= LARGEST else None)
        lab.forget()
        lab.baseline()
        bench.measure(f"{prefix}/disk", lambda: {"mb_per_million": lab.state_bytes() / rows}, runs=1)
        bench.measure(f"{prefix}/same", partial(_same, lab), slow=few)
        bench.measure(f"{prefix}/changed", partial(_changed, bench, lab, where, rows), slow=few)
        if "changed_512MB" in names:
            bench.measure(f"{prefix}/changed_512MB", partial(_changed, bench, lab, where, rows, memory="512MB"))


def _first(lab: Lab, rows: int) -> dict[str, Any]:
    lab.forget()
    return _counted(lab.sync("run"), rows)


def _same(lab: Lab) -> dict[str, Any]:
    return _counted(lab.sync("run"), 0)


def _changed(bench: Bench, lab: Lab, where: tuple[str, str], rows: int, **settings: str) -> dict[str, Any]:
    bench.ticks += 1
    bench.warehouses.change(where, bench.ticks)
    return _counted(lab.sync("run", **settings), rows // 100)


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
