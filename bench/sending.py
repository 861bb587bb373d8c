"""Messages and transport: building JSON, posting it, a limit of requests, a Candu far away."""

from __future__ import annotations

from functools import partial
from typing import Any

from bench.bench import Bench
from bench.lab import Lab, Sink, open_sink
from bench.process import child

# Bytes of a message in the transport's stage: what the message of a whole row of 20 traits has.
MESSAGE_BYTES = 550
RATE = 50
LATENCY = 0.05
WORKERS = (4, 16, 64, 128)


def messages(bench: Bench) -> None:
    """``messages/<rows>/sparse`` (one trait of every row changed) and ``…/full`` (every row, all traits)."""
    rows = bench.main_size
    prefix = f"messages/{rows}"
    if not bench.book.wants(f"{prefix}/full", f"{prefix}/sparse"):
        return
    with Lab(bench.scratch / "lab", *bench.warehouses.table("duckdb", rows)) as lab:
        once = partial(child, "engine:messages", environment=lab.environment())
        bench.measure(f"{prefix}/full", once)
        lab.baseline()
        lab.model("select * replace (count_0 + 1 as count_0) from u")
        bench.measure(f"{prefix}/sparse", once)


def transport(bench: Bench) -> None:
    """``push/<threads>/…`` against a sink that answers at once: httpx alone, and the delivery with and without
    receipts."""
    requests = 2_000 if bench.quick else 10_000
    if bench.tiny:
        requests = 100
    with open_sink() as sink:
        for threads in (1, 4, 16):
            prefix = f"push/{threads}"
            bench.measure(f"{prefix}/httpx", partial(child, "floors:httpx_alone", url=sink.url, requests=requests,
                                                     size=100 * (MESSAGE_BYTES + 1) + 1, threads=threads))
            with Lab(bench.scratch / "lab", *bench.warehouses.table("duckdb", 1_000), sink) as lab:
                settings = lab.environment(concurrency=str(threads))
                for name, receipts in (("candu", True), ("candu_no_receipts", False)):
                    bench.measure(f"{prefix}/{name}", partial(
                        child, "engine:deliver", environment=settings, messages=100 * requests, size=MESSAGE_BYTES,
                        receipts=receipts))


def pace(bench: Bench) -> None:
    """``pace/<rate>``: the requests a second that a sink sees under a limit, by its clock."""
    rows = 5_000 if bench.tiny else 30_000 if bench.quick else 100_000
    with open_sink() as sink, Lab(bench.scratch / "lab", *bench.first_rows(rows), sink) as lab:
        bench.measure(f"pace/{RATE}", partial(_limited, lab, sink, rate=str(RATE)), slow=True)


def latency(bench: Bench) -> None:
    """``latency/<workers>/candu`` and ``…/httpx``: requests a second at 50 ms until an answer."""
    with open_sink(LATENCY) as sink:
        for workers in WORKERS:
            rows = min(bench.main_size, workers * (1_000 if bench.quick else 4_000))
            bench.measure(f"latency/{workers}/httpx", partial(
                child, "floors:httpx_alone", url=sink.url, requests=rows // 100, size=100 * MESSAGE_BYTES,
                threads=workers))
            with Lab(bench.scratch / "lab", *bench.first_rows(rows), sink) as lab:
                bench.measure(f"latency/{workers}/candu", partial(_limited, lab, sink, concurrency=str(workers)))


def _limited(lab: Lab, sink: Sink, **settings: str) -> dict[str, Any]:
    """A first run, and what the sink saw of it."""
    lab.forget()
    sink.reset()
    found = lab.sync("run", **settings)
    return {**found, **sink.stats()}
