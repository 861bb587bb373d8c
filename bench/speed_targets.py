"""The targets against the build of before, and against the best tool for each job, measured in the same bench."""

from __future__ import annotations

from collections.abc import Iterator

from bench.book import Book
from bench.builds import BEFORE
from bench.shards import SHARDS
from bench.target import MILLION, NAMES, TEN, Target, millions, parquet_floor, ratio_of

WORSE = 1.1
"""A ratio from which a measurement counts as worse than that of the build of before; below is noise."""

FIRST = f"whole/duckdb/{MILLION}/first"
LIMITED = (f"whole/duckdb/{TEN}/first_512MB", f"whole/duckdb/{TEN}/same_512MB", f"whole/duckdb/{TEN}/changed_512MB",
           f"diff/{TEN}/candu_512MB")


def speed_targets(book: Book) -> Iterator[Target]:
    """All of them."""
    yield from _postgres(book)
    yield from _duckdb(book)
    yield from _first_run(book)
    yield from _limited(book)
    yield from _many(book)
    yield from _start(book)
    yield from _hashes(book)
    yield from _shards(book)
    yield from _partitions(book)


def _against(book: Book, what: str, goal: float, name: str, other: str, field: str, **options: bool) -> Target:
    """A ratio of one field of two measurements; ``least``: how many times less the first one takes."""
    least = options.get("least", False)
    value, detail = ratio_of(book, other, name, field) if least else ratio_of(book, name, other, field)
    return Target(what, goal, value, " ×", least, detail, name)


def _before(book: Book, what: str, goal: float, name: str, field: str, **options: bool) -> Target:
    if not book.comparable(name, BEFORE + name):
        return Target(what, goal, None, " ×", options.get("least", False))
    return _against(book, what, goal, name, BEFORE + name, field, **options)


def _postgres(book: Book) -> Iterator[Target]:
    whole, adbc = f"whole/postgres/{MILLION}", f"read/postgres/{MILLION}/adbc"
    yield _against(book, "PostgreSQL, nothing changed, whole job, against ADBC alone", 0.45, f"{whole}/same", adbc,
                   "seconds")
    yield _before(book, "… times as fast as the build of before", 3.3, f"{whole}/same", "seconds", least=True)
    yield _against(book, "PostgreSQL, 1 % changed, whole job, against ADBC alone", 0.6, f"{whole}/changed", adbc,
                   "seconds")
    yield _against(book, "… where rows had changed in the run before, too", 0.6, f"{whole}/changed_again", adbc,
                   "seconds")
    large = f"whole/postgres/{TEN}/changed"
    yield _before(book, "PostgreSQL, 10 M, 1 % changed: time of the build of before", 0.45, large, "wall")
    yield _before(book, "… its CPU", 0.25, large, "cpu")
    yield _against(book, "PostgreSQL, all rows: reading and canonical form, against ADBC alone", 0.7,
                   f"read/postgres/{MILLION}/canonical", adbc, "seconds")
    yield _against(book, "… CPU without imports, against ADBC alone", 0.7, f"read/postgres/{MILLION}/canonical", adbc,
                   "work_cpu")


def _duckdb(book: Book) -> Iterator[Target]:
    yield _before(book, "DuckDB, 10 M, nothing changed: CPU of the build of before", 0.55,
                  f"whole/duckdb/{TEN}/same", "cpu")
    ours, join, floor = f"diff/{TEN}/candu", f"diff/{TEN}/duckdb_join", parquet_floor(book, TEN)
    seconds = book.get(ours)
    value = None if seconds is None or floor is None else seconds / floor
    yield Target("diff of 10 M, against reading both sides once", 1.8, value, " ×", False,
                 "" if value is None else f"{seconds:,.2f} and {floor:,.2f} s", ours)
    yield _against(book, "… times as fast as DuckDB's full outer join", 1.0, ours, join, "seconds", least=True)
    yield _against(book, "… peak of the process, against the join's", 0.25, ours, join, "peak_mb")


def _first_run(book: Book) -> Iterator[Target]:
    yield _before(book, "first run, whole job: CPU of the build of before", 0.6, FIRST, "cpu")
    for tool, goal in (("drt", 5.5), ("dlt", 5.0)):
        yield _against(book, f"… times as fast as {tool}, whole processes", goal, FIRST,
                       f"peer/{tool}/{MILLION}/first", "wall", least=True)
    yield _before(book, "push of 1 M messages: CPU of the build of before", 0.5, FIRST, "push_cpu")
    large, plan = f"whole/duckdb/{TEN}/first", f"whole/duckdb/{TEN}/plan"
    yield Target("first run of 10 M: peak of the process", 700, book.worst(large, "peak_mb"), " MB", of=large)
    yield _before(book, "… reading and diff: CPU of the build of before", 0.35, plan, "read_and_diff_cpu")
    yield _against(book, "… time, against that of 1 M", 10.5, large, FIRST, "seconds")


def _limited(book: Book) -> Iterator[Target]:
    peaks = [peak for name in LIMITED if (peak := book.worst(name, "peak_mb")) is not None]
    yield Target("10 M under `CANDU_MEMORY=512MB`: largest peak of a first run, an unchanged one, 1 % changed, a diff",
                 700, max(peaks, default=None) if len(peaks) == len(LIMITED) else None, " MB",
                 detail=", ".join(f"{peak:,.0f}" for peak in peaks))


