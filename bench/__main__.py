"""The arguments of the bench; what they do is said in ``bench/__init__.py``."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from pathlib import Path

from bench import (
    dagster_runs,
    diffing,
    hashing,
    making,
    many,
    partitions,
    reading,
    sending,
    shards,
    starting,
    whole,
)
from bench.bench import Bench
from bench.book import Book
from bench.machine import commit, describe
from bench.process import ROOT, Failed
from bench.report import summary, write_page
from bench.sizes import SIZES
from bench.warehouses import Warehouses

SECTIONS = {"data": making.making, "start": starting.starting, "read": reading.reading, "diff": diffing.diffing,
            "messages": sending.messages, "push": sending.transport, "pace": sending.pace, "latency": sending.latency,
            "whole": whole.whole_job, "others": whole.others, "many": many.many, "tables": many.tables,
            "partitions": partitions.partitions, "store": many.store, "dagster": dagster_runs.dagster_runs,
            "hashes": hashing.hashing, "shards": shards.shards}

# What no target of the size "targets" needs.
_MORE = {"messages", "push", "pace", "latency"}

KINDS = ["duckdb", "postgres"]
_UNITS = {"K": 1_000, "M": 1_000_000}


def rows(text: str) -> int:
    """``10k``, ``1M``, ``1_000`` → rows."""
    number, unit = (text[:-1], text[-1].upper()) if text[-1:].upper() in _UNITS else (text, "")
    return int(number.replace("_", "").replace(",", "")) * _UNITS.get(unit, 1)


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="How long candu-sync takes, beside others.")
    parser.add_argument("--size", choices=SIZES, default="full", help="full; targets: what the targets need, ten "
                        "million rows once; quick: 100,000 rows at most, its page stays in the cache folder")
    parser.add_argument("--quick", dest="size", action="store_const", const="quick", help="as --size quick")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, metavar="SECTION",
                        help=f"of {', '.join(SECTIONS)}; what else was measured before stays on the page")
    parser.add_argument("--sizes", nargs="+", type=rows, metavar="ROWS", help="such as 10k 1M")
    parser.add_argument("--warehouses", nargs="+", choices=KINDS, default=KINDS, metavar="KIND",
                        help="of duckdb and postgres")
    parser.add_argument("--postgres", metavar="URL", help="a PostgreSQL to use instead of one of its own; its user is "
                        "a superuser, and tables u_<rows> are made there")
    parser.add_argument("--runs", type=int, metavar="N", help="of each measurement; the median counts")
    parser.add_argument("--slow-runs", type=int, metavar="N", help="of those that take long")
    parser.add_argument("--hash-minutes", type=float, metavar="N",
                        help="how long the search for one changed value may take: the more, the more rows")
    parser.add_argument("--no-peers", action="store_true", help="without other tools")
    parser.add_argument("--no-before", action="store_true", help="without the build of before")
    parser.add_argument("--resume", action="store_true", help="measure only what has not been measured")
    parser.add_argument("--report", action="store_true", help="measure nothing; write the page")
    parser.add_argument("--cache", type=Path, default=ROOT / ".bench", metavar="FOLDER")
    parser.add_argument("--page", type=Path, metavar="FILE.md")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    """Measure, then write the page."""
    options = arguments(words)
    cache = options.cache.resolve()
    if not (options.resume or options.report or options.only):
        (cache / f"{options.size}.json").unlink(missing_ok=True)
    book = Book(cache / f"{options.size}.json", resume=options.resume, commit=commit(),
                say=lambda line: print(line, flush=True))  # noqa: T201
    if not options.report:
        with Warehouses(cache / "data", options.postgres) as warehouses:
            bench = _bench(options, cache, book, warehouses)
            _measure(bench, options.only or [name for name in SECTIONS if not (bench.brief and name in _MORE)])
    page = options.page or (cache / "benchmarks.md" if options.size == "quick" else ROOT / "docs" / "benchmarks.md")
    write_page(book, page)
    print(f"written: {page}")  # noqa: T201
    for line in summary(book):
        print(line)  # noqa: T201


def _bench(options: argparse.Namespace, cache: Path, book: Book, warehouses: Warehouses) -> Bench:
    size = SIZES[options.size]
    return Bench(cache=cache, book=book, warehouses=warehouses, sizes=sorted(options.sizes or size.rows),
                 kinds=options.warehouses, times=options.runs or size.times,
                 times_slow=options.slow_runs or min(size.times_slow, options.runs or size.times_slow),
                 times_large=options.runs or size.times_large, quick=options.size == "quick", brief=size.brief,
                 peers=not options.no_peers, before=not options.no_before,
                 hash_seconds=size.hash_seconds if options.hash_minutes is None else 60 * options.hash_minutes)


def _measure(bench: Bench, only: list[str]) -> None:
    began = time.monotonic()
    try:
        for section in only:
            _section(bench, section)
    finally:
        bench.book.about(describe(bench.environments))
        shutil.rmtree(bench.scratch, ignore_errors=True)
    print(f"{time.monotonic() - began:.0f} seconds")  # noqa: T201


def _section(bench: Bench, name: str) -> None:
    """One section; what it cannot go on without is written down, and the others are measured all the same."""
    try:
        if name != "others" or bench.peers:
            SECTIONS[name](bench)
    except Failed as error:
        bench.book.fail(f"section {name}", str(error))
    else:
        bench.book.records.pop(f"section {name}", None)


if __name__ == "__main__":
    # A stop must end what was started too: processes, PostgreSQL.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
