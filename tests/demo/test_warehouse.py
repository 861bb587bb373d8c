"""The made-up warehouse holds what its docstring promises, and a day changes it as a normal day would."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from candu_sync.demo.warehouse import build, next_day
from candu_sync.errors import WarehouseError

TODAY = date(2026, 11, 15)
TABLES = ("dim_users", "dim_accounts", "fct_product_events", "fct_invoices", "segment_members")


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(path, read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute(sql).fetchall()


def contents(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    return {table: rows(path, f"from analytics.{table} order by all") for table in TABLES}


def changed_rows(before: Path, after: Path, table: str, key: str) -> tuple[int, int, int]:
    """How many keys were added, changed and removed; rows whose key is null or there twice are left out."""
    once = f"{key} is not null qualify count(*) over (partition by {key}) = 1"
    select = f"select {key}, * from analytics.{table} where {once}"
    old, new = ({row[0]: row for row in rows(path, select)} for path in (before, after))
    return len(new.keys() - old), sum(old[key] != new[key] for key in old.keys() & new), len(old.keys() - new)


def test_it_has_the_promised_counts(morning: Path) -> None:
    counts = {table: rows(morning, f"select count(*) from analytics.{table}")[0][0] for table in TABLES}
    assert counts.pop("fct_invoices") == pytest.approx(2100, rel=0.05)
    assert counts == {"dim_users": 5002, "dim_accounts": 200, "fct_product_events": 20_000, "segment_members": 5000}


def test_the_events_fill_the_fourteen_days_before_today(morning: Path) -> None:
    days = rows(morning, "select occurred_at::date, count(*) from analytics.fct_product_events group by all order by 1")
    assert [day for day, _ in days] == [date(2026, 11, day) for day in range(1, 15)]
    assert min(count for _, count in days) > 1000


def test_the_same_seed_gives_the_same_rows_and_another_seed_others(morning: Path, tmp_path: Path) -> None:
    again, other = tmp_path / "again.duckdb", tmp_path / "other.duckdb"
    build(again, today=TODAY)
    build(other, today=TODAY, seed=8)
    assert contents(again) == contents(morning)
    assert all(contents(other)[table] != contents(morning)[table] for table in TABLES)


def test_building_again_puts_a_changed_warehouse_back(morning: Path, tmp_path: Path) -> None:
    path = tmp_path / "demo.duckdb"
    build(path, today=date(2026, 3, 1), seed=3)
    build(path, today=TODAY)
    assert contents(path) == contents(morning)


def test_every_address_is_at_a_domain_reserved_for_examples(evening: Path) -> None:
    domains = rows(evening, "select distinct split_part(email, '@', 2) from analytics.dim_users order by 1")
    assert domains == [("example.com",), ("example.net",), ("example.org",)]


def test_no_user_acts_before_signing_up_or_after_being_last_seen(evening: Path) -> None:
    strays = """select count(*) from analytics.fct_product_events join analytics.dim_users using (user_id)
                where occurred_at < signed_up_at or last_seen_at is null or occurred_at > last_seen_at"""
    assert rows(evening, strays) == [(0,)]


def test_every_user_is_in_exactly_one_stage_before_and_after(morning: Path, evening: Path) -> None:
    for path in (morning, evening):
        users = rows(path, "select distinct user_id from analytics.dim_users where user_id is not null order by 1")
        assert rows(path, "select user_id from analytics.segment_members order by 1") == users
        stages = rows(path, "select distinct segment from analytics.segment_members order by 1")
        assert stages == [("activating",), ("at_risk",), ("power",), ("trial",)]


def test_three_things_are_wrong_on_purpose_and_stay_wrong(morning: Path, evening: Path) -> None:
    for path in (morning, evening):
        assert rows(path, "select count(*) from analytics.dim_users where user_id is null") == [(1,)]
        twice = "select user_id, count(distinct email) from analytics.dim_users group by 1 having count(*) > 1"
        assert rows(path, twice) == [("usr_00300", 2)]
        too_large = """select account_id, count(user_id)
                       from analytics.dim_accounts join analytics.dim_users using (account_id)
                       where storage_bytes > 9007199254740992 group by 1"""
        assert rows(path, too_large) == [("acc_200", 3)]


def test_a_day_signs_up_eight_users_and_deletes_three(morning: Path, evening: Path) -> None:
    added, _, removed = changed_rows(morning, evening, "dim_users", "user_id")
    assert (added, removed) == (8, 3)
    assert changed_rows(morning, evening, "segment_members", "user_id")[::2] == (8, 3)


def test_a_day_moves_some_users_from_at_risk_to_activating(morning: Path, evening: Path) -> None:
    stages = "select user_id, segment from analytics.segment_members"
    before, after = (dict(rows(path, stages)) for path in (morning, evening))
    moves = [(before[user], after[user]) for user in before.keys() & after if before[user] != after[user]]
    assert set(moves) == {("at_risk", "activating")}
    assert 1 <= len(moves) <= 60


def test_a_day_touches_five_accounts_and_bills_the_upgraded_one(morning: Path, evening: Path) -> None:
    assert changed_rows(morning, evening, "dim_accounts", "account_id") == (0, 5, 0)
    assert changed_rows(morning, evening, "fct_invoices", "invoice_id") == (1, 0, 0)


def test_a_day_brings_events_and_alters_none(morning: Path, evening: Path) -> None:
    assert changed_rows(morning, evening, "fct_product_events", "event_id") == (1400, 0, 0)
    assert rows(evening, "select max(occurred_at)::date from analytics.fct_product_events") == [(TODAY,)]


def test_a_week_of_days_gives_no_id_twice(tmp_path: Path) -> None:
    path = tmp_path / "week.duckdb"
    build(path, today=TODAY)
    for day in range(15, 22):
        next_day(path, today=date(2026, 11, day))
    counts = "select count(*), count(distinct {}) from analytics.{}"
    assert rows(path, counts.format("event_id", "fct_product_events")) == [(29_800, 29_800)]
    assert rows(path, counts.format("user_id", "segment_members")) == [(5035, 5035)]
    invoices, invoice_ids = rows(path, counts.format("invoice_id", "fct_invoices"))[0]
    assert invoices == invoice_ids


def test_a_day_passes_once(tmp_path: Path) -> None:
    path = tmp_path / "demo.duckdb"
    build(path, today=TODAY)
    next_day(path, today=TODAY)
    before = contents(path)
    with pytest.raises(WarehouseError, match="2026-11-15 has passed already"):
        next_day(path, today=TODAY)
    assert contents(path) == before


def test_without_a_warehouse_there_is_no_next_day(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="build it first"):
        next_day(tmp_path / "none.duckdb", today=TODAY)
    assert not (tmp_path / "none.duckdb").exists()


def test_a_file_that_is_not_duckdbs_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database " * 1000)
    with pytest.raises(WarehouseError, match=r"notes\.txt: the demo's warehouse could not be written"):
        build(path, today=TODAY)
    assert path.read_text().startswith("not a database")
