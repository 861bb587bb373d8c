"""The bench itself: it runs end to end on a thousand rows, and its page says what was measured, failures too."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from array import array
from pathlib import Path

import pytest

from bench.__main__ import main, rows
from bench.book import Book
from bench.lab import open_sink
from bench.process import Failed, clean_environment, run
from bench.report import write_page
from bench.sink import most_in_a_second

RECORDED = {
    "about": {"machine": "2 cores"},
    "whole/duckdb/1000000/first": {"wall": 12.0, "seconds": 11.0, "peak_mb": 900.0, "messages": 1_000_000},
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
        name: value if name == "about" else {"runs": [value], "wanted": 1, "failed": None,
                                             "at": "2026-11-24T22:00:00+00:00"}
        for name, value in RECORDED.items()}
    records["peer/dlt/1000000/first"] = {"runs": [], "wanted": 0, "failed": "dlt ended with 1: no | luck",
                                         "at": "2026-11-25T01:00:00+00:00"}
    path = tmp_path / "recorded.json"
    path.write_text(json.dumps(records))
    return Book(path, resume=True)


def test_the_page_says_what_was_recorded(book: Book, tmp_path: Path) -> None:
    write_page(book, tmp_path / "benchmarks.md")
    page = (tmp_path / "benchmarks.md").read_text()
    assert "Measured on 24 November 2026 to 25 November 2026." in page
    assert "a first run of 1 M: **4.0 × as fast as drt**" in page
    assert "the diff of 10 M: **1.50 × reading both sides once**" in page
    assert "| first run, whole job, DuckDB | ≤ 14 s | 11 s | reached |" in page
    assert "| whole job of 10 M, 1 % changed, DuckDB | ≤ 14 s | 18 s | **missed** |" in page
    assert "| 1 M → 10 M, 1 % changed, DuckDB: peak memory | ≤ 1.50 × | 2 × | **missed** |" in page
    assert "| first run: times as fast as dlt, whole processes | ≥ 3.50 × | – | not measured |" in page
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


@pytest.mark.slow
def test_the_bench_runs_end_to_end_on_a_thousand_rows(tmp_path: Path) -> None:
    main(["--quick", "--sizes", "1000", "--runs", "1", "--no-peers", "--warehouses", "duckdb", "--cache", str(tmp_path),
          "--page", str(tmp_path / "page.md"), "--only", "read", "diff", "messages", "push", "whole"])
    book = Book(tmp_path / "quick.json")
    assert [name for name in book.records if name != "about" and book.failed(name)] == []
    assert book.get("whole/duckdb/1000/changed", "messages") == 10
    assert "| DuckDB | 1,000 | 1 % changed |" in (tmp_path / "page.md").read_text()
