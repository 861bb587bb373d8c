"""The earlier targets, each beside what was measured; those on speed are in ``speed_targets.py``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from bench.book import Book
from bench.target import MILLION, NAMES, TEN, Target, ratio_of, two

# Seconds of the best that was done by hand on this kind of machine: 1 % of 1 M changed, reading included. The target
# is twice that.
BY_HAND = {"duckdb": 0.85, "postgres": 1.43}


def targets(book: Book) -> Iterator[Target]:
    """All of them, reading before sending."""
    yield from _reading(book)
    yield from _changes(book)
    yield _of("first run, whole job, DuckDB", 14, f"whole/duckdb/{MILLION}/first", book)
    yield from _ten_million(book)
    yield _of("snapshot on disk, a million rows", 100, f"whole/duckdb/{MILLION}/disk", book, "mb_per_million", " MB")
    yield _of("`candu-sync --help`, whole process", 0.3, "start/help", book, "wall")
    yield _of("`plan` of an unchanged sync of 1,000 rows, whole process", 0.8, "start/plan", book, "wall")
    yield from _partitions(book)
    yield from _sending(book)


def _of(what: str, goal: float, name: str, book: Book, field: str = "seconds", unit: str = " s",
        detail: str = "") -> Target:
    value = book.worst(name, field) if field == "peak_mb" else book.get(name, field)
    return Target(what, goal, value, unit, detail=detail, of=name)


def _partitions(book: Book) -> Iterator[Target]:
    yield _of("`run` of 110 unchanged partitions, CPU of the whole process", 3.0, "partitions/ends/same", book, "cpu")
    value, detail = ratio_of(book, "partitions/ends/first", "partitions/ends/same", "cpu")
    yield Target("first `run` of 110 partitions, CPU, against an unchanged one", 3, value, " ×", detail=detail)


def _reading(book: Book) -> Iterator[Target]:
    name = f"read/postgres/{MILLION}/candu"
    value, detail = ratio_of(book, name, f"read/postgres/{MILLION}/adbc")
    yield Target("PostgreSQL → Arrow, against ADBC alone", 1.3, value, " ×", detail=detail, of=name)
    for kind, words in NAMES.items():
        name = f"whole/{kind}/{MILLION}/same"
        value, detail = two(book, name, f"read/{kind}/{MILLION}/candu", lambda a, b: a - b)
        yield Target(f"nothing changed, {words}: beyond reading the result", 0.8, value, detail=detail, of=name)


def _changes(book: Book) -> Iterator[Target]:
    for kind, best in BY_HAND.items():
        yield _of(f"1 % changed, whole job, {NAMES[kind]}", 2 * best, f"whole/{kind}/{MILLION}/changed", book,
                  detail=f"twice the {best} s done by hand")


def _ten_million(book: Book) -> Iterator[Target]:
    yield _of("diff of 10 M, peak of the process, default settings", 1_200, f"diff/{TEN}/candu", book, "peak_mb", " MB")
    for kind, goal in (("duckdb", 14), ("postgres", 22)):
        yield _of(f"whole job of 10 M, 1 % changed, {NAMES[kind]}", goal, f"whole/{kind}/{TEN}/changed", book)
    for kind, words in NAMES.items():
        for field, measured, most in (("seconds", "time", 11.0), ("peak_mb", "peak memory", 1.5)):
            value, detail = ratio_of(book, f"whole/{kind}/{TEN}/changed", f"whole/{kind}/{MILLION}/changed", field)
            yield Target(f"1 M → 10 M, 1 % changed, {words}: {measured}", most, value, " ×", detail=detail)


def _sending(book: Book) -> Iterator[Target]:
    for kind, words, goal in (("sparse", "one trait", 200_000), ("full", "20 traits", 150_000)):
        rate = book.get(f"messages/{MILLION}/{kind}", "rate")
        yield Target(f"messages built a second, {words}", goal, rate, "", True)
    rate = book.get("pace/50", "rate")
    yield Target("a limit of 50 requests a second: achieved", 49, rate, " /s", True, "within 2 % of the limit")
    yield Target("… and the most in any window of a second, by the sink's clock", 50,
                 book.worst("pace/50", "most_in_a_second"), "")
    rates = [book.get(f"latency/{n}/candu", "rate") for n in (4, 16, 64, 128)]
    grown = [rate for rate in rates if rate is not None]
    smallest = min((b / a for a, b in pairwise(grown)), default=None)
    yield Target("50 ms latency: no step of `CANDU_CONCURRENCY` 4, 16, 64, 128 sends fewer (5 % is noise)", 0.95,
                 smallest if len(grown) == len(rates) else None, " ×", True,
                 ", ".join(f"{rate:,.0f}" for rate in grown) + " requests/s" if grown else "")
