"""Which partitions a command is about, and what each binds."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from candu_sync.errors import UsageError
from candu_sync.syncs.due_partitions import partition_to_prepare, partitions_to_run
from candu_sync.syncs.sql_parameters import BEGINNING, parameters
from candu_sync.syncs.sync import Sync, load_syncs
from tests.support.lab import error_of

NOW = dt.datetime(2026, 11, 4, 9, 30, tzinfo=dt.UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def sync_with(folder: Path, yaml: str, kind: str = "events") -> Sync:
    (folder / kind).mkdir(exist_ok=True)
    (folder / kind / "visits.sql").write_text("select 1")
    (folder / kind / "visits.yaml").write_text(yaml)
    return load_syncs(folder).syncs[f"{kind}/visits"]


def due(sync: Sync, *chosen: str, done: tuple[str, ...] = (), values: tuple[str, ...] = ()) -> list[str | None]:
    return partitions_to_run(sync, list(chosen), values=lambda _: list(values), done=done.__contains__, now=NOW)


def test_a_sync_without_partitions_is_one_target(folder: Path) -> None:
    sync = sync_with(folder, "")
    assert due(sync) == [None]
    assert "events/visits has no partitions: leave --partition eu out" in error_of(due, sync, "eu")


def test_of_windows_those_that_ended_and_are_not_done_and_the_newest_again(folder: Path) -> None:
    sync = sync_with(folder, "partitions: {daily: 2026-10-31}")
    days = ["2026-10-31", "2026-11-01", "2026-11-02", "2026-11-03"]
    assert due(sync) == days
    assert due(sync, done=("2026-10-31", "2026-11-02", "2026-11-03")) == ["2026-11-01", "2026-11-03"]
    assert due(sync_with(folder, "partitions: {daily: 2026-11-04}")) == []


def test_a_window_that_has_not_begun_is_refused(folder: Path) -> None:
    sync = sync_with(folder, "partitions: {daily: 2026-10-31}")
    assert due(sync, "2026-11-04") == ["2026-11-04"]
    assert "the window 2026-11-05 begins at 2026-11-05T00:00Z: it has no rows yet" in error_of(due, sync, "2026-11-05")


def test_static_keys_are_all_due_and_dynamic_ones_as_the_warehouse_has_them(folder: Path) -> None:
    assert due(sync_with(folder, "partitions: {static: [eu, us]}"), done=("eu",)) == ["eu", "us"]
    dynamic = sync_with(folder, "partitions: {dynamic: regions, values: select 1}")
    assert due(dynamic, values=("us", "eu")) == ["us", "eu"]
    assert due(dynamic, values=()) == []
    assert due(dynamic, "new", values=("us",)) == ["new"]


class TestWindowsWithSegments:
    """``partitions: {daily: …, static: […]}``: a partition for each pair."""

    YAML = "partitions: {daily: 2026-11-01, static: [eu, us]}"

    def test_of_each_segment_those_that_are_not_done_and_the_newest_again(self, folder: Path) -> None:
        sync = sync_with(folder, self.YAML)
        pairs = [f"2026-11-0{day}|{segment}" for day in (1, 2, 3) for segment in ("eu", "us")]
        assert due(sync) == pairs
        assert due(sync, done=(*pairs[1:3], *pairs[4:])) == [pairs[0], pairs[3], *pairs[4:]]

    def test_dynamic_segments_are_those_that_the_warehouse_has(self, folder: Path) -> None:
        sync = sync_with(folder, "partitions: {daily: 2026-11-03, dynamic: regions, values: select 1}")
        assert due(sync, values=("eu",)) == ["2026-11-03|eu"]
        assert due(sync, values=()) == []
        assert due(sync, "2026-11-03|new") == ["2026-11-03|new"]

    def test_the_segment_and_the_window_are_bound(self, folder: Path) -> None:
        bound = parameters(sync_with(folder, self.YAML), "2026-11-02|eu", None)
        assert bound == {"partition": "eu", "window_start": dt.datetime(2026, 11, 2, tzinfo=dt.UTC),
                         "window_end": dt.datetime(2026, 11, 3, tzinfo=dt.UTC)}

    @pytest.mark.parametrize(("key", "says"), [
        ("2026-11-02", "the key is a window's and a segment's, like 2026-11-01|eu"),
        ("eu", "the key is a window's and a segment's, like 2026-11-01|eu"),
        ("2026-11-02|euu", "did you mean 2026-11-02|eu?"),
        ("2026-11-31|eu", "'2026-11-31' is not a partition"),
        ("2026-10-31|eu", "lies before the first"),
    ])
    def test_a_key_that_cannot_be_is_refused(self, folder: Path, key: str, says: str) -> None:
        assert says in error_of(due, sync_with(folder, self.YAML), key)

    def test_any_of_them_will_do_to_prepare_a_model(self, folder: Path) -> None:
        assert partition_to_prepare(sync_with(folder, self.YAML), lambda _: []) == "2026-11-01|eu"
        dynamic = sync_with(folder, "partitions: {daily: 2026-11-01, dynamic: regions, values: select 1}")
        assert partition_to_prepare(dynamic, lambda _: []) == "2026-11-01|none"


def test_chosen_keys_are_taken_once_in_their_order(folder: Path) -> None:
    sync = sync_with(folder, "partitions: {static: [eu, us]}")
    assert due(sync, "us", "eu", "us") == ["us", "eu"]


@pytest.mark.parametrize(("yaml", "key", "says"), [
    ("partitions: {static: [eu, us]}", "uss", "did you mean us?"),
    ("partitions: {static: [eu, us]}", "asia", "has no partition asia (it has eu, us)"),
    ("partitions: {daily: 2026-11-01}", "2026-11-31", "'2026-11-31' is not a partition"),
    ("partitions: {daily: 2026-11-01}", "2026-10-31", "lies before the first"),
    ("partitions: {weekly: 2026-11-02}", "2026-11-04", "the nearest is 2026-11-02"),
    ("partitions: {dynamic: regions, values: select 1}", " ", "cannot be blank"),
    ("partitions: {shards: 8}", "07-of-8", "no partition 07-of-8; did you mean 7-of-8? (it has 8 shards: 0-of-8 to 7-"),
    ("partitions: {shards: 16}", "3-of-16", "did you mean 03-of-16? (it has 16 shards: 00-of-16 to 15-of-16)"),
    ("partitions: {shards: 16}", "3", "did you mean 03-of-16?"),
    ("partitions: {daily: 2026-11-01, shards: 8}", "2026-11-01|07-of-8", "did you mean 2026-11-01|7-of-8?"),
    ("partitions: {shards: 3}", "07-of-8", "no partition 07-of-8 (it has 3 shards: 0-of-3 to 2-of-3)"),
    ("partitions: {shards: 8}", "8-of-8", "no partition 8-of-8 (it has 8 shards: 0-of-8 to 7-of-8)"),
    ("partitions: {shards: 8}", "eu", "no partition eu (it has 8 shards: 0-of-8 to 7-of-8)"),
])
def test_a_key_that_cannot_be_is_refused(folder: Path, yaml: str, key: str, says: str) -> None:
    with pytest.raises(UsageError) as error:
        due(sync_with(folder, yaml), key)
    assert says in str(error.value)


def test_a_blank_value_of_the_warehouse_is_no_partition(folder: Path) -> None:
    """Its state would be the folder that holds those of all the others."""
    sync = sync_with(folder, "partitions: {dynamic: regions, values: select 1}")
    with pytest.raises(UsageError, match="leave it out there"):
        due(sync, values=("eu", ""))


def test_a_window_binds_its_key_its_start_and_its_end(folder: Path) -> None:
    bound = parameters(sync_with(folder, "partitions: {monthly: 2026-01-01}"), "2026-02-01", None)
    assert bound == {"partition": "2026-02-01", "window_start": dt.datetime(2026, 2, 1, tzinfo=dt.UTC),
                     "window_end": dt.datetime(2026, 3, 1, tzinfo=dt.UTC)}
    assert parameters(sync_with(folder, "partitions: {static: [eu]}"), "eu", None) == {"partition": "eu"}
    assert parameters(sync_with(folder, ""), None, None) == {}


def test_since_is_the_newest_less_the_lookback_and_no_earlier_than_the_beginning(folder: Path) -> None:
    sync = sync_with(folder, "cursor: {column: timestamp, lookback: 1 day}")
    assert parameters(sync, None, None) == {"since": BEGINNING}
    assert parameters(sync, None, NOW) == {"since": NOW - dt.timedelta(days=1)}
    assert parameters(sync, None, BEGINNING) == {"since": BEGINNING}
