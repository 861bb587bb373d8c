"""The page: from what was measured to Markdown, and its plot. Ratios first, then the targets, then every table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bench.book import Book
from bench.builds import COMMIT
from bench.plot import Panel, draw, short
from bench.speed_targets import WORSE, beside, named, pairs, speed_targets
from bench.target import NAMES, Target, parquet_floor
from bench.targets import targets
from bench.whole import KINDS

KIND_WORDS = {"first": "first run", "same": "nothing changed", "changed": "1 % changed",
              "changed_again": "1 % changed, as in the run before", "plan": "first run, planned only",
              "learn": "nothing changed, hashes are learnt",
              "first_512MB": "first run, `CANDU_MEMORY=512MB`",
              "same_512MB": "nothing changed, `CANDU_MEMORY=512MB`",
              "changed_512MB": "1 % changed, `CANDU_MEMORY=512MB`"}
DIFF_WORDS = {"parquet_duckdb": "*floor: both sides read once, DuckDB to Arrow*",
              "parquet_max": "*floor: both sides read once inside DuckDB*",
              "parquet_pyarrow": "*floor: both sides read once, pyarrow*", "candu": "**candu-sync**",
              "candu_512MB": "**candu-sync**, `CANDU_MEMORY=512MB`", "duckdb_join": "DuckDB, full outer join",
              "polars": "polars, streaming", "datacompy": "datacompy (polars)"}
READ_WORDS = {"server_copy": "*floor: the server's own COPY to /dev/null*", "client_copy": "*floor: COPY to psycopg*",
              "adbc": "*floor: ADBC alone*", "duckdb_arrow": "*floor: DuckDB's own Arrow*",
              "candu": "**candu-sync**, reading", "canonical": "**candu-sync**, reading and canonical values"}
PUSH_WORDS = {"httpx": "*floor: httpx alone*", "candu": "**candu-sync**, receipts on disk",
              "candu_no_receipts": "**candu-sync**, without receipts"}
TOOL_WORDS = {"drt": "drt", "dlt": "dlt"}

_READ = f"""\
1 M users × 20 traits unless said; a quick bench has no such size. The last column compares the same work with the build
of before the work on speed, commit {COMMIT}, with the same libraries in the same bench: below 1 is better, and more
than {WORSE} counts as worse.
"""

_BESIDE = f"""\
Everything that both builds have measured. A ratio up to {WORSE} is noise; CPU is of the whole process.
"""

_HOW = """\
Every measurement is a process of its own; what is shown is the median of its runs, or the one run where the table says
1. *Seconds* of candu-sync are those that `--json` has, the sum of its phases, process start and imports not included;
*whole process* is the clock around it. Other tools are timed as whole processes in the table of first runs, and inside
the process, imports left out, in the table of diffs. *Peak* is the largest resident memory of the whole process in any
run, as the kernel counts it, in MB of 10⁶ bytes; *CPU* is user and system time of the whole process. PostgreSQL's own
processes are in neither. Requests a second are from
the first to the last, by the server's clock; *processors used* are the process's own, the server's come on top.

The data are made-up users with 20 traits: 6 whole numbers, 4 decimals, 6 texts, 2 booleans, 2 timestamps. Candu is a
process on the same machine that answers at once and counts, so that the processor is shared by both; there is no limit
of requests but where one is measured, and all else is at the defaults: 100 messages a request, 4 workers,
`CANDU_MEMORY` 1 GB. *1 % changed* is an update of one trait of every hundredth row before each run, with the snapshot
that the run before has left; commit and receipts are part of it.

The sides of a diff are Parquet files: 1 % of the rows changed in one trait, 0.5 % new, 0.5 % gone; an engine that finds
other numbers counts as failed. candu-sync's diff is `candu-sync plan`, whose older side is its own snapshot, and does
more than the others': it brings all values to their canonical form, and stages what would be sent.

