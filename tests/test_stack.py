"""What other libraries do that a good guess would get wrong, and that this code relies on or works around.

Each test is a row of docs/stack.md. It uses the library alone. When one fails after an update, the library has
changed: read the row's modules, then change the row and the test.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import inspect
import os
import re
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import httpcore
import httpx
import obstore
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pymysql
import pytest
import yaml
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, MemoryStore
from packaging.specifiers import SpecifierSet
from pymysql.converters import convert_datetime, escape_item
from pymysql.cursors import SSCursor
from sqlalchemy import create_engine, text
from sqlalchemy.exc import ProgrammingError

from tests.support.waiting import until
from tests.warehouse.servers import mariadb

ROOT = Path(__file__).parents[1]
NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


@pytest.fixture
def adbc(postgres_url: str) -> Iterator[Any]:
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(postgres_url) as connection, connection.cursor() as cursor:
        yield cursor


@pytest.fixture(scope="module")
def maria() -> Iterator[Any]:
    with mariadb() as url, pymysql.connect(unix_socket=url.partition("=")[2], user="root", database="wh") as connection:
        yield connection


# DuckDB

def test_duckdb_sql_waits_until_it_is_read(duck: duckdb.DuckDBPyConnection) -> None:
    relation = duck.sql("select error('read') as x from range(3)")
    assert relation.columns == ["x"]
    with pytest.raises(duckdb.Error, match="read"):
        duck.execute("select error('read') as x from range(3)")


def test_duckdb_connection_has_one_open_stream(duck: duckdb.DuckDBPyConnection) -> None:
    reader = duck.sql("select * from range(100_000)").to_arrow_reader(2048)
    reader.read_next_batch()
    with pytest.raises(duckdb.Error, match="open result"):
        duck.sql("select 1").to_arrow_reader(2048)


def test_duckdb_stream_fails_with_an_oserror(duck: duckdb.DuckDBPyConnection) -> None:
    late = "select if(range = 150_000, error('late'), 'x') from range(200_000)"
    with pytest.raises(OSError, match="late") as caught:
        duck.sql(late).to_arrow_reader(2048).read_all()
    assert not isinstance(caught.value, duckdb.Error | pa.ArrowException)


def test_duckdb_cursor_is_a_connection_without_the_settings(duck: duckdb.DuckDBPyConnection) -> None:
    duck.execute("set TimeZone = 'Asia/Tokyo'; create table t as select 7 as n")
    other = duck.cursor()
    assert other.sql("select n from t").fetchall() == [(7,)]
    assert other.sql("select current_setting('TimeZone')").fetchall() != [("Asia/Tokyo",)]
    duck.execute("set global TimeZone = 'Asia/Seoul'")
    assert duck.cursor().sql("select current_setting('TimeZone')").fetchall() == [("Asia/Seoul",)]
    other.execute("create temp table own as select 1")
    with pytest.raises(duckdb.CatalogException):
        duck.sql("from own")


def test_duckdb_takes_a_variable_for_a_table(duck: duckdb.DuckDBPyConnection) -> None:
    people = pa.table({"n": [7]})
    assert duck.sql("select * from people").fetchall() == [(people["n"][0].as_py(),)]
    duck.execute("set python_enable_replacements = false")
    with pytest.raises(duckdb.CatalogException):
        duck.sql("select * from people")


def test_duckdb_pivot_is_no_select(duck: duckdb.DuckDBPyConnection) -> None:
    [pivot] = duck.extract_statements("pivot (select 1 as a, 2 as b) on a using sum(b)")
    assert pivot.type is duckdb.StatementType.MULTI


def test_duckdb_read_only_still_writes_files(tmp_path: Path) -> None:
    duckdb.connect(str(tmp_path / "shop.duckdb")).close()
    with duckdb.connect(str(tmp_path / "shop.duckdb"), read_only=True) as connection:
        connection.execute(f"copy (select 1) to '{tmp_path / 'out.csv'}'")
    assert (tmp_path / "out.csv").exists()


def test_duckdb_large_uhugeint_is_negative_in_arrow(duck: duckdb.DuckDBPyConnection) -> None:
    table = duck.sql("select (2::uhugeint ** 127)::uhugeint as x").to_arrow_table()
    assert table["x"].to_pylist() == [Decimal(-(2**127))]


def test_duckdb_time_loses_its_offset_in_arrow(duck: duckdb.DuckDBPyConnection) -> None:
    assert duck.sql("select '10:30:00+02'::timetz as x").to_arrow_table()["x"].to_pylist() == [dt.time(10, 30)]


def test_duckdb_end_of_a_day_is_its_beginning_in_python(duck: duckdb.DuckDBPyConnection) -> None:
    column = duck.sql("select '24:00'::time as x").to_arrow_table()["x"]
    assert (column.cast(pa.int64()).to_pylist(), column.to_pylist()) == ([86_400_000_000], [dt.time(0)])


def test_duckdb_infinity_is_the_largest_integer_in_arrow(duck: duckdb.DuckDBPyConnection) -> None:
    column = duck.sql("select 'infinity'::timestamp as x").to_arrow_table()["x"]
    assert column.cast(pa.int64()).to_pylist() == [2**63 - 1]


def test_duckdb_strftime_of_whole_seconds_ends_in_2262(duck: duckdb.DuckDBPyConnection) -> None:
    duck.execute("create table t as select '2300-01-01'::timestamp_s as seen")
    with pytest.raises(duckdb.ConversionException):
        duck.sql("select strftime(seen, '%Y') from t").fetchall()
    assert duck.sql("select strftime(seen::timestamp, '%Y') from t").fetchall() == [("2300",)]


def test_duckdb_md5_lower_is_the_second_half(duck: duckdb.DuckDBPyConnection) -> None:
    digest = hashlib.md5(b"x").digest()
    assert duck.sql("select md5_number_lower('x')").fetchall() == [(int.from_bytes(digest[8:], "little"),)]


def test_duckdb_text_of_a_double_reads_back(duck: duckdb.DuckDBPyConnection) -> None:
    doubles = "select (hash(range) / 1e19 - 0.5) * 10.0 ** (range % 600 - 300) as x from range(20_000)"
    assert all(float(text) == x for text, x in duck.sql(f"select x::varchar, x from ({doubles})").fetchall())


# Arrow

def test_arrow_casts_decimals_next_to_the_nearest_double() -> None:
    prices = pa.array([Decimal(cents) / 100 for cents in range(1, 10_000)], pa.decimal128(10, 2))
    right = [float(price) for price in prices.to_pylist()]
    wrong = sum(a != b for a, b in zip(prices.cast(pa.float64()).to_pylist(), right, strict=True))
    assert wrong > 1_000
    assert prices.cast(pa.string()).cast(pa.float64()).to_pylist() == right


def test_arrow_float32_gets_digits_as_a_double() -> None:
    tenth = pa.array([0.1], pa.float32())
    assert tenth.cast(pa.float64()).to_pylist() == [0.10000000149011612]
    assert tenth.cast(pa.string()).cast(pa.float64()).to_pylist() == [0.1]


def test_arrow_writes_a_decimal_zero_with_an_exponent() -> None:
    assert pa.array([Decimal(0)], pa.decimal128(20, 10)).cast(pa.string()).to_pylist() == ["0E-10"]


def test_arrow_takes_times_with_and_without_a_zone_together() -> None:
    noon = dt.datetime(2026, 1, 1, 12)
    mixed = pa.array([noon, noon.replace(tzinfo=NEW_YORK)])
    assert mixed.type.tz is None
    assert mixed.to_pylist() == [noon, dt.datetime(2026, 1, 1, 17)]
    assert pa.array([dt.time(10, tzinfo=dt.UTC), dt.time(10)]).to_pylist() == [dt.time(10)] * 2


def test_arrow_summer_time_ends_in_2037() -> None:
    july = dt.datetime(2050, 7, 1, tzinfo=dt.UTC)
    there = pc.local_timestamp(pa.array([july], pa.timestamp("us", "America/New_York"))).to_pylist()
    assert there == [dt.datetime(2050, 6, 30, 19)]
    assert july.astimezone(NEW_YORK).replace(tzinfo=None) == dt.datetime(2050, 6, 30, 20)


def test_arrow_refuses_a_local_time_that_comes_twice() -> None:
    with pytest.raises(pa.ArrowInvalid, match="ambiguous"):
        pc.assume_timezone(pa.array([dt.datetime(2026, 11, 1, 1, 30)]), "America/New_York")


def test_arrow_stream_that_is_cut_reads_as_whole() -> None:
    table = pa.table({"n": [1, 2]})

    def first_half(new: Callable[[pa.BufferOutputStream, pa.Schema], Any]) -> pa.Buffer:
        sink = pa.BufferOutputStream()
        with new(sink, table.schema) as writer:
            writer.write_table(table)
            half = sink.tell()
            writer.write_table(table)
        return sink.getvalue().slice(0, half)

    assert pa.ipc.open_stream(first_half(pa.ipc.new_stream)).read_all().num_rows == 2
    with pytest.raises(pa.ArrowInvalid):
        pa.ipc.open_file(first_half(pa.ipc.new_file))


# Local time

def test_a_local_time_that_comes_twice_is_the_later_in_sql(duck: duckdb.DuckDBPyConnection, postgres_url: str) -> None:
    later, zone = dt.datetime(2026, 11, 1, 6, 30, tzinfo=dt.UTC).timestamp(), "set TimeZone = 'America/New_York'"
    query = "select extract(epoch from '2026-11-01 01:30'::timestamp::timestamptz)::bigint"
    duck.execute(zone)
    assert duck.execute(query).fetchall() == [(later,)]
    with psycopg.connect(postgres_url) as connection:
        connection.execute(zone)
        assert connection.execute(query).fetchall() == [(later,)]
    assert dt.datetime(2026, 11, 1, 1, 30, tzinfo=NEW_YORK).timestamp() == later - 3600


# PostgreSQL's drivers

def test_adbc_infinity_is_smaller_than_minus_infinity(adbc: Any) -> None:
    adbc.execute("select 'infinity'::timestamp as x, '-infinity'::timestamp as y, 'infinity'::timestamp > now() as z")
    [row] = adbc.fetch_arrow_table().cast(pa.schema({"x": pa.int64(), "y": pa.int64(), "z": pa.bool_()})).to_pylist()
    to_1970 = 946_684_800_000_000  # microseconds from 1970 to PostgreSQL's own epoch, 2000
    assert row == {"x": 2**63 - 1 + to_1970 - 2**64, "y": -(2**63) + to_1970, "z": True}


@pytest.mark.parametrize(("one", "other"), [
    ("5::int8", "4294967300::int8"), ("5::numeric", "(-5)::numeric"), ("'NaN'::numeric", "'Infinity'::numeric"),
    ("'a'::bpchar", "'a '::bpchar"), ("interval '1 month'", "interval '30 days'")])
def test_postgres_hashes_values_alike_that_differ(adbc: Any, one: str, other: str) -> None:
    adbc.execute(f"select hash_record_extended(row({one}), 1) as x, hash_record_extended(row({other}), 1) as y")
    [row] = adbc.fetch_arrow_table().to_pylist()
    assert row["x"] == row["y"]


def test_postgres_sum_of_row_hashes_is_blind_to_swaps(adbc: Any) -> None:
    sums = []
    for seed in ("7", "hash_record_extended(row(k), 7)"):
        for rows in ("('a', 'x'), ('b', 'y')", "('a', 'y'), ('b', 'x')"):
            adbc.execute(f"select sum(hash_record_extended(row(k, v), {seed}))::text as x from (values {rows}) t(k, v)")
            sums += adbc.fetch_arrow_table()["x"].to_pylist()
    assert sums[0] == sums[1]
    assert sums[2] != sums[3]


@pytest.mark.parametrize(("sql", "read"), [
    ("1.50::money", 150), ("4294967295::oid", -1), ("0.1::float4", 0.10000000149011612),
    ("array[[1, 2], [3, 4]]", [1, 2, 3, 4]), ("""'{"a": 1}'::json""", '{"a": 1}'), ("1.50::numeric", "1.50")])
def test_adbc_reads_other_values_than_rows_give(adbc: Any, sql: str, read: object) -> None:
    adbc.execute(f"select {sql} as x")
    assert adbc.fetch_arrow_table()["x"].to_pylist() == [read]


def test_adbc_query_must_not_end_in_a_comment(adbc: Any) -> None:
    adbc.execute("select 1 as x -- one\n")
    assert adbc.fetch_arrow_table()["x"].to_pylist() == [1]
    with pytest.raises(Exception, match="COPY"):
        adbc.execute("select 1 as x -- one")


@pytest.mark.skipif(sys.platform == "win32", reason="a signal of its own cannot be sent there")
def test_adbc_keeps_ctrl_c_to_itself(adbc: Any, postgres_url: str) -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    try:
        began = time.monotonic()
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            _with_ctrl_c(lambda: adbc.execute("select pg_sleep(600)"), lambda: until(
                lambda: admin.execute(f"select 1 from pg_stat_activity where {SLEEPS}").fetchall()))
        assert time.monotonic() - began < 300
        assert seen == []
        adbc.connection.rollback()
        with ThreadPoolExecutor(1) as thread:
            _with_ctrl_c(lambda: thread.submit(adbc.execute, "select pg_sleep(0.3)").result(), lambda: time.sleep(0.1))
        assert seen == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


SLEEPS = "query like '%pg_sleep(600)%' and state = 'active' and pid <> pg_backend_pid()"


def _with_ctrl_c(call: Callable[[], object], ready: Callable[[], object]) -> None:
    """The call, with a SIGINT as soon as ``ready`` returns."""
    interrupter = threading.Thread(target=lambda: (ready(), os.kill(os.getpid(), signal.SIGINT)))
    interrupter.start()
    try:
        call()
    finally:
        interrupter.join()


@pytest.mark.parametrize("value", ["'infinity'::timestamptz", "'0044-03-15 BC'::date", "'24:00'::time"])
def test_psycopg_one_odd_time_ends_the_read(postgres_url: str, value: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        cursor = connection.execute(f"select now()::text, {value} union all select 'good', null")
        with pytest.raises(psycopg.DataError):
            cursor.fetchall()


# MySQL's driver

def test_pymysql_zero_date_is_text() -> None:
    assert convert_datetime("0000-00-00 00:00:00") == "0000-00-00 00:00:00"


def test_pymysql_drops_the_offset_of_a_parameter() -> None:
    assert escape_item(dt.datetime(2026, 1, 1, 12, tzinfo=NEW_YORK), "utf8mb4") == "'2026-01-01 12:00:00'"


def test_pymysql_boolean_is_any_small_number(maria: Any) -> None:
    with maria.cursor() as cursor:
        cursor.execute("create temporary table t (yes boolean, document json)")
        cursor.execute("insert into t values (2, '{}')")
        cursor.execute("select yes, document from t")
        assert cursor.fetchall() == ((2, "{}"),)
        # The code of tinyint with a width of 1, and that of a text: 245 would be JSON's.
        assert [column[1] for column in cursor.description] == [1, 252]
        assert cursor.description[0][3] == 1


def test_pymysql_second_stream_ends_the_first(maria: Any) -> None:
    first, second = maria.cursor(SSCursor), maria.cursor(SSCursor)
    first.execute("select seq from seq_1_to_100")
    assert first.fetchone() == (1,)
    with pytest.warns(UserWarning, match="incomplete"):
        second.execute("select 7")
    assert first.fetchone() is None
    assert second.fetchall() == [(7,)]


# SQLite

def test_sqlite_every_text_is_larger_than_every_number() -> None:
    with sqlite3.connect(":memory:") as connection:
        assert connection.execute("select 1793836800 < '2026-11-05', 9e999 < ''").fetchall() == [(1, 1)]
        assert connection.execute("select '2026-11-05T09:00' < '2026-11-05 14:00'").fetchall() == [(0,)]


def test_sqlite_declared_types_are_hints_that_views_keep() -> None:
    with sqlite3.connect(":memory:") as connection:
        connection.executescript("create table t (n integer); insert into t values ('x'), (2);"
                                 "create temp view v as select n, 1 + 1 as two from t")
        assert connection.execute("select typeof(n) from t").fetchall() == [("text",), ("integer",)]
        assert [row[1:3] for row in connection.execute("pragma table_info(v)")] == [("n", "INTEGER"), ("two", "")]


# SQLAlchemy

def test_sqlalchemy_text_ignores_yield_per() -> None:
    with create_engine("sqlite://").connect() as connection:
        values = text("with recursive t(n) as (select 1 union all select n + 1 from t where n < 9) select n from t")
        parts = connection.execution_options(yield_per=4).execute(values).partitions()
        assert [len(part) for part in parts] == [1] * 9


def test_sqlalchemy_text_has_parameters_in_quotes() -> None:
    assert list(text("select ':since', payload:plan, x::date")._bindparams) == ["since"]
    assert list(text("select {'a':1}")._bindparams) == ["1"]
    assert list(text(r"select '\:since'")._bindparams) == []


def test_sqlalchemy_reads_a_literal_as_a_parameter_of_sqlite() -> None:
    sql, values = text("select '%(since)s', :since"), {"since": 1}
    with create_engine("sqlite://").connect() as connection, pytest.raises(ProgrammingError, match=r"select '\?', \?"):
        connection.execute(sql, values)
    with create_engine("sqlite://", paramstyle="named").connect() as connection:
        assert connection.execute(sql, values).fetchall() == [("%(since)s", 1)]


# httpx

class _Drip(httpcore.NetworkStream):
    """An answer of which a byte comes with each reading, after a part of the timeout; it notes how long each may take.
    """

    def __init__(self) -> None:
        self.left = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nxxxxxx"
        self.limits: list[float | None] = []

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.limits.append(timeout)
        time.sleep(0.01)
        found, self.left = self.left[:1], self.left[1:]
        return found

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """What is asked does not matter."""

    def close(self) -> None:
        """Nothing is open."""


class _Network(httpcore.NetworkBackend):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def connect_tcp(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
        return self._stream


def test_httpx_timeout_is_for_each_part() -> None:
    stream, transport = _Drip(), httpx.HTTPTransport()
    transport._pool = httpcore.ConnectionPool(network_backend=_Network(stream))
    with httpx.Client(transport=transport, timeout=0.4) as client:
        answer = client.get("http://127.0.0.1")
    # However much time has passed.
    assert (answer.text, set(stream.limits), len(stream.limits) > 40) == ("xxxxxx", {0.4}, True)


def test_httpx_refuses_a_proxy_without_a_scheme() -> None:
    with pytest.raises(ValueError, match="Unknown scheme"):
        httpx.Client(proxy="proxy.example:3128")


def test_httpcore_pools_take_a_network_backend_and_httpx_does_not() -> None:
    assert "network_backend" not in inspect.signature(httpx.HTTPTransport).parameters
    reached = []

    class Backend(httpcore.NetworkBackend):
        def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.NetworkStream:
            reached.append((host, port))
            return httpcore.MockStream([b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"])

    for pool in (httpcore.ConnectionPool(network_backend=Backend()),
                 httpcore.HTTPProxy("http://proxy.example:3128", network_backend=Backend())):
        with pool:
            assert pool.request("GET", "http://candu.example/").content == b"ok"
    assert reached == [("candu.example", 80), ("proxy.example", 3128)]


# obstore

def test_obstore_create_is_put_if_absent(tmp_path: Path) -> None:
    for store in (MemoryStore(), LocalStore(tmp_path)):
        obstore.put(store, "a", b"1", mode="create")
        with pytest.raises(AlreadyExistsError):
            obstore.put(store, "a", b"2", mode="create")


def test_obstore_prefix_is_whole_parts_of_a_path() -> None:
    store = MemoryStore()
    for name in ("a/1", "ab/2"):
        obstore.put(store, name, b"")
    assert [item["path"] for chunk in obstore.list(store, "a") for item in chunk] == ["a/1"]


# Dagster

def test_dagster_checks_static_keys_and_no_dynamic_ones() -> None:
    import dagster as dg

    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("segment", ["a...b", "", "\t"])
        assert instance.get_dynamic_partitions("segment") == ["a...b", "", "\t"]
    with pytest.raises(dg.DagsterInvalidDefinitionError):
        dg.StaticPartitionsDefinition(["a...b"])


def test_dagster_joins_two_keys_in_the_order_of_their_names() -> None:
    import dagster as dg

    static = dg.StaticPartitionsDefinition
    both = dg.MultiPartitionsDefinition({"segment": static(["eu"]), "date": static(["2026-11-05"])})
    assert list(both.get_partition_keys()) == ["2026-11-05|eu"]


def test_dagster_own_automation_sensor_is_stopped() -> None:
    import dagster as dg

    assert dg.AutomationConditionSensorDefinition("x", target="*").default_status is dg.DefaultSensorStatus.STOPPED


def test_dagster_merges_one_resource_not_two_that_are_equal() -> None:
    import dagster as dg

    class Warehouse(dg.ConfigurableResource[Any]):
        url: str = "x"

    one, twin = Warehouse(), Warehouse()
    assert one == twin
    dg.Definitions.merge(*(dg.Definitions(resources={"w": one}) for _ in range(2)))
    with pytest.raises(dg.DagsterInvariantViolationError):
        dg.Definitions.merge(*(dg.Definitions(resources={"w": each}) for each in (one, twin)))


def test_dagster_cancelling_is_no_exception() -> None:
    from dagster import DagsterExecutionInterruptedError

    assert issubclass(DagsterExecutionInterruptedError, BaseException)
    assert not issubclass(DagsterExecutionInterruptedError, Exception)


def test_dagster_check_within_an_asset_comes_after_it() -> None:
    import dagster as dg

    sent: list[str] = []

    @dg.asset(check_specs=[dg.AssetCheckSpec("is_small", asset="pushed", blocking=True)])
    def pushed() -> Iterator[Any]:
        sent.append("everything")
        yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=False, check_name="is_small")])

    assert not dg.materialize([pushed], raise_on_error=False).success
    assert sent == ["everything"]


# sqlglot

@pytest.mark.parametrize(("sql", "wrong"), [
    ("select id, name from users union all by name select name, id from accounts", "accounts.name"),
    ("select id from users except select banned from bans", "bans.banned"),
    ("select id from users, lateral (select x.id from accounts x where x.owner = users.id) l", "x.owner")])
def test_sqlglot_lineage_names_other_columns(sql: str, wrong: str) -> None:
    from sqlglot.lineage import lineage

    leaves = {step.name for step in lineage("id", sql, {}, dialect="duckdb").walk() if not step.downstream}
    assert wrong in leaves


# PyYAML

def test_yaml_reads_plain_words_as_version_1_1() -> None:
    read = yaml.safe_load("{a: no, b: 12:30, c: 010, d: 1e3, e: 1, e: 2}")
    assert read == {"a": False, "b": 750, "c": 8, "d": "1e3", "e": 2}


# The table

def rows() -> list[list[str]]:
    """The cells of the rows of docs/stack.md."""
    lines = (ROOT / "docs" / "stack.md").read_text("utf-8").splitlines()
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines if "`test_" in line]


def test_every_row_has_its_test_and_every_test_its_row() -> None:
    tests = [name for name in globals() if name.startswith("test_") and not name.startswith("test_every_")]
    assert sorted(row[-1].strip("`") for row in rows()) == sorted(tests)


def test_every_version_is_one_that_is_installed() -> None:
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if "==" in line)
    installed = {name.lower().replace("_", "-"): version for name, version in pins.items()}
    installed |= {"sqlite": sqlite3.sqlite_version, "python": ".".join(map(str, sys.version_info[:3]))}
    for row in rows():
        named = re.findall(r"`([a-z][\w-]*) ([<>=][^`]*)`", row[0])
        assert named, f"no version: {row[-1]}"
        for name, versions in named:
            assert SpecifierSet(versions).contains(installed[name]), f"{name} {installed[name]}: {row[-1]}"


def test_every_module_that_a_row_names_is_there() -> None:
    for row in rows():
        modules = re.findall(r"`((?:candu_sync|dagster_defs)/[\w/]+\.py)`", row[3])
        assert modules, f"no module: {row[-1]}"
        for module in modules:
            assert (ROOT / module).is_file(), module