def _many(book: Book) -> Iterator[Target]:
    yield Target("200 unchanged syncs of 1,000 rows in one `run --all`: CPU a sync", 15,
                 book.get("many/200", "cpu_ms_a_sync"), " ms", of="many/200")
    yield _before(book, "… times less CPU than the build of before", 12, "many/200", "cpu", least=True)
    floor = book.get("dagster/floor", "run_cpu_a_sync")
    yield Target("20 unchanged syncs in one Dagster run: CPU a sync", 0.12, book.get("dagster/20", "run_cpu_a_sync"),
                 detail="" if floor is None else f"assets of that form that do nothing: {floor:.3f} s", of="dagster/20")
    yield Target("80 traits with dbt's lineage, unchanged, in Dagster: CPU of the lineage", 5,
                 book.get("dagster/lineage", "lineage_ms"), " ms", of="dagster/lineage")
    yield _against(book, "`plan --all` of ten syncs, PostgreSQL with 2,000 tables, against an empty one: CPU", 1.1,
                   "tables/many", "tables/none", "cpu")
    yield Target("requests to S3 of an unchanged run", 5, book.get("store/s3", "store_requests"), "", of="store/s3")
    yield _before(book, "requests to S3 of an unchanged run, against the build of before", 1.0, "store/s3",
                  "store_requests")
    yield _before(book, "… and of a first run of 1,000 messages", 1.0, "store/push", "store_requests")


def _partitions(book: Book) -> Iterator[Target]:
    yield Target("first run of 1,000 partitions of one user, whole process", 15,
                 book.get("partitions/tiny/first", "wall"))
    yield Target("… and one in which nothing changed", 5, book.get("partitions/tiny/same", "wall"))
    # The targets of 15 and 5 s were set when these runs took 134 and 64 s: the same as ratios.
    yield _before(book, "first run of 200 partitions of one user: times as fast as the build of before", 8.9,
                  "partitions/turns/first", "wall", least=True)
    yield _before(book, "… and one in which nothing changed", 12.8, "partitions/turns/same", "wall", least=True)
    yield Target("`status` of 10,000 partitions on a disk, whole process", 2, book.get("partitions/status", "wall"))


def _start(book: Book) -> Iterator[Target]:
    yield _against(book, "`plan` of 1,000 unchanged rows, against `--help`: CPU", 4.0, "start/plan", "start/help",
                   "cpu")
    yield _against(book, "`list`, against `--help`: CPU", 1.7, "start/list", "start/help", "cpu")
    yield _before(book, "`--help`, against the build of before: CPU", WORSE, "start/help", "cpu")


def _hashes(book: Book) -> Iterator[Target]:
    rows, shard = book.get("hashes/most", "rows"), book.worst("hashes/shard", "peak_mb")
    detail = "" if rows is None or shard is None else (
        f"{rows:,.0f} rows in {book.get('hashes/most') or 0:,.1f} s, {book.worst('hashes/most', 'peak_mb') or 0:,.0f} "
        f"MB{_beyond_base(book, rows)}; one of ten shards of them: {shard:,.0f} MB")
    yield Target("one changed value among all rows, found by hashes alone: memory a row", 30,
                 book.get("hashes/most", "bytes_a_row"), " bytes", detail=detail, of="hashes/most")


def _beyond_base(book: Book, rows: float) -> str:
    """What the rows of ``hashes/most`` take beyond those of ``hashes/base``, in words."""
    few, base = book.get("hashes/base", "rows"), book.worst("hashes/base", "peak_mb")
    peak = book.worst("hashes/most", "peak_mb")
    if few is None or base is None or peak is None or rows <= few:
        return ""
    further = 1e6 * (peak - base) / (rows - few)
    return f" ({base:,.0f} MB with {few:,.0f} rows, and {further:,.1f} bytes for each further one)"


def _shards(book: Book) -> Iterator[Target]:
    one, many = "shards/same/1", f"shards/same/{SHARDS}"
    yield _against(book, f"nothing changed, {SHARDS} shards against 1, one worker, DuckDB: CPU", 1.25, many, one, "cpu")
    yield _against(book, "… time", 1.25, many, one, "wall")
    yield _against(book, "… peak memory of the process", 0.15, many, one, "peak_mb")
    base, peaks = book.worst("shards/base", "peak_mb"), [book.worst(name, "peak_mb") for name in (many, one)]
    above = [peak - base for peak in peaks if peak is not None and base is not None]
    value = above[0] / above[1] if len(above) == 2 and above[1] else None
    yield Target("… beyond that of a thousand rows", 0.15, value, " ×",
                 detail=", ".join(f"{peak:,.0f}" for peak in above) + " MB" if above else "")
    yield Target("memory of a worker: a first run of a shard of 10 M rows in six, `CANDU_MEMORY=256MB`", 500,
                 book.worst("shards/worker", "peak_mb"), " MB", of="shards/worker")


def beside(book: Book, name: str) -> str:
    """A measurement against that of the build of before; worse by more than noise is in bold."""
    found: list[str] = []
    if not book.comparable(name, BEFORE + name):
        return ""
    for field, words in (("cpu", "CPU"), ("wall", "time"), ("peak_mb", "peak")):
        value, _ = ratio_of(book, name, BEFORE + name, field)
        if value is not None:
            found.append(f"**{value:.2f} × {words}, worse**" if value > WORSE else f"{value:.2f} × {words}")
    return ", ".join(found)


def pairs(book: Book) -> Iterator[tuple[str, str]]:
    """All that both builds have measured: what it is, and this build's against the earlier one's."""
    for name in book.records:
        of_this = name.removeprefix(BEFORE)
        if name.startswith(BEFORE) and (said := beside(book, of_this)):
            yield of_this, said


def named(name: str) -> str:
    """A measurement's name for the page."""
    first, *rest = name.split("/")
    return ", ".join([first, *(NAMES.get(word, millions(word)) for word in rest)])
