"""A real MariaDB, read by rows: values bound, rows streamed, sessions read-only, and long queries ended."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pymysql
import pytest
from sqlalchemy import make_url

from candu_sync.errors import ModelError, WarehouseError
from candu_sync.warehouse import Warehouse, open_warehouse
from tests.support.waiting import until
from tests.warehouse.events import EVENTS

MANY = "select seq as n, repeat('x', 200) as x from seq_1_to_1000000000"
ENDLESS = "select count(*) from seq_1_to_1000000 a, seq_1_to_1000000 b where a.seq * b.seq % 7 = 1"


@pytest.fixture(scope="module")
def admin(mariadb_url: str) -> Iterator[pymysql.Connection]:
    address = str(make_url(mariadb_url).query["unix_socket"])
    with pymysql.connect(unix_socket=address, user="root", database="wh", autocommit=True) as connection:
        cursor = connection.cursor()
        cursor.execute("create table wh_events(name text, seen datetime(6), at timestamp(6) null, plan text)")
        cursor.execute("set time_zone = '+00:00'")
        cursor.executemany("insert into wh_events values (%s, %s, %s, %s)", [(n, s, s, p) for n, s, p in EVENTS])
        yield connection


@pytest.fixture
def warehouse(mariadb_url: str, admin: pymysql.Connection) -> Iterator[Warehouse]:
    with open_warehouse(mariadb_url) as opened:
        yield opened


def under_way(admin: pymysql.Connection) -> int:
    """Queries of ours that the server is at work on."""
    cursor = admin.cursor()
    return int(cursor.execute("select id from information_schema.processlist where info like 'select%seq_1_to%' "
                              "and info not like '%processlist%' and command = 'Query'"))


def comes_to(admin: pymysql.Connection, number: int) -> bool:
    return until(lambda: under_way(admin) == number)


@pytest.mark.parametrize("column", ["seen", "at"])
def test_a_window_is_exact_on_timestamps_of_both_kinds(warehouse: Warehouse, column: str) -> None:
    elsewhere = timezone(timedelta(hours=-8))
    day = {"window_start": datetime(2026, 1, 5, tzinfo=UTC).astimezone(elsewhere),
           "window_end": datetime(2026, 1, 6, tzinfo=UTC).astimezone(elsewhere)}
    sql = f"select name from wh_events where {column} >= :window_start and {column} < :window_end"
    found = [name for batch in warehouse.read(sql, day) for name in batch.column(0).to_pylist()]
    assert sorted(found) == ["last", "noon", "start"]


@pytest.mark.parametrize("text", ["it's", 'a "b"', "back\\slash", "' or 1=1 -- ", "%s %(a)s", "é🙂", ""])
def test_a_parameter_is_bound_as_it_is(warehouse: Warehouse, text: str) -> None:
    sql = "select :partition as x, '100%' as y, ':since' as z -- :since"
    [batch] = warehouse.read(sql, {"partition": text})
    assert batch.to_pylist() == [{"x": text, "y": "100%", "z": ":since"}]


def test_columns_come_without_rows(warehouse: Warehouse) -> None:
    assert warehouse.columns(f"{ENDLESS} and :partition = 'a'", {"partition": "a"}).names == ["count(*)"]
    with pytest.raises(ModelError, match="'plan' more than once"):
        warehouse.read("select plan, name, name as plan from wh_events", {})


@pytest.mark.parametrize("sql", ["insert into wh_events values ('x', null, null, null)", "select nope from wh_events"])
def test_what_is_no_query_is_refused_in_words(warehouse: Warehouse, sql: str) -> None:
    with pytest.raises(WarehouseError, match=r"INSERT|Unknown column 'nope'"):
        warehouse.read(sql, {})


def test_the_session_is_read_only_below_the_checks_of_the_sql(warehouse: Warehouse, admin: pymysql.Connection) -> None:
    admin.cursor().execute("create or replace function wh_write() returns int modifies sql data "
                           "begin insert into wh_events(name) values ('x'); return 1; end")
    with pytest.raises(WarehouseError, match="READ ONLY transaction"):
        warehouse.read("select wh_write()", {})


def test_rows_are_streamed_and_a_result_that_is_left_is_not_read_to_its_end(
    warehouse: Warehouse, admin: pymysql.Connection
) -> None:
    with warehouse.read(MANY, {}) as reading:
        assert next(iter(reading)).num_rows == 2_000
    assert comes_to(admin, 0)


def test_a_limit_ends_a_query_and_names_the_setting(mariadb_url: str, admin: pymysql.Connection) -> None:
    with open_warehouse(mariadb_url, timeout=0.3) as warehouse:
        with pytest.raises(WarehouseError, match="limit of CANDU_QUERY_TIMEOUT"):
            warehouse.read(ENDLESS, {})
        assert warehouse.values("select @@max_statement_time") == ["2"]
    assert comes_to(admin, 0)


def test_a_query_is_cancelled_at_the_server_from_another_thread(
    warehouse: Warehouse, admin: pymysql.Connection
) -> None:
    ended: list[WarehouseError] = []

    def read() -> None:
        try:
            warehouse.read(ENDLESS, {})
        except WarehouseError as error:
            ended.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert comes_to(admin, 1)
    warehouse.cancel()
    assert comes_to(admin, 0)
    reader.join(timeout=60)
    assert [str(error) for error in ended] == ["the query was cancelled; nothing of it was used"]


def test_a_connection_lost_half_way_is_an_error_and_not_a_short_result(
    warehouse: Warehouse, admin: pymysql.Connection
) -> None:
    reading = iter(warehouse.read(MANY, {}))
    next(reading)
    cursor = admin.cursor()
    cursor.execute("select id from information_schema.processlist where info like 'select seq%'")
    for (number,) in cursor.fetchall():
        cursor.execute(f"kill {number}")
    with pytest.raises(WarehouseError, match="reading from the warehouse failed"):
        list(reading)


def test_mariadb_has_it_as_program_name(mariadb_url: str) -> None:
    sql = ("select attr_value from performance_schema.session_connect_attrs "
           "where processlist_id = connection_id() and attr_name = 'program_name'")
    with open_warehouse(mariadb_url) as warehouse:
        assert warehouse.values(sql, tag="users/profile") == ["candu-sync users/profile"]
    named = make_url(mariadb_url).update_query_dict({"program_name": "nightly"})
    with open_warehouse(named.render_as_string(hide_password=False)) as warehouse:
        assert warehouse.values(sql, tag="users/profile") == ["nightly"]


def test_each_connection_has_the_tag_of_its_own_query(mariadb_url: str) -> None:
    sql = ("select attr_value from performance_schema.session_connect_attrs "
           "where processlist_id = connection_id() and attr_name = 'program_name'")
    with open_warehouse(mariadb_url) as warehouse:
        found = [warehouse.values(sql, tag=name) for name in ("users/one", "users/two", None)]
    assert found == [["candu-sync users/one"], ["candu-sync users/two"], ["candu-sync"]]