What is compared with the build of before is measured by turns, so that what else the machine does falls on both. Both
builds see the same changes of the same table, and each has a state of its own. The table of *one changed value* is
generated while it is read; the shard is one of ten of the same sync (`shards: 10`). After the first run on PostgreSQL
one run learns the hashes of the rows: *hashes are learnt* in the table. *Requests to S3* are
counted by moto, which stands in for S3 on the same machine. The Dagster runs are in one process with SQLite as their
storage; imports and loading are not counted. `dagster, floor` is a run of assets that do nothing, with as many checks.

drt and dlt send the same rows to the same server in requests of 100, each set up for speed as its documentation has
it (`bench/peers/whole.py`, `bench/peers/whole_dlt.py`). They keep no snapshot and no receipts here.
"""


def write_page(book: Book, page: Path) -> None:
    """Write the page, and its plot into the folder ``images`` next to it."""
    image = page.parent / "images" / "benchmarks.svg"
    image.parent.mkdir(parents=True, exist_ok=True)
    image.write_text(draw(panels(book)))
    page.write_text("\n".join(_page(book)))


def panels(book: Book) -> list[Panel]:
    """Seconds and peak memory of the whole job over its rows."""
    found = []
    for title, field, unit in (("Time of the whole job", "seconds", "s"), ("Peak memory", "peak_mb", "MB")):
        lines = {}
        for warehouse in NAMES:
            for kind in KINDS:
                points = [(n, value) for n in sizes(book, f"whole/{warehouse}")
                          if (value := book.get(f"whole/{warehouse}/{n}/{kind}", field))]
                if points:
                    lines[f"{NAMES[warehouse]}, {KIND_WORDS[kind]}"] = points
        found.append(Panel(title, unit, lines))
    return found


def sizes(book: Book, prefix: str) -> list[int]:
    """The sizes that were measured: of the names ``<prefix>/<rows>/…``."""
    rest = (name.removeprefix(f"{prefix}/") for name in book.records if name.startswith(f"{prefix}/"))
    return sorted({int(first) for first in (name.partition("/")[0] for name in rest) if first.isdigit()})


def _page(book: Book) -> Iterator[str]:
    yield "# Benchmarks\n"
    yield "Made by `make bench` (`bench/`); do not edit by hand. " + _when(book) + "\n"
    yield from (f"- {what}: {text}" for what, text in book.records.get("about", {}).items())
    yield f"- commit: {', '.join(book.commits())}"
    yield "\n## In short\n"
    yield from (f"- {line}" for line in ratios(book))
    yield f"\n## Targets\n\n{_READ}"
    heads = ["work", "target", "measured", "", "made of", f"beside {COMMIT}"]
    yield from table(heads, [_target(book, target) for target in speed_targets(book)])
    yield "\n## Earlier targets\n"
    yield from table(heads, [_target(book, target) for target in targets(book)])
    yield f"\n## Beside the build of before\n\n{_BESIDE}"
    yield from table(["measurement", f"against {COMMIT}"], [[f"`{named(name)}`", said] for name, said in pairs(book)])
    yield "\n![Seconds and peak memory over rows](images/benchmarks.svg)"
    yield from _failures(book)
    yield "\n## The whole job\n"
    yield from table(["warehouse", "rows", "run", "seconds", "read", "diff", "push", "commit", "whole process",
                      "peak MB", "messages/s", "runs"], list(_whole(book)))
    yield "\n## A first run, and other tools\n"
    yield from table(["tool", "rows", "seconds, whole process", "peak MB", "candu-sync is faster by", "runs"],
                     list(_tools(book)))
    yield "\n## Diff\n"
    yield from table(["engine", "rows", "seconds", "against the floor", "peak MB", "runs"], list(_diffs(book)))
    yield "\n## Reading\n"
    yield from table(["warehouse", "rows", "what", "seconds", "peak MB", "runs"], list(_reads(book)))
    yield "\n## Messages and transport\n"
    yield from table(["messages built", "rows", "messages/s", "bytes a message", "runs"], list(_messages(book)))
    yield ""
    yield from table(["workers", "what, 100 messages a request, server answers at once", "requests/s", "runs"],
                     list(_pushes(book)))
    yield ""
    yield from table(["workers", "server answers after 50 ms", "requests/s", "processors used", "peak MB",
                      "runs"],
                     list(_latencies(book)))
    yield f"\n## How it is measured\n\n{_HOW}"


def _failures(book: Book) -> Iterator[str]:
    failed = {name: reason for name in book.records if name != "about" and (reason := book.failed(name))}
    if failed:
        yield "\n## Failed\n"
        yield from (f"- `{name}`: {reason}" for name, reason in failed.items())


def _when(book: Book) -> str:
    days = sorted({record["at"][:10] for name, record in book.records.items() if name != "about"})
    if not days:
        return "Nothing has been measured yet."
    words = f"{dt.date.fromisoformat(days[0]):%d %B %Y}"
    return f"Measured on {words}" + (f" to {dt.date.fromisoformat(days[-1]):%d %B %Y}." if len(days) > 1 else ".")


def ratios(book: Book) -> Iterator[str]:
    """How many times as fast, or as long as the floor."""
    for tool, words in TOOL_WORDS.items():
        for rows in sizes(book, f"peer/{tool}"):
            times = _over(book, f"peer/{tool}/{rows}/first", f"whole/duckdb/{rows}/first", "wall")
            if times:
                yield f"a first run of {short(rows)}: **{times:.1f} × as fast as {words}**"
    for rows in sizes(book, "diff"):
        floor, ours = parquet_floor(book, rows), book.get(f"diff/{rows}/candu")
        others = [f"; {times:.1f} × as fast as {DIFF_WORDS[name]}" for name in ("duckdb_join", "polars", "datacompy")
                  if (times := _over(book, f"diff/{rows}/{name}", f"diff/{rows}/candu"))]
        if floor and ours:
            yield f"the diff of {short(rows)}: **{ours / floor:.2f} × reading both sides once**" + "".join(others)
    for rows in sizes(book, "read/postgres"):
        if times := _over(book, f"read/postgres/{rows}/candu", f"read/postgres/{rows}/adbc"):
            yield f"PostgreSQL → Arrow, {short(rows)}: **{times:.2f} × ADBC alone**"
    if times := _over(book, "push/4/candu", "push/4/httpx"):
        yield f"sending by 4 workers with receipts on disk: **{times:.2f} × the time of httpx alone**"


def _over(book: Book, name: str, other: str, field: str = "seconds") -> float | None:
    a, b = book.get(name, field), book.get(other, field)
    return a / b if a and b else None


def _target(book: Book, target: Target) -> list[str]:
    sign = "≥" if target.least else "≤"
    value = "–" if target.value is None else f"{number(target.value)}{target.unit}"
    return [target.what, f"{sign} {number(target.goal)}{target.unit}", value, target.verdict, target.detail,
            beside(book, target.of) if target.of else ""]


def summary(book: Book) -> Iterator[str]:
    """What was missed, and what has become worse, for the end of a bench."""
    every = [*speed_targets(book), *targets(book)]
    measured, missed = [t for t in every if t.value is not None], [t for t in every if t.missed]
    yield f"{len(measured) - len(missed)} of {len(every)} targets reached, {len(every) - len(measured)} not measured"
    for target in missed:
        what, goal, value, *_ = _target(book, target)
        yield f"missed: {what}: {value}, {goal}"
    yield from (f"worse than {COMMIT}: {named(name)}: {said.replace('**', '')}" for name, said in pairs(book)
                if "**" in said)


def _whole(book: Book) -> Iterator[list[str]]:
    for warehouse in NAMES:
        for rows in sizes(book, f"whole/{warehouse}"):
            for kind, words in KIND_WORDS.items():
                name = f"whole/{warehouse}/{rows}/{kind}"
                if name in book.records:
                    phases = [_cell(book, name, phase) for phase in ("read", "diff", "push", "commit")]
                    yield [NAMES[warehouse], f"{rows:,}", words, _cell(book, name, "seconds"), *phases,
                           _cell(book, name, "wall"), _cell(book, name, "peak_mb"), _speed(book, name),
                           _runs(book, name)]


def _speed(book: Book, name: str) -> str:
    messages, seconds = book.get(name, "messages"), book.get(name)
    return f"{messages / seconds:,.0f}" if messages and seconds else ""


def _tools(book: Book) -> Iterator[list[str]]:
    for rows in sorted({*sizes(book, "peer/drt"), *sizes(book, "peer/dlt")}):
        ours = f"whole/duckdb/{rows}/first"
        named = {"**candu-sync**": ours, **{words: f"peer/{tool}/{rows}/first" for tool, words in TOOL_WORDS.items()}}
        for words, name in named.items():
            times = _over(book, name, ours, "wall") if name != ours else None
            yield [words, f"{rows:,}", _cell(book, name, "wall"), _cell(book, name, "peak_mb"),
                   f"{times:.1f} ×" if times else "", _runs(book, name)]


def _diffs(book: Book) -> Iterator[list[str]]:
    for rows in sizes(book, "diff"):
        floor = parquet_floor(book, rows)
        for engine, words in DIFF_WORDS.items():
            name = f"diff/{rows}/{engine}"
            seconds = book.get(name)
            if name in book.records:
                yield [words, f"{rows:,}", _cell(book, name, "seconds"),
                       f"{seconds / floor:.2f} ×" if seconds and floor else "", _cell(book, name, "peak_mb"),
                       _runs(book, name)]


def _reads(book: Book) -> Iterator[list[str]]:
    for warehouse in NAMES:
        for rows in sizes(book, f"read/{warehouse}"):
            for what, words in READ_WORDS.items():
                name = f"read/{warehouse}/{rows}/{what}"
                if name in book.records:
                    yield [NAMES[warehouse], f"{rows:,}", words, _cell(book, name, "seconds"),
                           _cell(book, name, "peak_mb"), _runs(book, name)]


def _messages(book: Book) -> Iterator[list[str]]:
    for rows in sizes(book, "messages"):
        for kind, words in (("sparse", "one trait of 20"), ("full", "all 20 traits")):
            name = f"messages/{rows}/{kind}"
            yield [words, f"{rows:,}", _cell(book, name, "rate"), _cell(book, name, "bytes"), _runs(book, name)]


def _pushes(book: Book) -> Iterator[list[str]]:
    for workers in sizes(book, "push"):
        for what, words in PUSH_WORDS.items():
            name = f"push/{workers}/{what}"
            if name in book.records:
                yield [str(workers), words, _cell(book, name, "rate"), _runs(book, name)]


def _latencies(book: Book) -> Iterator[list[str]]:
    for workers in sizes(book, "latency"):
        for what, words in (("httpx", "*floor: httpx alone*"), ("candu", "**candu-sync**, a first run")):
            name = f"latency/{workers}/{what}"
            cpu, wall = book.get(name, "cpu"), book.get(name, "wall")
            if name in book.records:
                yield [str(workers), words, _cell(book, name, "rate"), f"{cpu / wall:.2f}" if cpu and wall else "",
                       _cell(book, name, "peak_mb"), _runs(book, name)]


def _cell(book: Book, name: str, field: str) -> str:
    """A number for a table; the largest peak, the median of all else. A failure says so."""
    if (failed := book.failed(name)) is not None:
        return f"failed: {failed}".replace("|", "/") if field in ("seconds", "wall", "rate") else ""
    value = book.worst(name, field) if field == "peak_mb" else book.get(name, field)
    return "" if value is None else number(value)


def number(value: float) -> str:
    """Three digits or so."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 20 else f"{value:.2f}"


def _runs(book: Book, name: str) -> str:
    return str(book.runs(name) or "")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A Markdown table; a note where it has no rows."""
    listed = list(rows)
    if not listed:
        yield "Not measured."
        return
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in listed:
        yield "| " + " | ".join(row) + " |"
