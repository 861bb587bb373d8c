"""Messages and transport: building JSON, posting it, a limit of requests, a Candu far away."""

from __future__ import annotations

from collections.abc import Callable
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
        bench.measure(f"{prefix}/full", once, slow=bench.quick)
        lab.baseline()
        lab.model("select * replace (count_0 + 1 as count_0) from u")
        bench.measure(f"{prefix}/sparse", once, slow=bench.quick)


def transport(bench: Bench) -> None:
    """``push/<threads>/…`` against a sink that answers at once: httpx alone, and the delivery with and without
    receipts."""
    requests = 100 if bench.tiny else 1_000 if bench.quick else 10_000
    stages = {"candu": True} if bench.quick else {"candu": True, "candu_no_receipts": False}
    with open_sink() as sink, Lab(bench.scratch / "lab", *bench.warehouses.table("duckdb", 1_000), sink) as lab:
        for threads in (4,) if bench.quick else (1, 4, 16):
            bench.measure(f"push/{threads}/httpx", partial(_httpx, sink, requests, threads))
            settings = lab.environment(concurrency=str(threads))
            for name, receipts in stages.items():
                bench.measure(f"push/{threads}/{name}", partial(
                    _seen, sink, child, "engine:deliver", environment=settings, messages=100 * requests,
                    size=MESSAGE_BYTES, receipts=receipts))


def pace(bench: Bench) -> None:
    """``pace/<rate>``: the requests a second that a sink sees under a limit."""
    rows = 5_000 if bench.tiny else 15_000 if bench.quick else 100_000
    with open_sink() as sink, Lab(bench.scratch / "lab", *bench.first_rows(rows), sink) as lab:
        bench.measure(f"pace/{RATE}", partial(_first_run, lab, sink, rate=str(RATE)), slow=bench.quick)


def latency(bench: Bench) -> None:
    """``latency/<workers>/candu`` and ``…/httpx``: requests a second at 50 ms until an answer."""
    with open_sink(LATENCY) as sink:
        for workers in (WORKERS[0], WORKERS[2]) if bench.quick else WORKERS:
            # Forty requests for each worker, two seconds and more; five where time is short.
            rows = min(bench.main_size, workers * (500 if bench.quick else 4_000))
            bench.measure(f"latency/{workers}/httpx", partial(_httpx, sink, rows // 100, workers), slow=bench.quick)
            with Lab(bench.scratch / "lab", *bench.first_rows(rows), sink) as lab:
                bench.measure(f"latency/{workers}/candu", partial(_first_run, lab, sink, concurrency=str(workers)),
                              slow=bench.quick)


def _httpx(sink: Sink, requests: int, threads: int) -> dict[str, Any]:
    return _seen(sink, child, "floors:httpx_alone", url=sink.url, requests=requests, threads=threads,
                 size=100 * (MESSAGE_BYTES + 1) + 1)


def _first_run(lab: Lab, sink: Sink, **settings: str) -> dict[str, Any]:
    lab.forget()
    return _seen(sink, lab.sync, "run", **settings)


def _seen(sink: Sink, call: Callable[..., dict[str, Any]], *arguments: Any, **options: Any) -> dict[str, Any]:
    """What a call returns, and what the sink saw meanwhile, by its clock: ``rate`` is from the first request to the
    last."""
    sink.reset()
    return {**call(*arguments, **options), **sink.stats()}
