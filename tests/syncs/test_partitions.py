"""Keys and windows agree with Dagster's own, for any start and any moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from dagster import (
    DailyPartitionsDefinition,
    HourlyPartitionsDefinition,
    MonthlyPartitionsDefinition,
    TimeWindowPartitionsDefinition,
    WeeklyPartitionsDefinition,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from candu_sync.errors import UsageError
from candu_sync.syncs.partitions import Window, split, window, windows
from candu_sync.syncs.spec import Partitions

DAY = Partitions(daily=datetime(2026, 11, 1, tzinfo=UTC))
HOUR = Partitions(hourly=datetime(2026, 11, 1, 13, 30, tzinfo=UTC))
WEEK = Partitions(weekly=datetime(2026, 11, 4, tzinfo=UTC))  # a Wednesday
MONTH = Partitions(monthly=datetime(2026, 1, 31, tzinfo=UTC))


def utc(year: int, month: int, day: int, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(("partitions", "key", "start", "end"), [
    (DAY, "2026-11-01", utc(2026, 11, 1), utc(2026, 11, 2)),
    (HOUR, "2026-11-01-14:00", utc(2026, 11, 1, 14), utc(2026, 11, 1, 15)),
    (HOUR, "2026-12-31-23:00", utc(2026, 12, 31, 23), utc(2027, 1, 1)),
    (WEEK, "2026-11-09", utc(2026, 11, 9), utc(2026, 11, 16)),
    (WEEK, "2026-12-28", utc(2026, 12, 28), utc(2027, 1, 4)),
    (MONTH, "2026-02-01", utc(2026, 2, 1), utc(2026, 3, 1)),
    (MONTH, "2028-02-01", utc(2028, 2, 1), utc(2028, 3, 1)),
    (MONTH, "2026-12-01", utc(2026, 12, 1), utc(2027, 1, 1)),
])
def test_a_key_is_the_start_of_a_half_open_window(
    partitions: Partitions, key: str, start: datetime, end: datetime
) -> None:
    assert window(partitions, key) == Window(key, start, end)


@pytest.mark.parametrize(("partitions", "key", "says"), [
    (DAY, "2026-10-31", "before the first, which is 2026-11-01"),
    (DAY, "2026-11-1", "YYYY-MM-DD; the nearest is 2026-11-01"),
    (DAY, "yesterday", "YYYY-MM-DD, like 2026-11-01"),
    (DAY, "2026-02-30", "YYYY-MM-DD, like 2026-11-01"),
    (DAY, "9999-12-31", "like 2026-11-01"),
    (WEEK, "2026-11-18", "Monday, YYYY-MM-DD; the nearest is 2026-11-16"),
    (WEEK, "2026-11-04", "Monday, YYYY-MM-DD; the nearest is 2026-11-09"),
    (WEEK, "2026-11-02", "before the first, which is 2026-11-09"),
    (MONTH, "2026-03-17", "YYYY-MM-01; the nearest is 2026-03-01"),
    (HOUR, "2026-11-02", "YYYY-MM-DD-HH:00, like 2026-11-01-14:00"),
    (HOUR, "2026-11-02-10:30", "the nearest is 2026-11-02-10:00"),
    (HOUR, "2026-11-01-13:00", "before the first, which is 2026-11-01-14:00"),
    (Partitions(static=("eu", "us")), "eu", "static partitions are keys"),
])
def test_the_error_about_a_wrong_key_has_the_nearest_one(partitions: Partitions, key: str, says: str) -> None:
    with pytest.raises(UsageError) as error:
        window(partitions, key)
    assert says in str(error.value)


def test_a_window_is_listed_once_it_has_ended() -> None:
    just_before = utc(2026, 11, 3) - timedelta(microseconds=1)
    assert [found.key for found in windows(DAY, just_before)] == ["2026-11-01"]
    assert [found.key for found in windows(DAY, utc(2026, 11, 3))] == ["2026-11-01", "2026-11-02"]
    assert windows(DAY, utc(2026, 10, 1)) == []


def test_now_may_be_in_any_zone() -> None:
    paris = datetime.fromisoformat("2026-11-02T00:30:00+01:00")
    assert windows(DAY, paris) == []
    assert [found.key for found in windows(DAY, paris + timedelta(minutes=30))] == ["2026-11-01"]


def dagsters(partitions: Partitions, start: datetime) -> TimeWindowPartitionsDefinition:
    if partitions.spread == "hourly":
        return HourlyPartitionsDefinition(start)
    if partitions.spread == "weekly":
        return WeeklyPartitionsDefinition(start, day_offset=1)
    return DailyPartitionsDefinition(start) if partitions.spread == "daily" else MonthlyPartitionsDefinition(start)


starts = st.datetimes(datetime(1999, 12, 1), datetime(2028, 3, 31)).map(lambda at: at.replace(second=0, microsecond=0))


@settings(max_examples=80)
@given(st.sampled_from(["hourly", "daily", "weekly", "monthly"]), starts, st.integers(0, 100 * 60))
def test_keys_and_windows_are_dagsters(spread: str, start: datetime, minutes: int) -> None:
    if spread != "hourly":
        start, minutes = start.replace(hour=0, minute=0), minutes * (200 if spread == "monthly" else 24)
    partitions = Partitions.model_validate({spread: start.replace(tzinfo=UTC)})
    now = start + timedelta(minutes=minutes)

    theirs = dagsters(partitions, start)
    ours = windows(partitions, now.replace(tzinfo=UTC))
    assert [found.key for found in ours] == list(theirs.get_partition_keys(current_time=now))

    for found in ours:
        assert window(partitions, found.key) == found
    for found in ours[:1] + ours[-1:]:
        their_window = theirs.time_window_for_partition_key(found.key)
        assert (found.start, found.end) == (their_window.start, their_window.end)
    assert all(before.end == after.start for before, after in pairwise(ours))


def test_shards_have_keys_of_one_length() -> None:
    assert Partitions(shards=11).keys == tuple(f"{number:02}-of-11" for number in range(11))


def test_windows_go_with_shards() -> None:
    both = Partitions.model_validate({"daily": "2026-11-01", "shards": 2})
    assert split(both, "2026-11-01|1-of-2") == ("2026-11-01", "1-of-2")
    assert both.spread == "daily × shards"


@pytest.mark.parametrize("wrong", [{"shards": 1}, {"shards": 1001}, {"shards": "4"}, {"shards": 4, "static": ["eu"]}])
def test_wrong_shards_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="shards"):
        Partitions.model_validate(wrong)
