"""The bench itself: it runs end to end on a thousand rows, and its page says what was measured, failures too."""

from __future__ import annotations

import io
import json
import sys
import xml.etree.ElementTree as ET
from array import array
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest

from bench.__main__ import SECTIONS, main, rows
from bench.bench import Bench
from bench.book import Book
from bench.builds import CURRENT, Build, build_before
from bench.hashing import most_rows
from bench.lab import Sink, open_sink
from bench.peers.store import counting
from bench.process import Ended, Failed, clean_environment, run
from bench.report import summary, write_page
from bench.sink import most_in_a_second
from bench.sizes import SIZES
from bench.speed_targets import speed_targets
from bench.targets import targets
from bench.warehouses import Warehouses

RECORDED = {
    "about": {"machine": "2 cores"},
    "whole/duckdb/1000000/first": {"wall": 12.0, "seconds": 11.0, "peak_mb": 900.0, "cpu": 10.0, "messages": 1_000_000},
    "before/whole/duckdb/1000000/first": {"wall": 16.0, "peak_mb": 600.0, "cpu": 20.0},
    "whole/duckdb/1000000/changed": {"wall": 2.5, "seconds": 1.5, "peak_mb": 700.0, "messages": 10_000,
                                     "phases": {"read": 0.5, "diff": 0.4, "push": 0.3, "commit": 0.3}},
    "whole/duckdb/10000000/changed": {"wall": 19.0, "seconds": 18.0, "peak_mb": 1400.0, "messages": 100_000},
    "peer/drt/1000000/first": {"wall": 48.0, "seconds": 48.0, "peak_mb": 200.0},
    "diff/10000000/parquet_pyarrow": {"seconds": 4.0, "peak_mb": 300.0},
    "diff/10000000/candu": {"seconds": 6.0, "peak_mb": 1000.0},
}


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """A book of recorded measurements, dlt's among them as failed."""
    records: dict[str, object] = {
        name: value if name == "about" else {"runs": [value], "wanted": 1, "failed": None, "commit": "aaaaaaa",
                                             "at": "2026-11-24T22:00:00+00:00"}
        for name, value in RECORDED.items()}
    records["peer/dlt/1000000/first"] = {"runs": [], "wanted": 0, "failed": "dlt ended with 1: no | luck",
                                         "commit": "bbbbbbb", "at": "2026-11-25T01:00:00+00:00"}
    path = tmp_path / "recorded.json"
    path.write_text(json.dumps(records))
    return Book(path, resume=True)


def test_the_page_says_what_was_recorded(book: Book, tmp_path: Path) -> None:
    write_page(book, tmp_path / "benchmarks.md")
    page = (tmp_path / "benchmarks.md").read_text()
    assert "Measured on 24 November 2026 to 25 November 2026." in page
    assert "- commit: aaaaaaa, bbbbbbb\n" in page
    assert "a first run of 1 M: **4.0 × as fast as drt**" in page
    assert "the diff of 10 M: **1.50 × reading both sides once**" in page
    assert "| first run, whole job, DuckDB | ≤ 14 s | 11 s | reached |" in page
    assert "| whole job of 10 M, 1 % changed, DuckDB | ≤ 14 s | 18 s | **missed** |" in page
    assert "| 1 M → 10 M, 1 % changed, DuckDB: peak memory | ≤ 1.50 × | 2 × | **missed** |" in page
    assert "| … times as fast as drt, whole processes | ≥ 5.50 × | 4 × | **missed** |" in page
    assert "| … times as fast as dlt, whole processes | ≥ 5 × | – | not measured |" in page
    assert ("| first run, whole job: CPU of the build of before | ≤ 0.60 × | 0.50 × | reached | 10.00 and 20.00 s | "
            "0.50 × CPU, 0.75 × time, **1.50 × peak, worse** |") in page
    assert "| `whole, DuckDB, 1 M, first` | 0.50 × CPU, 0.75 × time, **1.50 × peak, worse** |" in page
    assert "failed: dlt ended with 1: no / luck" in page
    assert "| DuckDB | 1,000,000 | 1 % changed | 1.50 | 0.50 | 0.40 | 0.30 | 0.30 | 2.50 | 700 | 6,667 | 1 |" in page


