"""``check --twice`` names what differs between two readings of a model, and shows no value."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from candu_sync.operate.read_twice import read_twice
from candu_sync.target import Target
from tests.support.folder import Folder
from tests.support.lab import Lab

PEOPLE = "select 'u' || range as user_id, 'pro' as plan"


def found(lab: Lab, columns: str, kind: str = "users", rest: str = "from range(50)") -> list[str]:
    with lab.project() as project:
        sync = lab.sync(f"{kind}/model", f"{PEOPLE}{columns} {rest}")
        return [one.text for one in read_twice(Target(project, sync))]


@pytest.fixture
def warehouse(lab: Lab) -> Lab:
    lab.query("select 1")
    return lab


@pytest.mark.parametrize(("sql", "said"), [
    ("random()", "the trait x differs in 50 of 50 rows between two readings. Round"),
    ("now()", "the trait x differs in 50 of 50 rows between two readings. Leave out now()"),
    ("uuid()::varchar", "the trait x differs in 50 of 50 rows between two readings. Give string_agg"),
    ("(select string_agg(w, ',' order by random()) from (values ('a'), ('b'), ('c'), ('d'), ('e'), ('f')) t(w)) "
     "|| range", "the trait x differs in"),
])
def test_a_column_that_differs_is_named_with_what_to_do(warehouse: Lab, sql: str, said: str) -> None:
    sentences = found(warehouse, f", {sql} as x")
    assert len(sentences) == 1
    assert sentences[0].startswith(said)


def test_a_model_that_stays_has_nothing_to_say(warehouse: Lab) -> None:
    assert found(warehouse, ", current_date as day, sum(range) over () as total, null as nothing") == []


def test_rows_that_only_one_reading_has_are_counted(warehouse: Lab) -> None:
    assert "have no counterpart" in found(warehouse, "", rest="from range(50) order by random() limit 10")[0]
    assert found(warehouse, ", uuid()::varchar as event_id, 'x' as event, timestamp '2026-11-01' as timestamp",
                 "events") == [
        "50 rows of the first reading and 50 rows of the second have no counterpart. Give `limit` an order that ends "
        "with a unique column, leave out samples, and make the key of columns that stay"]


def test_an_events_time_is_compared_to_the_microsecond(warehouse: Lab) -> None:
    sentences = found(warehouse, ", range as event_id, 'x' as event, now() as timestamp", "events")
    assert [sentence.split(" differs")[0] for sentence in sentences] == ["the column timestamp"]


def test_rows_that_share_a_key_are_left_out(warehouse: Lab) -> None:
    assert found(warehouse, ", random() as x", rest="from range(3) union all select 'u0', 'pro', 1.0 union all "
                 "select 'u1', 'pro', 1.0 union all select 'u2', 'pro', 1.0") == []


def test_a_warehouse_read_row_by_row_is_compared_too(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("create table people (user_id text)")
        connection.execute("insert into people values ('u1'), ('u2')")
    lab = Lab(tmp_path, warehouse_url=f"sqlite:///{path}")
    sync = lab.sync("users/model", "select user_id, random() as x, 1 as y from people")
    with lab.project() as project:
        assert [one.sentence.split(" between")[0] for one in read_twice(Target(project, sync))] == [
            "the trait x differs in 2 of 2 rows"]


def test_the_command_warns_and_shows_no_value(project: Folder) -> None:
    project.query("select 1")
    project.model("users/model", "select 'u1' as user_id, 'secret-' || uuid()::varchar as x")
    plain = project.cli("check", "users/model", "--offline")
    assert "differs" not in plain.err
    ended = project.cli("check", "users/model", "--offline", "--twice")
    assert ended.code == 0
    assert "warning: users/model: the trait x differs in 1 of 1 row between two readings" in ended.err
    assert "secret-" not in ended.out + ended.err


def test_a_partition_that_is_due_is_read(project: Folder) -> None:
    project.query("select 1")
    project.model("users/model", "select 'u1' as user_id, :partition || uuid()::varchar as x",
                  "partitions: {static: [eu, us]}")
    assert "users/model [us]: the trait x" in project.cli("check", "users/model", "--offline", "--twice").err
