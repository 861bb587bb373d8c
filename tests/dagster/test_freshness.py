"""A sync that did not run when it should have is overdue."""

from __future__ import annotations

from datetime import timedelta

import pytest

from candu_sync.syncs import longest_gap
from dagster_defs.specs import push_spec
from tests.dagster.room import Room, people


@pytest.mark.parametrize(("line", "gap"), [
    ("* * * * *", timedelta(minutes=1)),
    ("*/20 * * * *", timedelta(minutes=20)),
    ("0 * * * *", timedelta(hours=1)),
    ("0 6,18 * * *", timedelta(hours=12)),
    ("30 9-17 * * *", timedelta(hours=16)),
    ("0 9 * * 1-5", timedelta(days=3)),
    ("0 0 * * 0", timedelta(days=7)),
    ("0 0 * * 7", timedelta(days=7)),
    ("0 6 1 * *", timedelta(days=31)),
    ("0 6 1 * mon", timedelta(days=7)),
    ("0 0 1 1 *", timedelta(days=366)),
])
def test_the_longest_time_between_two_ticks(line: str, gap: timedelta) -> None:
    assert longest_gap(line) == gap


def test_a_cron_line_is_a_window_with_some_grace(room: Room) -> None:
    policy = push_spec(people(room, yaml='automation: "0 6 * * *"')).freshness_policy
    assert policy is not None
    assert policy.fail_window.to_timedelta() == timedelta(hours=30)  # type: ignore[attr-defined]


def test_a_short_one_leaves_a_quarter_of_an_hour(room: Room) -> None:
    policy = push_spec(people(room, yaml='automation: "*/5 * * * *"')).freshness_policy
    assert policy is not None
    assert policy.fail_window.to_timedelta() == timedelta(minutes=20)  # type: ignore[attr-defined]


@pytest.mark.parametrize("automation", ["none", "on_upstream"])
def test_without_a_cron_line_there_is_none(room: Room, automation: str) -> None:
    assert push_spec(people(room, yaml=f"automation: {automation}")).freshness_policy is None