def test_the_plot_is_svg_with_a_point_for_each_size(book: Book, tmp_path: Path) -> None:
    write_page(book, tmp_path / "benchmarks.md")
    plot = ET.parse(tmp_path / "images" / "benchmarks.svg").getroot()
    assert len(plot.findall(".//{*}circle")) == 6
    assert "10 M" in {text.text for text in plot.iter("{http://www.w3.org/2000/svg}text")}


def test_an_empty_book_gives_a_page_too(tmp_path: Path) -> None:
    write_page(Book(tmp_path / "none.json"), tmp_path / "benchmarks.md")
    assert "Nothing has been measured yet." in (tmp_path / "benchmarks.md").read_text()


def test_resuming_measures_only_what_is_missing(book: Book) -> None:
    book.measure("diff/10000000/candu", lambda: pytest.fail("measured again"), 1)
    book.measure("new", lambda: {"seconds": 2.0}, 2)
    again = Book(book.path, resume=True)
    assert (again.get("new"), again.runs("new")) == (2.0, 2)
    again.measure("new", lambda: {"seconds": 5.0}, 2)
    assert again.get("new") == 2.0


def test_a_failure_is_written_down(book: Book) -> None:
    def fail() -> dict[str, object]:
        raise Failed("out of luck")

    book.measure("broken", fail, 3)
    assert Book(book.path).failed("broken") == "out of luck"
    assert book.get("broken") is None


def test_a_process_that_fails_says_why() -> None:
    with pytest.raises(Failed, match=r"ended with 3: ValueError: no"):
        run([sys.executable, "-c", "import sys; print('ValueError: no', file=sys.stderr); sys.exit(3)"])


def test_settings_of_the_person_who_measures_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDU_RATE", "1")
    assert "CANDU_RATE" not in clean_environment()


def test_sizes_are_read_as_people_write_them() -> None:
    assert [rows(text) for text in ("10k", "1M", "1_000", "5")] == [10_000, 1_000_000, 1_000, 5]


def test_the_window_of_a_second_is_half_open() -> None:
    assert most_in_a_second(array("d", [0.0, 0.5, 1.0, 1.2])) == 3
    assert most_in_a_second(array("d")) == 0


def test_the_sink_counts_messages_over_pieces_of_any_size() -> None:
    import http.client

    with open_sink() as sink:
        connection = http.client.HTTPConnection("127.0.0.1", sink.port)
        body = b'[{"userId": "a"},{"userId": "b"}]'
        connection.putrequest("POST", "/api/eventWebhook")
        connection.putheader("content-length", str(len(body)))
        connection.endheaders()
        for start in range(0, len(body), 5):
            connection.send(body[start:start + 5])
        assert connection.getresponse().read() == b""
        connection.close()
        stats = sink.stats()
    assert (stats["requests"], stats["messages"], stats["bytes"]) == (1, 2, len(body))


def test_the_end_of_a_bench_names_what_was_missed_and_what_is_worse(book: Book) -> None:
    lines = list(summary(book))
    assert lines[0].startswith("5 of ")
    assert "missed: … times as fast as drt, whole processes: 4 ×, ≥ 5.50 ×" in lines
    assert lines[-1].startswith("worse than ee01c83: whole, DuckDB, 1 M, first: 0.50 × CPU, ")


def test_things_that_are_compared_are_measured_by_turns(book: Book) -> None:
    order: list[str] = []

    def noted(name: str) -> dict[str, object]:
        order.append(name)
        return {"seconds": 1.0}

    book.measure_by_turns({name: partial(noted, name) for name in ("ours", "theirs")}, 2)
    assert order == ["ours", "theirs", "ours", "theirs"]
    assert book.comparable("ours", "theirs")
    Book(book.path).measure("ours", partial(noted, "ours"), 1)
    book = Book(book.path)
    assert not book.comparable("ours", "theirs")


def test_an_interrupted_comparison_goes_on(book: Book) -> None:
    calls = {name: partial(dict, seconds=1.0) for name in ("ours", "theirs")}
    book.measure_by_turns({"ours": calls["ours"]}, 1)
    book.measure_by_turns(calls, 1)
    assert (book.runs("theirs"), book.comparable("ours", "theirs")) == (1, True)


