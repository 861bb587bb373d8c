"""How far a sync is behind its cron line."""

from __future__ import annotations

import datetime as dt

import pytest

from candu_sync.syncs import Sync, schedule_lag
from candu_sync.syncs.schedule import next_tick
from tests.support.lab import Lab


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def hourly(lab: Lab, more: str = "") -> Sync:
    return lab.sync("users/people", "select * from people where :window_start < :window_end" if "daily" in more
                    else "select * from people", f'automation: "0 * * * *"\n{more}')


@pytest.mark.parametrize(("good", "now", "seconds"), [
    ("2026-11-01T08:00:20", "2026-11-01T08:59:59", 0),         # the next tick has not come
    ("2026-11-01T08:00:20", "2026-11-01T09:00:05", 5),         # its own tick, five seconds ago
    ("2026-11-01T08:00:20", "2026-11-01T12:30:00", 3.5 * 3600),  # three ticks were missed: the first counts
    (None, "2026-11-01T12:30:00", None),
])
def test_the_first_tick_that_no_good_run_answered_counts(
        lab: Lab, good: str | None, now: str, seconds: float | None) -> None:
    assert schedule_lag(hourly(lab), None, good and at(good), at(now)) == seconds


def test_without_a_cron_line_there_is_no_lag(lab: Lab) -> None:
    for automation in ("none", "on_upstream"):
        sync = lab.sync("users/people", "select * from people", f"automation: {automation}")
        assert schedule_lag(sync, None, at("2026-11-01"), at("2026-12-01")) is None


@pytest.mark.parametrize(("partition", "good", "seconds"), [
    ("2026-11-02", None, 2 * 3600.0),                 # its window ended at midnight, which is a tick
    ("2026-11-02", "2026-11-03T00:10:00", 3600.0),    # late rows belong there: it runs again at each tick
    ("2026-11-01", None, None),                       # a backfill follows no schedule
    ("2026-11-03", None, None),                       # it has not ended
    ("eu", None, None),                               # a key of earlier settings
])
def test_of_windows_the_newest_counts(lab: Lab, partition: str, good: str | None, seconds: float | None) -> None:
    sync = hourly(lab, "partitions: {daily: 2026-10-01}")
    assert schedule_lag(sync, partition, good and at(good), at("2026-11-03T02:00:00")) == seconds


def test_each_key_of_other_partitions_has_its_own(lab: Lab) -> None:
    sync = hourly(lab, "partitions: {static: [eu, us]}")
    assert schedule_lag(sync, "eu", at("2026-11-01T08:00:20"), at("2026-11-01T09:00:05")) == 5


@pytest.mark.parametrize(("line", "since", "tick"), [
    ("*/15 * * * *", "2026-11-01T08:01:00", "2026-11-01T08:15:00"),
    ("*/15 * * * *", "2026-11-01T08:15:00", "2026-11-01T08:15:00"),
    ("0 6 * * mon", "2026-11-02T06:00:01", "2026-11-09T06:00:00"),
    ("0 6 29 2 *", "2026-11-01", "2028-02-29T06:00:00"),
    ("0 0 29 2 *", "2096-03-01", "2104-02-29"),       # 2100 is no leap year
    ("0 0 30 2 *", "2026-11-01", None),
    ("30 23 31 12 *", "2026-12-31T23:31:00", "2027-12-31T23:30:00"),
])
def test_the_next_tick(line: str, since: str, tick: str | None) -> None:
    assert next_tick(line, at(since)) == (tick and at(tick))


@pytest.mark.parametrize(("line", "since", "tick"), [
    ("0 6 * * 1-5 Europe/Paris", "2026-11-01T08:00:00", "2026-11-02T05:00:00"),
    ("0 6 * * 1-5 Europe/Paris", "2026-07-01T03:59:00", "2026-07-01T04:00:00"),
    ("0 1 * * * Asia/Tokyo", "2026-11-01T15:30:00", "2026-11-01T16:00:00"),      # the next day in Tokyo
    ("0 22 * * * America/New_York", "2026-11-02T02:30:00", "2026-11-02T03:00:00"),  # the day before in New York
])
def test_a_line_with_a_zone_ticks_by_its_clocks(line: str, since: str, tick: str) -> None:
    assert next_tick(line, at(since)) == at(tick)


def test_a_sync_whose_line_has_a_zone_is_run_again(lab: Lab) -> None:
    lab.table("people", user_id=["u1"], plan=["free"])
    sync = lab.sync("users/people", "select * from people", "automation: 0 6 * * 1-5 Europe/Paris")
    assert [lab.run(sync).status for _ in range(2)] == ["succeeded", "succeeded"]


def test_an_instant_in_another_zone_is_the_same_instant() -> None:
    since = dt.datetime(2026, 11, 1, 23, 30, tzinfo=dt.timezone(dt.timedelta(hours=-5)))
    assert next_tick("0 4 * * *", since) == at("2026-11-03T04:00:00")
