"""The notations are strict, and Dagster accepts all that they accept."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta

import pytest
from dagster import AssetSpec, ScheduleDefinition, job
from hypothesis import example, given, settings
from hypothesis import strategies as st

from candu_sync.syncs import fields
from candu_sync.syncs.spec import Spec


@pytest.mark.parametrize(("text", "length"), [
    ("1 day", timedelta(days=1)), ("36 hours", timedelta(hours=36)), ("90 minutes", timedelta(minutes=90)),
    ("7 Days", timedelta(days=7)), ("0 days", timedelta(0)), ("2 weeks", timedelta(weeks=2)),
    ("P1D", timedelta(days=1)), ("PT36H", timedelta(hours=36)),
    ("P1DT2H30M5S", timedelta(days=1, hours=2, minutes=30, seconds=5)),
    ("P2W", timedelta(weeks=2))])
def test_durations(text: str, length: timedelta) -> None:
    assert fields.duration(text) == length


@pytest.mark.parametrize("text", ["1", "day", "-1 day", "1.5 days", "1 month", "P", "PT", "P1M", "1 day ago", 1,
                                  None, "", "999999999 weeks", "P999999999D1"])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="1 day, 36 hours"):
        fields.duration(text)


@pytest.mark.parametrize(("text", "start"), [
    ("2026-01-01", datetime(2026, 1, 1, tzinfo=UTC)), ("2026-01-01T13:00", datetime(2026, 1, 1, 13, tzinfo=UTC)),
    ("2026-01-01 13:00:00", datetime(2026, 1, 1, 13, tzinfo=UTC)),
    ("2026-01-01-13:00", datetime(2026, 1, 1, 13, tzinfo=UTC)),
    ("2026-01-01T13:00Z", datetime(2026, 1, 1, 13, tzinfo=UTC)),
    ("2026-01-01T13:00+02:00", datetime(2026, 1, 1, 11, tzinfo=UTC))])
def test_starts_are_instants_in_utc(text: str, start: datetime) -> None:
    assert fields.start_time(text) == start
    assert fields.start_time(text).utcoffset() == timedelta(0)


@pytest.mark.parametrize("text", ["2026-1-1", "2026", "01.02.2026", "2026-01-01T25:00", "0001-01-01T00:00+23:00", 5])
def test_what_is_no_start(text: object) -> None:
    with pytest.raises(ValueError, match=r"like 2026-01-01|not in the calendar"):
        fields.start_time(text)


@pytest.mark.parametrize("name", ["UTC", "Europe/Paris", "America/Argentina/Buenos_Aires"])
def test_zones(name: str) -> None:
    assert fields.zone(name) == name


@pytest.mark.parametrize("name", ["Europe", "../etc/passwd", "/etc/localtime", "CET+1", "", "Mars/Olympus",
                                  "Factory", "localtime", "posixrules"])
def test_what_is_no_zone(name: str) -> None:
    with pytest.raises(ValueError, match="not an IANA time zone"):
        fields.zone(name)


def dagster_takes_cron(line: str) -> bool:
    @job
    def nothing() -> None: ...

    with warnings.catch_warnings(action="error"):
        return bool(ScheduleDefinition(job=nothing, cron_schedule=line).cron_schedule == line)


@pytest.mark.parametrize(("line", "read"), [
    ("0 * * * *", "0 * * * *"), (" 0  6 * *   mon-fri ", "0 6 * * mon-fri"), ("*/15 8-18 * * 1-5", "*/15 8-18 * * 1-5"),
    ("0,30 0 1,15 JAN,jul *", "0,30 0 1,15 JAN,jul *"), ("0 0 29 2 *", "0 0 29 2 *"),
    ("5/10 * * * 7", "5/10 * * * 7")])
def test_cron_lines(line: str, read: str) -> None:
    assert fields.cron(line) == read
    assert dagster_takes_cron(read)


@pytest.mark.parametrize(("line", "says"), [
    ("@daily", "five fields"), ("0 0 * *", "five fields"), ("0 0 * * * *", "five fields"), ("60 * * * *", "minute"),
    ("0 24 * * *", "hour"), ("0 0 0 * *", "day of the month"), ("0 0 * 13 *", "month"),
    ("0 0 * * 8", "day of the week"), ("*/0 * * * *", "minute"), ("*/60 * * * *", "minute"),
    ("1-5/7 * * * *", "minute"),
    ("0 */24 * * *", "hour"), ("5-1 * * * *", "minute"),
    ("1,,2 * * * *", "minute"), ("mon * * * *", "minute"),
    ("0 0 * mon *", "month"), ("0 0 * * jan", "day of the week"), ("0 0 30 2 *", "never comes true"),
    ("0 0 31 4,6,9,11 *", "never comes true"), ("0 0 31 2 mon", "never comes true"), ("٣ * * * *", "minute")])
def test_what_is_no_cron_line(line: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        fields.cron(line)


words = st.from_regex(r"(\*|[0-9]{1,2}(-[0-9]{1,2})?|(jan|feb|mon|sun)(-(dec|sat))?)(/[0-9]{1,2})?", fullmatch=True)


@settings(max_examples=150)
@given(st.lists(st.lists(words, min_size=1, max_size=2).map(",".join), min_size=5, max_size=5).map(" ".join))
def test_dagster_takes_every_cron_line_that_passes(line: str) -> None:
    try:
        read = fields.cron(line)
    except ValueError:
        return
    assert dagster_takes_cron(read)


@given(st.emails() | st.from_regex(r"(team:)?[a-z .@-]{0,12}", fullmatch=True))
@example("team:growth")
@example("data@example.com")
def test_dagster_takes_every_owner_that_passes(text: str) -> None:
    try:
        owner = fields.owner(text)
    except ValueError:
        return
    assert list(AssetSpec("a", owners=[owner]).owners) == [text]


labels = st.from_regex(r"[a-z/ .é-]{0,9}\n?", fullmatch=True)


@given(st.dictionaries(labels, labels, max_size=3))
@example({"domain": "growth", "team/area": ""})
def test_dagster_takes_all_tags_that_pass(tags: dict[str, str]) -> None:
    try:
        spec = Spec(tags=tags)
    except ValueError:
        return
    assert dict(AssetSpec("a", tags=spec.tags).tags) == tags