class _Noting(Book):
    """A book that notes which measurements are asked for."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked: set[str] = set()

    def get(self, name: str, field: str = "seconds") -> float | None:
        self.asked.add(name)
        return 1.0

    def worst(self, name: str, field: str) -> float | None:
        return self.get(name, field)


def test_every_target_has_its_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each section is gone through without a process: what it would measure is noted."""
    measured: set[str] = set()
    monkeypatch.setattr(Bench, "by_turns", lambda _, calls, **options: measured.update(calls))
    monkeypatch.setattr(Bench, "builds", (CURRENT, Build("before/", Path("python"))))
    monkeypatch.setattr("bench.lab.run", lambda *_, **__: Ended(0.0, 0.0, 0.0, ""))
    monkeypatch.setattr("bench.lab.Lab._by_phase", lambda *_, **__: (Ended(0.0, 0.0, 0.0, _PRINTED), {}))
    monkeypatch.setattr("bench.dagster_runs._unchanged", lambda *_: {})
    monkeypatch.setattr("bench.hashing.child", lambda *_, **__: {})
    for name in ("_found", "_shard"):
        monkeypatch.setattr(f"bench.hashing.{name}", lambda *_: {})
    monkeypatch.setattr("bench.dagster_runs.child", lambda *_, **__: {})
    monkeypatch.setattr("bench.many._open_store", lambda: nullcontext(0))
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: io.BytesIO(b"{}"))
    for module in ("many", "whole", "dagster_runs", "sending", "shards", "partitions"):
        monkeypatch.setattr(f"bench.{module}.open_sink", lambda *_: nullcontext(Sink(0)))
    bench = Bench(cache=tmp_path, book=Book(tmp_path / "book.json"), warehouses=_NoData(tmp_path),
                  sizes=list(SIZES["full"].rows), kinds=["duckdb", "postgres"])
    for section in SECTIONS.keys() - {"data"}:
        SECTIONS[section](bench)
    book = _Noting(tmp_path / "noting.json")
    list(targets(book)), list(speed_targets(book))
    assert book.asked - measured == set()


_PRINTED = json.dumps({**dict.fromkeys(("rows", "added", "changed", "removed", "messages", "requests", "accepted"), 0),
                       "seconds": {"total": 0.0}})


class _NoData(Warehouses):
    """Warehouses that make nothing."""

    def table(self, kind: str, rows: int) -> tuple[str, str]:
        return f"{kind}://", "u"

    def pair(self, rows: int) -> tuple[Path, Path]:
        return Path("old"), Path("new")

    def view(self, parquet: Path) -> str:
        return "duckdb://"

    def crowded(self, tables: int) -> str:
        return "postgresql://"


def test_a_copy_without_history_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.builds.COMMIT", "0" * 40)
    with pytest.raises(Failed, match=r"not in this copy's history: git fetch --unshallow"):
        build_before(tmp_path)


def test_as_many_rows_are_searched_as_time_and_disk_allow() -> None:
    steps = (1_000, 10_000, 100_000)
    assert most_rows(steps, 1.0, 150, 10**12) == 100_000
    assert most_rows(steps, 1.0, 100, 10**12) == 10_000
    assert most_rows(steps, 1.0, 150, 5_000_000) == 10_000
    assert most_rows(steps, 9.0, 1, 10**12) == 10_000


def test_requests_to_the_store_are_counted_by_method() -> None:
    app = counting(lambda environ, start: [b"answer"])

    def ask(method: str, path: str) -> bytes:
        return b"".join(app({"REQUEST_METHOD": method, "PATH_INFO": path}, lambda *_: None))

    assert [ask(method, "/bucket/key") for method in ("PUT", "GET", "GET")] == [b"answer"] * 3
    assert json.loads(ask("GET", "/counted")) == {"PUT": 1, "GET": 2}
    assert json.loads(ask("GET", "/counted")) == {}


@pytest.mark.slow
def test_the_bench_runs_end_to_end_on_a_thousand_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.diffing.FLOORS", ("parquet_max",))
    main(["--quick", "--sizes", "1000", "--runs", "1", "--no-peers", "--no-before", "--warehouses", "duckdb",
          "--cache", str(tmp_path), "--page", str(tmp_path / "page.md"), "--only", "diff"])
    book = Book(tmp_path / "quick.json")
    assert [name for name in book.records if name != "about" and book.failed(name)] == []
    assert (book.get("diff/1000/candu", "changed"), book.get("diff/1000/candu", "added")) == (10, 5)
    assert (book.get("diff/1000/candu", "read_cpu") or 0) > 0
    assert "| **candu-sync** | 1,000 |" in (tmp_path / "page.md").read_text()
