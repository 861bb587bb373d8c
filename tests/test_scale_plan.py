"""The plan beyond these machines: the page has what the program prints, and it counts by hand as it says."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from bench.book import Book
from bench.plan_of_scale import BEGIN, END, into_page, main, page_text
from bench.scale_costs import MEASURED, PATH, Cost, read_costs, take
from bench.scale_model import Model, Setup, most_users

PAGE = Path(__file__).parent.parent / "docs" / "scale.md"

COSTS = {name: Cost(value=value, unit="", what=name, source="assumed", how="")
         for name, value in {"scan": 1.0, "shard_scan": 2.0, "look_up": 1.0, "first": 2.0, "push": 3.0, "push_one": 2.0,
                             "commit": 1.0, "compare": 1.0, "row_bytes": 200.0, "hash_bytes": 16.0, "message_bytes":
                             300.0, "one_bytes": 100.0, "state_bytes": 100.0, "worker_mb": 100.0,
                             "same_requests": 5.0, "first_requests": 10.0, "dagster": 36.0, "dagster_kb": 50.0,
                             "store_ms": 36.0, "network_mb": 1.0}.items()}
SETUP = Setup(users=36_000_000, changed=0.01, runs=3, rate=10, batch=100, workers=2, warehouse=8, shard_rows=4_500_000)


def test_the_page_has_what_the_program_prints() -> None:
    page = PAGE.read_text()
    assert into_page(page, page_text(read_costs())) == page, "`make scale` writes it"


def test_every_figure_of_the_page_has_its_source() -> None:
    costs = read_costs()
    assert {cost.source for cost in costs.values()} == {"measured", "documented", "assumed"}
    assert all(cost.how and cost.value > 0 for cost in costs.values())
    assert set(MEASURED) <= {name for name, cost in costs.items() if cost.source == "measured"}


def test_a_first_run_by_hand() -> None:
    model = Model(SETUP, COSTS)
    first = model.first()
    assert (model.shards, model.state_gb) == (8, 3.6)
    # 360,000 requests at 10 a second; 8 scans at 2 µs a row by 8 processors; 6 µs a row and 8 starts by 2 workers.
    assert first.hours["candu"] == pytest.approx(10.0)
    assert first.hours["warehouse"] == pytest.approx(72 / 3600)
    assert first.hours["workers"] == pytest.approx((216 + 8 * 36) / 2 / 3600)
    assert first.hours["network"] == pytest.approx(5.0)
    assert (first.requests, first.store_requests, first.bottleneck) == (360_000, 360_080, "candu")


def test_a_day_is_one_run_with_changes_and_all_others_without() -> None:
    model = Model(SETUP, COSTS)
    day, one, other = model.day(), model.changes(), model.unchanged()
    assert day.messages == one.messages == 360_000
    assert day.store_requests == one.store_requests + 2 * other.store_requests == 3_680 + 80
    assert day.hours["warehouse"] == pytest.approx(4 * model.scan_hours)
    assert model.dagster_gb == pytest.approx(3 * 8 * 50 / 1e6)


def test_a_clustered_table_is_read_once_for_all_shards() -> None:
    model = Model(SETUP, COSTS)
    assert Model(replace(SETUP, clustered=True), COSTS).scan_hours == pytest.approx(model.scan_hours / 8)


def test_no_more_shards_than_a_sync_may_have() -> None:
    assert Model(replace(SETUP, users=10**12), COSTS).shards == 1_000
    assert Model(replace(SETUP, users=1_000), COSTS).shards == 1


def test_the_memory_of_shards_that_nobody_measured_is_not_said() -> None:
    assert Model(replace(SETUP, shard_rows=1_600_000), COSTS).worker_mb == 100.0
    assert math.isnan(Model(SETUP, COSTS).worker_mb)


def test_where_something_ends() -> None:
    assert most_users(SETUP, COSTS, lambda model: model.first().hours["candu"], 10) == pytest.approx(36e6, rel=1e-6)
    assert most_users(SETUP, COSTS, lambda _: 1.0, 2) == math.inf


def test_assumptions_can_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--users", "300M", "--rate", "50", "--batch", "1000", "--changed", "0.02"])
    printed = capsys.readouterr().out
    assert "| 300 M |" in printed
    assert "2 % of the users change" in printed
    assert "| … at Candu's rate | 2 h |" not in printed
    assert "| … at Candu's rate | 1.67 h |" in printed


@pytest.mark.parametrize("words", ["--rate 0", "--rate inf", "--workers -4", "--users 0", "--changed 200", "--runs -3",
                                   "--batch 5000", "--shard-rows 0", "--users x"])
def test_an_assumption_that_cannot_be_is_refused(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(words.split())
    assert f"argument {words.split()[0]}: {words.split()[1]} is no " in capsys.readouterr().err


def test_what_a_bench_has_measured_is_taken_over(tmp_path: Path) -> None:
    book, costs = tmp_path / "book.json", tmp_path / "costs.json"
    run = {"rows": 10_000_000, "messages": 100_000, "diff_cpu": 3.0, "commit_cpu": 1.0, "push_cpu": 0.5}
    book.write_text(json.dumps({"whole/duckdb/10000000/changed": {"runs": [run], "wanted": 1, "failed": None}}))
    costs.write_text(PATH.read_text())
    assert take(Book(book, resume=True), costs) == ["push_one", "compare"]
    found, before = read_costs(costs), read_costs()
    assert (found["compare"].value, found["push_one"].value) == (0.4, 5.0)
    assert found["scan"] == before["scan"]


def test_a_page_without_the_marks_is_not_overwritten() -> None:
    with pytest.raises(ValueError, match="must have one"):
        into_page(f"{END} text {BEGIN}", "made")
