"""The example models under sql/ on the made-up warehouse: what each gives and sets aside, what a day changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from candu_sync.diff.changed_rows import diff
from candu_sync.diff.loading import load
from candu_sync.embedded import open_embedded
from candu_sync.rows.result import Result
from candu_sync.snapshot.snapshot import Snapshot
from candu_sync.syncs.sync import Sync, load_syncs
from candu_sync.warehouse import open_warehouse

SQL = Path(__file__).parents[2] / "sql"
SYNCS = load_syncs(SQL).syncs
DAYS = [datetime(2026, 11, day, tzinfo=UTC) for day in range(1, 17)]
STAGES = ["activating", "at_risk", "power", "trial"]

Parameters = Mapping[str, str | datetime]
Row = dict[str, Any]


def parameters_of(sync: Sync) -> Iterator[Parameters]:
    """The parameters of each partition of a sync, one empty set for a sync without partitions."""
    if sync.partitions is None:
        yield {}
    elif sync.partitions.dynamic is not None:
        yield from ({"partition": stage} for stage in STAGES)
    else:
        yield from ({"window_start": day, "window_end": day + timedelta(days=1)} for day in DAYS)


def rows_of(path: Path, name: str, parameters: Parameters | None = None) -> list[Row]:
    sync = SYNCS[name]
    with open_warehouse(f"duckdb:///{path}") as warehouse:
        return [row for chosen in ([parameters] if parameters is not None else parameters_of(sync))
                for batch in warehouse.read(sync.sql, chosen) for row in batch.to_pylist()]


def by_key(rows: list[Row], *key: str) -> dict[tuple[Any, ...], Row]:
    """The rows whose key is complete and unique."""
    keys = Counter(tuple(row[column] for column in key) for row in rows)
    found = {tuple(row[column] for column in key): row for row in rows}
    return {key: row for key, row in found.items() if keys[key] == 1 and None not in key}


def set_aside(path: Path, name: str) -> dict[str, int]:
    """Reason → rows that a first run would set aside."""
    sync = SYNCS[name]
    reasons: Counter[str] = Counter()
    for parameters in parameters_of(sync):
        with (open_warehouse(f"duckdb:///{path}") as warehouse, open_embedded(256 * 1024**2) as engine,
              warehouse.read(sync.sql, parameters) as reading):
            result = Result(sync, reading.names)
            load(engine, sync, result, result.batches(reading))
            diff(engine, sync, result, Snapshot(kind=sync.kind))
            query = "select reason, count(*) from result where reason is not null group by reason"
            reasons.update(dict(engine.execute(query).fetchall()))
    return dict(reasons)


def test_every_file_is_a_sync() -> None:
    catalog = load_syncs(SQL)
    assert catalog.errors == ()
    assert sorted(catalog.syncs) == ["events/product_events", "groups/accounts", "users/engagement", "users/profile",
                                     "users/segments"]
    assert all(sync.sql.startswith("-- ") for sync in catalog.syncs.values())


@pytest.mark.parametrize("name", SYNCS)
def test_a_model_has_its_required_columns_and_those_its_settings_name(name: str, morning: Path) -> None:
    sync = SYNCS[name]
    with (open_warehouse(f"duckdb:///{morning}") as warehouse,
          warehouse.read(sync.sql, next(parameters_of(sync))) as reading):
        assert {*sync.required_columns, *sync.rename, *sync.omit} <= set(reading.names)


@pytest.mark.parametrize(("name", "reasons"), [
    ("users/profile", {"null key": 1, "duplicate key": 2}),
    ("users/engagement", {}),
    ("users/segments", {}),
    ("groups/accounts", {"storage_bytes: integer beyond 2^53": 3}),
    ("events/product_events", {}),
])
def test_only_the_rows_that_are_wrong_on_purpose_are_set_aside(
        name: str, reasons: dict[str, int], morning: Path, evening: Path) -> None:
    assert set_aside(morning, name) == reasons
    assert set_aside(evening, name) == reasons


def test_no_trait_of_a_user_comes_from_two_syncs(morning: Path) -> None:
    senders: Counter[str] = Counter()
    for sync in SYNCS.values():
        if sync.kind == "users":
            with (open_warehouse(f"duckdb:///{morning}") as warehouse,
                  warehouse.read(sync.sql, next(parameters_of(sync))) as reading):
                senders.update(Result(sync, reading.names).names)
    assert set(senders.values()) == {1}
    assert {"email", "plan", "is_admin", "events_14d", "lifecycle"} <= senders.keys()


def test_each_day_holds_its_events_and_the_next_day_none_until_it_has_passed(morning: Path, evening: Path) -> None:
    def events(path: Path, day: datetime) -> list[Row]:
        return rows_of(path, "events/product_events", {"window_start": day, "window_end": day + timedelta(days=1)})

    per_day = [events(morning, day) for day in DAYS]
    assert sum(map(len, per_day)) == 20_000
    for day, rows in zip(DAYS[:14], per_day, strict=False):
        assert {row["timestamp"].date() for row in rows} == {day.date()}
    assert [len(rows) for rows in per_day[14:]] == [0, 0]
    assert [len(events(evening, day)) for day in DAYS[14:]] == [1400, 0]


def test_windows_are_half_open(morning: Path) -> None:
    first = min(row["timestamp"] for row in rows_of(morning, "events/product_events"))
    starting = {"window_start": first, "window_end": first + timedelta(seconds=1)}
    ending = {"window_start": first - timedelta(days=1), "window_end": first}
    assert [row["timestamp"] for row in rows_of(morning, "events/product_events", starting)] == [first]
    assert rows_of(morning, "events/product_events", ending) == []


def test_a_normal_day_changes_about_one_profile_in_a_hundred(morning: Path, evening: Path) -> None:
    before, after = (by_key(rows_of(path, "users/profile"), "user_id") for path in (morning, evening))
    changed = [key for key in before.keys() & after if before[key] != after[key]]
    assert 25 <= len(changed) <= 75
    assert len(after.keys() - before) == 8
    assert len(before.keys() - after) == 3
    columns = {column for key in changed for column in before[key] if before[key][column] != after[key][column]}
    assert columns == {"plan_name", "job_title"}
    assert sum(before[key]["job_title"] is not None and after[key]["job_title"] is None for key in changed) == 2


def test_a_normal_day_stays_below_the_guards(morning: Path, evening: Path) -> None:
    for name, key in (("users/profile", ["user_id"]), ("users/engagement", ["user_id"]),
                      ("groups/accounts", ["group_id", "user_id"])):
        guard = SYNCS[name].guard
        before, after = (by_key(rows_of(path, name), *key) for path in (morning, evening))
        changed = sum(before[key] != after[key] for key in before.keys() & after)
        assert guard.min_rows is not None
        assert guard.max_changed is not None
        assert guard.max_removed is not None
        assert len(after) > guard.min_rows
        assert 0 < changed < guard.max_changed * len(before) / 2
        assert 0 < len(before.keys() - after) < guard.max_removed * len(before) / 2


def test_the_rows_of_an_account_agree_and_hold_money_as_decimals(morning: Path) -> None:
    rows = rows_of(morning, "groups/accounts")
    traits = {(row["group_id"], *(value for column, value in row.items() if column not in ("group_id", "user_id")))
              for row in rows}
    assert len(traits) == len({row["group_id"] for row in rows}) == 200
    assert {type(row[column]).__name__ for row in rows for column in ("mrr", "total billed")} == {"Decimal"}


def test_engagement_counts_what_the_events_say(morning: Path) -> None:
    events = rows_of(morning, "events/product_events")
    counts = Counter(row["user_id"] for row in events)
    reports: dict[str, datetime] = {}
    for row in events:
        if row["event"] == "Ran report":
            reports[row["user_id"]] = max(row["timestamp"], reports.get(row["user_id"], row["timestamp"]))
    rows = rows_of(morning, "users/engagement")
    assert len(rows) == 5000
    for row in rows:
        assert row["events_14d"] == counts[row["user_id"]]
        assert row["last_report_at"] == reports.get(row["user_id"])


def test_the_fourteen_days_of_engagement_roll_on(evening: Path) -> None:
    counts = Counter(row["user_id"] for row in rows_of(evening, "events/product_events")
                     if row["timestamp"] >= DAYS[1])
    rolled = {row["user_id"]: row["events_14d"] for row in rows_of(evening, "users/engagement")}
    # Deleted users still have events, but no row.
    assert rolled == {user: counts[user] for user in rolled}
    assert sum(rolled.values()) > 19_000


def test_a_user_who_comes_back_to_a_stage_has_a_new_time(morning: Path, evening: Path) -> None:
    before, after = (by_key(rows_of(path, "users/segments"), "user_id") for path in (morning, evening))
    moved = [key for key in before.keys() & after if before[key]["lifecycle"] != after[key]["lifecycle"]]
    assert moved
    assert all(after[key]["lifecycle_since"] > before[key]["lifecycle_since"] for key in moved)
