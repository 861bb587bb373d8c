"""``--partition A..B``: windows by time, static segments in their order, both ends included."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from candu_sync.syncs.partition_ranges import expanded
from candu_sync.syncs.sync import Sync, load_syncs
from tests.support.lab import error_of

NOW = dt.datetime(2026, 11, 4, 9, 30, tzinfo=dt.UTC)


def sync_with(folder: Path, partitions: str) -> Sync:
    (folder / "users").mkdir(exist_ok=True)
    (folder / "users" / "visits.sql").write_text("select 1")
    (folder / "users" / "visits.yaml").write_text(f"partitions: {partitions}" if partitions else "")
    return load_syncs(folder).syncs["users/visits"]


def keys(sync: Sync, *words: str, values: tuple[str, ...] = ()) -> list[str]:
    return expanded(sync, words, values=lambda _: list(values), now=NOW)


@pytest.mark.parametrize(("partitions", "words", "found"), [
    ("{daily: 2026-10-01}", ["2026-10-30..2026-11-02"], ["2026-10-30", "2026-10-31", "2026-11-01", "2026-11-02"]),
    ("{daily: 2026-10-01}", ["2026-11-03..2026-11-04"], ["2026-11-03", "2026-11-04"]),  # today is named
    ("{daily: 2026-10-01}", ["2026-10-30..2026-10-30"], ["2026-10-30"]),
    ("{hourly: 2026-10-01}", ["2026-10-31-23:00..2026-11-01-01:00"],
     ["2026-10-31-23:00", "2026-11-01-00:00", "2026-11-01-01:00"]),
    ("{weekly: 2026-10-05}", ["2026-10-12..2026-10-26"], ["2026-10-12", "2026-10-19", "2026-10-26"]),
    ("{monthly: 2026-01-01}", ["2026-08-01..2026-10-01"], ["2026-08-01", "2026-09-01", "2026-10-01"]),
    ("{static: [us, eu, apac]}", ["us..eu"], ["us", "eu"]),
    ("{static: [us, eu, apac]}", ["apac", "eu..apac", "us"], ["apac", "eu", "us"]),
    ('{static: ["1..5", "6..9", "10"]}', ["1..5", "10"], ["1..5", "10"]),
    ("{daily: 2026-10-01, static: [eu, us]}", ["2026-11-01..2026-11-02"],
     ["2026-11-01|eu", "2026-11-01|us", "2026-11-02|eu", "2026-11-02|us"]),
    ("{daily: 2026-10-01, static: [eu, uk, us]}", ["2026-11-01|uk..2026-11-02|us"],
     ["2026-11-01|uk", "2026-11-01|us", "2026-11-02|uk", "2026-11-02|us"]),
    ("{daily: 2026-10-01, dynamic: plans, values: select 1}", ["2026-11-01..2026-11-02"],
     ["2026-11-01|pro", "2026-11-02|pro"]),
    ("{daily: 2026-10-01, dynamic: plans, values: select 1}", ["2026-11-01|old..2026-11-02|old"],
     ["2026-11-01|old", "2026-11-02|old"]),
    ('{daily: 2026-10-01, static: ["1..5"]}', ["2026-11-01|1..5"], ["2026-11-01|1..5"]),
    ("{dynamic: plans, values: select 1}", ["pro", "new"], ["pro", "new"]),
    ("", ["a..b"], ["a..b"]),  # that the sync has no partitions is said later
])
def test_a_range_is_the_keys_in_it(tmp_path: Path, partitions: str, words: list[str], found: list[str]) -> None:
    assert keys(sync_with(tmp_path, partitions), *words, values=("pro",)) == found


def test_a_dynamic_key_may_have_dots(tmp_path: Path) -> None:
    sync = sync_with(tmp_path, "{dynamic: plans, values: select 1}")
    assert keys(sync, "a..b", values=("a..b",)) == ["a..b"]


@pytest.mark.parametrize(("partitions", "word", "says"), [
    ("{daily: 2026-10-01}", "2026-11-02..2026-11-01",
     "users/visits: 2026-11-02 comes after 2026-11-01; write the range as 2026-11-01..2026-11-02"),
    ("{daily: 2026-10-01}", "2026-11-01..", "a range has two ends"),
    ("{daily: 2026-10-01}", "..2026-11-01", "a range has two ends"),
    ("{daily: 2026-10-01}", "2026-11-01..2026-11-05", "the partition 2026-11-05 has not begun yet"),
    ("{daily: 2026-10-01}", "2026-09-01..2026-11-01", "partition 2026-09-01 lies before the first"),
    ("{daily: 2026-10-01}", "a..b", "'a' is not a partition; the key is a day"),
    ("{weekly: 2026-10-05}", "2026-10-06..2026-10-19", "the nearest is 2026-10-05"),
    ("{static: [us, eu]}", "us..euu", "users/visits has no partition euu; did you mean eu?"),
    ("{shards: 8}", "00-of-8..7-of-8", "users/visits has no partition 00-of-8; did you mean 0-of-8?"),
    ("{static: [us, eu]}", "eu..us", "write the range as us..eu"),
    ("{dynamic: plans, values: select 1}", "a..b", "the keys of dynamic partitions have no order"),
    ("{daily: 2026-10-01, dynamic: plans, values: select 1}", "2026-11-01|a..2026-11-02|b", "have no order"),
    ("{daily: 2026-10-01, dynamic: plans, values: select 1}", "2026-11-01..2026-11-02", "`values` finds no key"),
    ("{daily: 2026-10-01, static: [us, eu]}", "2026-11-01|us..2026-11-02", "'2026-11-02' is not a partition"),
])
def test_what_is_no_range_is_refused(tmp_path: Path, partitions: str, word: str, says: str) -> None:
    assert says in error_of(keys, sync_with(tmp_path, partitions), word)
