"""One value that cannot be read costs its own row, with one reason, by every path; the other rows go."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pymysql
import pytest
from sqlalchemy import Engine, make_url

from candu_sync.errors import ModelError, WarehouseError
from candu_sync.rows.result import Result
from candu_sync.simulator import Simulator
from candu_sync.syncs.spec import Kind
from candu_sync.warehouse import Reading, open_warehouse
from candu_sync.warehouse.adbc import read_adbc
from candu_sync.warehouse.connect import open_engine
from candu_sync.warehouse.duckdb_arrow import read_duckdb
from candu_sync.warehouse.postgres_copy import read_copy
from candu_sync.warehouse.query import Query
from candu_sync.warehouse.rows import read_rows
from tests.support.lab import Lab

Path_ = Callable[[Query], Reading | None]

OUT_OF_RANGE, UNREAD = "timestamp out of range", "timestamp cannot be read"
NOT_AN_ID, TOO_LARGE = "id is neither text nor a whole number", "integer beyond 2^53"
DIGITS = "9" * 80
LONGEST = "9" * 300


def outcomes(lab: Lab, kind: Kind, reading: Reading | None) -> dict[str, str | None]:
    """Key → why the row is set aside; rows without a key under their plan or event."""
    assert reading is not None
    with reading:
        result = Result(lab.sync(f"{kind}/model", "select 1"), reading.names, declared=reading.declared)
        rows = [row for batch in result.batches(reading) for row in batch.to_pylist()]
    return {row["key"] or row.get("event") or row["t0"]: row["reason"] for row in rows}


@pytest.fixture(scope="module")
def postgresql(postgres_url: str) -> Engine:
    return open_engine(postgres_url)


POSTGRES = pytest.mark.parametrize("path", [read_adbc, read_copy, read_rows])


def events(*times: str) -> str:
    rows = [f"select 'e{n}' as event_id, 'u' as user_id, 'seen' as event, {time} as timestamp"
            for n, time in enumerate(times)]
    return " union all ".join(rows)


@POSTGRES
@pytest.mark.parametrize("type_", ["timestamp", "timestamptz", "date"])
def test_postgres_times_beyond_the_calendar(lab: Lab, postgresql: Engine, path: Path_, type_: str) -> None:
    odd = ["infinity", "-infinity", "10000-01-01", "0044-03-15 BC"]
    sql = events(f"'2026-01-05'::{type_}", *(f"'{text}'::{type_}" for text in odd))
    assert outcomes(lab, "events", path(Query(postgresql, sql))) == {"e0": None} | {
        f"e{n}": OUT_OF_RANGE for n in range(1, 5)}


@pytest.mark.parametrize("type_", ["timestamp", "timestamptz", "date", "timestamp_s", "timestamp_ms"])
def test_duckdb_times_beyond_the_calendar(lab: Lab, type_: str) -> None:
    odd = ["infinity", "-infinity", "20000-01-01", "44-03-15 (BC)"]
    sql = events(f"'2026-01-05'::{type_}", *(f"'{text}'::{type_}" for text in odd))
    assert outcomes(lab, "events", read_duckdb(Query(open_engine("duckdb:///:memory:"), sql))) == {"e0": None} | {
        f"e{n}": OUT_OF_RANGE for n in range(1, 5)}


def test_duckdb_infinity_to_the_nanosecond(lab: Lab) -> None:
    sql = events("'2026-01-05'::timestamp_ns", "'infinity'::timestamp_ns", "'-infinity'::timestamp_ns")
    assert outcomes(lab, "events", read_duckdb(Query(open_engine("duckdb:///:memory:"), sql))) == {
        "e0": None, "e1": OUT_OF_RANGE, "e2": OUT_OF_RANGE}


@pytest.fixture(scope="module")
def mariadb(mariadb_url: str) -> Iterator[pymysql.cursors.Cursor]:
    address = str(make_url(mariadb_url).query["unix_socket"])
    with pymysql.connect(unix_socket=address, user="root", database="wh", autocommit=True) as connection:
        cursor = connection.cursor()
        cursor.execute("set sql_mode = ''")
        yield cursor


@pytest.mark.parametrize("type_", ["datetime", "date", "timestamp"])
def test_mariadb_zero_dates(lab: Lab, mariadb_url: str, mariadb: pymysql.cursors.Cursor, type_: str) -> None:
    mariadb.execute(f"create or replace table odd_times (event_id varchar(5), seen {type_} null)")
    mariadb.execute("insert into odd_times values ('good', '2026-01-05'), ('zero', '0000-00-00')")
    sql = "select event_id, 'u' as user_id, 'seen' as event, seen as timestamp from odd_times"
    assert outcomes(lab, "events", read_rows(Query(open_engine(mariadb_url), sql))) == {
        "good": None, "zero": OUT_OF_RANGE}


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_mariadb_a_number_among_booleans_whatever_the_order(
    lab: Lab, mariadb_url: str, mariadb: pymysql.cursors.Cursor, order: str
) -> None:
    mariadb.execute("create or replace table flags (user_id varchar(5), active tinyint(1))")
    mariadb.execute("insert into flags values ('a', 7), ('b', 1), ('c', 0)")
    sql = f"select user_id, active from flags order by user_id {order}"
    assert outcomes(lab, "users", read_rows(Query(open_engine(mariadb_url), sql))) == {
        "a": "active is number, elsewhere boolean", "b": None, "c": None}


def test_mariadb_types_with_values_of_their_own(mariadb_url: str, mariadb: pymysql.cursors.Cursor) -> None:
    mariadb.execute("create or replace table own (b bit(8), y year, u bigint unsigned, z int(5) zerofill, j json)")
    mariadb.execute("insert into own values (b'101', 2026, 18446744073709551615, 42, '{\"a\": 1}')")
    with open_warehouse(mariadb_url) as warehouse:
        [batch] = warehouse.read("select * from own", {})
    assert batch.to_pylist() == [{"b": "00000101", "y": 2026, "u": "18446744073709551615", "z": 42, "j": '{"a": 1}'}]


def sqlite_engine(folder: Path, *statements: str) -> Engine:
    with sqlite3.connect(folder / "odd.sqlite") as lite:
        for statement in statements:
            lite.execute(statement)
    return open_engine(f"sqlite:///{folder}/odd.sqlite")


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_sqlite_an_integer_among_times(lab: Lab, tmp_path: Path, order: str) -> None:
    engine = sqlite_engine(tmp_path, "create table e(event_id, at)", "insert into e values ('a', 1767571200), "
                           "('b', '2026-01-05 10:00'), ('c', 'infinity'), ('d', x'00'), ('e', '2026-01-06')")
    sql = f"select event_id, 'u' as user_id, 'seen' as event, at as timestamp from e order by event_id {order}"
    assert outcomes(lab, "events", read_rows(Query(engine, sql))) == {
        "a": UNREAD, "b": None, "c": UNREAD, "d": UNREAD, "e": None}


def test_sqlite_a_blob_and_bytes_that_are_no_text_among_ids(lab: Lab, tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path, "create table p(user_id, plan)", "insert into p values ('u1', 'pro'), "
                           "(7, 'seven'), (x'00ff', 'blob'), (cast(x'ff' as text), 'bytes'), (1.5, 'half'), "
                           "('u2', x'00')")
    assert outcomes(lab, "users", read_rows(Query(engine, "select * from p"))) == {
        "u1": None, "7": None, "blob": NOT_AN_ID, "bytes": NOT_AN_ID, "half": "id is not a whole number",
        "u2": "plan holds binary"}


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_sqlite_the_declared_type_decides_in_a_mixed_column(lab: Lab, tmp_path: Path, order: str) -> None:
    engine = sqlite_engine(tmp_path, "create table p(user_id text, seats integer, note)",
                           "insert into p values ('a', 'many', 'x'), ('b', 5, 'y'), ('c', 6, 'z')")
    sql = f"select user_id, seats from p order by user_id {order}"
    assert outcomes(lab, "users", read_rows(Query(engine, sql))) == {
        "a": "seats is text, elsewhere number", "b": None, "c": None}
    with engine.connect() as connection:
        assert connection.exec_driver_sql("pragma query_only").scalar() == 1


def test_a_column_that_is_wrong_in_every_row_is_the_models_error(lab: Lab, tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path, "create table p(user_id, plan)", "insert into p values (x'00', 'a'), (x'01', 'b')")
    with pytest.raises(ModelError, match="column user_id: binary cannot be a value: encode it as text"):
        outcomes(lab, "users", read_rows(Query(engine, "select * from p")))


JSON_IDS = {'"u1"': None, "7": None, "true": NOT_AN_ID, '{"a": 1}': NOT_AN_ID, "[1]": NOT_AN_ID, "-0": None,
            "null": "null key", DIGITS: None}


def test_duckdb_json_ids(lab: Lab) -> None:
    rows = ", ".join(f"('{text}'::json, 'p{n}')" for n, text in enumerate(JSON_IDS))
    found = outcomes(lab, "users", read_duckdb(Query(open_engine("duckdb:///:memory:"),
                                                     f"from (values {rows}) t(user_id, plan)")))
    assert found == {"u1": None, "7": None, "p2": NOT_AN_ID, "p3": NOT_AN_ID, "p4": NOT_AN_ID, "0": None,
                     "p6": "null key", DIGITS: None}


@pytest.mark.parametrize("type_", ["json", "jsonb"])
@pytest.mark.parametrize("path", [read_copy, read_rows])
def test_postgres_json_ids(lab: Lab, postgresql: Engine, path: Path_, type_: str) -> None:
    rows = ", ".join(f"('{text}'::{type_}, 'p{n}')" for n, text in enumerate(JSON_IDS))
    found = outcomes(lab, "users", path(Query(postgresql, f"select * from (values {rows}) t(user_id, plan)")))
    assert found == {"u1": None, "7": None, "p2": NOT_AN_ID, "p3": NOT_AN_ID, "p4": NOT_AN_ID, "0": None,
                     "p6": "null key", DIGITS: None}


def test_a_second_run_keeps_the_kind_whatever_row_comes_first(tmp_path: Path, simulator: Simulator) -> None:
    lab = Lab(tmp_path, simulator)
    lab.query("""create table people as from (values ('a', '5'::json), ('b', '6'::json), ('c', '"many"'::json))
                 t(user_id, seats)""")
    found = []
    for order in ("asc", "desc"):
        sync = lab.sync("users/p", f"select * from people order by user_id {order}")
        plan = lab.plan(sync)
        found.append((plan.summary.added, plan.summary.unchanged, plan.summary.reasons))
        if order == "asc":
            lab.run(sync)
    reasons = {"seats is text, elsewhere number": 1}
    assert found == [(2, 0, reasons), (0, 2, reasons)]


DEEP = 5_000
JSON_TRAITS = {"a": "7.5", "b": DIGITS, "c": LONGEST, "d": "[" * DEEP + "]" * DEEP, "e": "null", "f": '{"n": {}}'}
JSON_REASONS = {"a": None, "b": f"plan: {TOO_LARGE}", "c": f"plan: {TOO_LARGE}", "d": "plan holds an array", "e": None,
                "f": "plan holds an object"}


@pytest.mark.parametrize("path", [read_copy, read_rows])
def test_postgres_json_of_any_size(lab: Lab, postgresql: Engine, path: Path_) -> None:
    rows = ", ".join(f"('{key}', '{text}'::jsonb)" for key, text in JSON_TRAITS.items())
    assert outcomes(lab, "users", path(Query(postgresql, f"select * from (values {rows}) t(user_id, plan)"))) == (
        JSON_REASONS)


def test_duckdb_json_of_any_size(lab: Lab) -> None:
    shallow = JSON_TRAITS | {"d": "[" * 200 + "]" * 200}
    rows = ", ".join(f"('{key}', '{text}'::json)" for key, text in shallow.items())
    assert outcomes(lab, "users", read_duckdb(Query(open_engine("duckdb:///:memory:"),
                                                    f"from (values {rows}) t(user_id, plan)"))) == JSON_REASONS


@POSTGRES
def test_postgres_numbers_of_any_length(lab: Lab, postgresql: Engine, path: Path_) -> None:
    numbers = ["5", "9" * 39, "9" * 77, "0." + "1" * 100, "NaN", "-0.00", LONGEST + ".5"]
    rows = ", ".join(f"('u{n}', '{number}'::numeric)" for n, number in enumerate(numbers))
    found = outcomes(lab, "users", path(Query(postgresql, f"select * from (values {rows}) t(user_id, n)")))
    large = f"n: {TOO_LARGE}"
    assert found == {"u0": None, "u1": large, "u2": large, "u3": None, "u4": None, "u5": None, "u6": None}
    ids = ", ".join(f"({number}::numeric, 'p')" for number in ("7.00", "9" * 90, "-0.0"))
    assert outcomes(lab, "users", path(Query(postgresql, f"select * from (values {ids}) t(user_id, plan)"))) == {
        "7": None, "9" * 90: None, "0": None}


@pytest.mark.parametrize(("type_", "numbers"), [
    ("uhugeint", [0, 2**127 - 1, 2**127, 2**128 - 1]), ("hugeint", [-(2**127), -(10**38), 0, 2**127 - 1]),
    ("bignum", [0, 10**100, -(10**100)])])
def test_duckdb_integers_keep_their_sign_and_digits_as_ids(lab: Lab, type_: str, numbers: list[int]) -> None:
    rows = ", ".join(f"('{number}'::{type_}, 'p')" for number in numbers)
    assert outcomes(lab, "users", read_duckdb(Query(open_engine("duckdb:///:memory:"),
                                                    f"from (values {rows}) t(user_id, plan)"))) == {
        str(number): None for number in numbers}


@pytest.mark.parametrize(("sql", "value"), [
    ("7.5::variant", "7.5"), ("'a'::variant", "a"), ("true::variant", True), ("{'a': 1}::variant", "an object"),
    ("[1]::variant", "an array"), ("null::variant", None), ("'101'::bit", "101"),
    ("time_ns '10:30:00.123456789'", "10:30:00.123456789")])
def test_duckdb_types_that_arrow_lacks(lab: Lab, sql: str, value: object) -> None:
    reading = read_duckdb(Query(open_engine("duckdb:///:memory:"), f"select {sql} as x"))
    [batch] = reading
    column = batch.column(0)
    found = column.cast("string") if str(column.type).startswith("time") else column
    assert found.to_pylist() == [value]


def test_a_union_is_refused_in_words(lab: Lab) -> None:
    sql = "select union_value(k := 5) as user_id, 'p' as plan union all select union_value(k := 6), 'q'"
    with pytest.raises(ModelError, match="column user_id: a union cannot be a value: select one of its members"):
        outcomes(lab, "users", read_duckdb(Query(open_engine("duckdb:///:memory:"), sql)))


@pytest.fixture(scope="module")
def encoded(postgres_url: str) -> dict[str, str]:
    """Databases of two encodings, with a table of two texts; SQL_ASCII has bytes of LATIN1 in one of them."""
    urls = {}
    for encoding in ("LATIN1", "SQL_ASCII"):
        name = f"wh_{encoding.lower()}"
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            admin.execute(f"create database {name} encoding '{encoding}' locale 'C' template template0")
        url = make_url(postgres_url).set(database=name)
        urls[encoding] = url.render_as_string(hide_password=False)
        with psycopg.connect(urls[encoding], autocommit=True, client_encoding="utf-8") as admin:
            admin.execute("create table people (user_id text, plan text)")
            admin.execute("create type mood as enum ('ruhig')")
            admin.execute("insert into people values ('u1', 'Ã©'), ('u2', 'plain')")
            if encoding == "SQL_ASCII":
                admin.execute(rb"insert into people values ('u3', E'caf\xe9'), (E'\xfc', 'key')")
    return urls


@POSTGRES
@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_postgres_in_another_encoding_is_read_as_utf8(encoded: dict[str, str], path: Path_, encoding: str) -> None:
    reading = path(Query(open_engine(encoded[encoding]), "select *, 'ruhig'::mood from people"))
    assert reading is not None
    found = {row["user_id"]: row["plan"] for batch in reading for row in batch.to_pylist()}
    assert (found["u1"], found["u2"]) == ("Ã©", "plain")


@POSTGRES
def test_postgres_bytes_that_are_no_text_set_their_row_aside(lab: Lab, encoded: dict[str, str], path: Path_) -> None:
    reading = path(Query(open_engine(encoded["SQL_ASCII"]), "select * from people"))
    assert outcomes(lab, "users", reading) == {
        "u1": None, "u2": None, "u3": "plan holds text that is not UTF-8", "key": NOT_AN_ID}


def test_sql_that_such_a_database_cannot_be_sent_by_rows_is_one_sentence(encoded: dict[str, str]) -> None:
    with open_warehouse(encoded["SQL_ASCII"]) as warehouse:
        assert warehouse.values("select 'é'") == ["é"]
        with pytest.raises(WarehouseError, match="refused the query: 'ascii' codec can't encode"):
            warehouse.read("select 'é', inet '10.0.0.1'", {})


def test_a_url_cannot_choose_another_encoding(encoded: dict[str, str]) -> None:
    with open_warehouse(f"{encoded['LATIN1']}&client_encoding=latin1") as warehouse:
        assert warehouse.values("select plan from people where user_id = 'u1'") == ["Ã©"]


PATHS_OF_ONE_LONG_TEXT = {
    "duckdb": "select 'u' || i as user_id, case when i = 3 then repeat('é', 25000000) else 'p' end as plan "
              "from range(10) t(i)",
    "sqlite": "select 'u' || value as user_id, case when value = 3 then replace(hex(zeroblob(12500000)), '0', 'é') "
              "else 'p' end as plan from json_each('[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]')",
}


@POSTGRES
def test_postgres_one_text_of_50_mb_costs_its_row(lab: Lab, postgresql: Engine, path: Path_) -> None:
    sql = "select 'u' || i as user_id, repeat('é', case when i = 3 then 25000000 else 1 end) as plan from {}"
    reading = path(Query(postgresql, sql.format("generate_series(1, 4) i")))
    assert outcomes(lab, "users", reading) == {"u1": None, "u2": None, "u3": "plan: message over 32 KB", "u4": None}


@pytest.mark.slow
@pytest.mark.parametrize("dialect", PATHS_OF_ONE_LONG_TEXT)
def test_one_text_of_50_mb_costs_its_row_and_no_memory(tmp_path: Path, dialect: str) -> None:
    """The peak is looked at in a process of its own; the engine of the diff has 64 MB."""
    (tmp_path / "sql" / "users").mkdir(parents=True)
    (tmp_path / "sql" / "users" / "p.sql").write_text(PATHS_OF_ONE_LONG_TEXT[dialect])
    script = (
        "import json; from tests.support.memory import peak_mb\n"
        "from candu_sync import pipeline; from candu_sync.project import Project\n"
        "from candu_sync.target import Target\n"
        "from candu_sync.settings import load_settings; from candu_sync.syncs.sync import load_syncs\n"
        f"folder = {str(tmp_path)!r}\n"
        "settings = load_settings(api_url='http://127.0.0.1:9/api', api_key='k', state_url=folder + '/state',\n"
        f"    warehouse_url='{dialect}:///:memory:', sql_dir=folder + '/sql', memory=128_000_000)\n"
        "with Project(settings) as project:\n"
        "    sync = load_syncs(settings.sql_dir).syncs['users/p']\n"
        "    summary = pipeline.plan(Target(project, sync)).summary\n"
        "print(json.dumps([summary.added, summary.reasons, peak_mb()]))")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    added, reasons, peak = json.loads(done.stdout)
    assert (added, reasons) == (9, {"plan: message over 32 KB": 1})
    assert peak < 900, f"it took {peak} MB"
