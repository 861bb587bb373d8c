"""One table of SQL types, and the canonical value that each must come out as: by every dialect, by every path.

The table is written in docs/warehouses.md too; ``python -m tests.warehouse.test_matrix`` prints it.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pymysql
import pytest
from sqlalchemy import Engine, make_url

from candu_sync.rows.kinds import Unsendable
from candu_sync.rows.values import canonical
from candu_sync.warehouse.adbc import read_adbc
from candu_sync.warehouse.connect import open_engine
from candu_sync.warehouse.duckdb_arrow import read_duckdb
from candu_sync.warehouse.postgres_copy import read_copy
from candu_sync.warehouse.query import Query
from candu_sync.warehouse.reading import Reading
from candu_sync.warehouse.rows import read_rows
from candu_sync.warehouse.snowflake_arrow import read_snowflake

REFUSED = "refused"
ASIDE = "row set aside"

DOCS = Path(__file__).parents[2] / "docs" / "warehouses.md"


@dataclass(frozen=True)
class Row:
    """A type with a value: what it must come out as, and how each dialect writes it (MariaDB: a column's type and the
    value that is put in it). None: the dialect has no such type."""

    what: str
    value: object
    duckdb: str | None = None
    postgresql: str | None = None
    sqlite: str | None = None
    mariadb: str | None = None
    snowflake: str | None = None


NOON = dt.datetime(2026, 1, 5, 12, 30)
MIDNIGHT = dt.datetime(2026, 1, 5)
UUID = "6f1c3a52-0000-4000-8000-00000000abcd"

TABLE = [
    Row("tiny integer", -7.0, "(-7)::tinyint", None, None, "tinyint = -7"),
    Row("small integer", -7.0, "(-7)::smallint", "(-7)::int2", "-7", "smallint = -7"),
    Row("integer", 2_000_000_000.0, "2000000000::int", "2000000000::int4", "2000000000", "int = 2000000000",
        "2000000000::int"),
    Row("big integer, to 2^53", 2.0**53, "9007199254740992", "9007199254740992::int8", "9007199254740992",
        "bigint = 9007199254740992", "9007199254740992::bigint"),
    Row("big integer, beyond", ASIDE, "9007199254740993", "9007199254740993::int8", "9007199254740993",
        "bigint = 9007199254740993", "9007199254740993::bigint"),
    Row("unsigned big integer", ASIDE, "18446744073709551615::ubigint", None, None,
        "bigint unsigned = 18446744073709551615"),
    Row("huge integer", ASIDE, "170141183460469231731687303715884105727::hugeint",
        "170141183460469231731687303715884105727::numeric", None,
        "decimal(39) = 170141183460469231731687303715884105727"),
    Row("unsigned huge integer", ASIDE, "340282366920938463463374607431768211455::uhugeint"),
    Row("integer of any length", ASIDE, f"'{'9' * 80}'::bignum", f"'{'9' * 80}'::numeric", None,
        f"decimal(65) = {'9' * 65}"),
    Row("integer, filled with zeros", 42.0, None, None, None, "int(5) zerofill = 42"),
    Row("year", 2026.0, None, None, None, "year = 2026"),
    Row("object identifier, from 2^31 on", 4_000_000_000.0, None, "4000000000::oid"),
    Row("decimal, negative zero", 0.0, "'-0.0'::decimal(5, 1)", "'-0.0'::numeric", None, "decimal(5, 1) = '-0.0'"),
    Row("decimal with more places than any double", 0.1111111111111111, None, f"0.{'1' * 100}::numeric"),
    Row("decimal, a whole number beyond 2^53", ASIDE, "9007199254740993.00::decimal(20, 2)",
        "9007199254740993.00::numeric(20, 2)", None, "decimal(20, 2) = 9007199254740993.00",
        "9007199254740993.00::number(20, 2)"),
    Row("decimal", 1.5, "1.50::decimal(10, 2)", "1.50::numeric(10, 2)", None, "decimal(10, 2) = 1.50",
        "1.50::number(10, 2)"),
    Row("decimal without a scale", 0.1, None, "0.1::numeric"),
    Row("long decimal, to the nearest double", 12345678901234.568, "12345678901234.5678::decimal(38, 4)",
        "12345678901234.5678::numeric", None, "decimal(38, 4) = 12345678901234.5678",
        "12345678901234.5678::number(38, 4)"),
    Row("decimal that is no number", None, None, "'NaN'::numeric"),
    Row("32-bit float", 1.1, "1.1::float4", "1.1::float4", None, "float = 1.1"),
    Row("64-bit float", 0.1, "0.1::float8", "0.1::float8", "0.1", "double = 0.1", "0.1::float"),
    Row("float, negative zero", 0.0, "'-0'::float8", "'-0'::float8", "-0.0", "double = -0.0"),
    Row("float, NaN and infinity", None, "'NaN'::float8", "'-Infinity'::float8", "9e999"),
    Row("boolean", True, "true", "true", None, "boolean = true", "true"),
    Row("boolean, as a number", 1.0, None, None, "true", "int = true"),
    Row("one bit", True, None, None, None, "bit(1) = b'1'"),
    Row("bits", "00000101", "'00000101'::bit", "b'00000101'", None, "bit(8) = b'101'"),
    Row("text", "é🙂 x ", "'é🙂 x '", "'é🙂 x '", "'é🙂 x '", "text = 'é🙂 x '", "'é🙂 x '"),
    Row("empty text", "", "''", "''", "''", "varchar(5) = ''", "''"),
    Row("char(4)", "ab", "'ab'::char(4)", None, "cast('ab' as char(4))", "char(4) = 'ab'", "'ab'::char(4)"),
    Row("char(4), padded", "ab  ", None, "'ab'::char(4)"),
    Row("one character", "a", None, "'a'::\"char\""),
    Row("domain", "a", None, "'a'::label"),
    Row("money", "$12.50", None, "'12.50'::money"),
    Row("date", MIDNIGHT, "date '2026-01-05'", "date '2026-01-05'", None, "date = '2026-01-05'",
        "'2026-01-05'::date"),
    Row("date, as text", "2026-01-05", None, None, "date('2026-01-05')"),
    Row("date that is none", ASIDE, "'infinity'::date", "'infinity'::date", None, "date = '0000-00-00'"),
    Row("time", "10:30:00.5", "time '10:30:00.500'", "time '10:30:00.500'", None, "time(3) = '10:30:00.500'",
        "'10:30:00.500'::time"),
    Row("time of a day with 24 hours", "24:00:00", "time '24:00:00'", "'24:00'::time"),
    Row("time with a zone", "10:30:00+02:00", "'10:30:00+02'::timetz", "'10:30+02'::timetz"),
    Row("time with a zone and a fraction", "10:30:00.5-15:59:59", "'10:30:00.5-15:59:59'::timetz",
        "'10:30:00.500-15:59:59'::timetz"),
    Row("time with a zone at 24 hours", "24:00:00+02:00", "'24:00:00+02'::timetz", "'24:00+02'::timetz"),
    Row("timestamp without a zone", NOON, "timestamp '2026-01-05 12:30:00.9'",
        "timestamp '2026-01-05 12:30:00.9'", None, "datetime(3) = '2026-01-05 12:30:00.9'",
        "'2026-01-05 12:30:00.9'::timestamp_ntz"),
    Row("timestamp with a zone", NOON, "timestamptz '2026-01-05 14:30:00+02'", "timestamptz '2026-01-05 14:30:00+02'",
        None, "timestamp = '2026-01-05 12:30:00'", "'2026-01-05 14:30:00 +0200'::timestamp_tz"),
    Row("timestamp far away", dt.datetime(9999, 12, 31, 23, 59, 59), "timestamp '9999-12-31 23:59:59'",
        "timestamp '9999-12-31 23:59:59'", None, "datetime = '9999-12-31 23:59:59'"),
    Row("timestamp beyond year 9999", ASIDE, "'20000-01-01'::timestamp", "'20000-01-01'::timestamptz"),
    Row("timestamp to the nanosecond", NOON, "timestamp_ns '2026-01-05 12:30:00.123456789'"),
    Row("infinity to the nanosecond", ASIDE, "'infinity'::timestamp_ns"),
    Row("time to the nanosecond", "10:30:00.123456789", "time_ns '10:30:00.123456789'"),
    Row("UUID", UUID, f"'{UUID}'::uuid", f"'{UUID}'::uuid", None, f"uuid = '{UUID}'"),
    Row("enum", "calm", "'calm'::enum('calm', 'glad')", "'calm'::mood", None, "enum('calm', 'glad') = 'calm'"),
    Row("JSON number", 7.5, "'7.5'::json", "'7.5'::jsonb", None, None, "parse_json('7.5')"),
    Row("JSON number of any length", ASIDE, f"'{'9' * 80}'::json", f"'{'9' * 80}'::jsonb"),
    Row("variant", 7.5, "7.5::variant", None, None, None, "7.5::variant"),
    Row("variant that is an object", REFUSED, "{'a': 1}::variant"),
    Row("JSON text", "x", "'\"x\"'::json", "'\"x\"'::jsonb", None, None, "parse_json('\"x\"')"),
    Row("JSON boolean", True, "'true'::json", "'true'::jsonb", None, None, "parse_json('true')"),
    Row("JSON, as text", '"x"', None, None, "json('\"x\"')", "json = '\"x\"'"),
    Row("JSON object", REFUSED, "'{\"a\": 1}'::json", "'{\"a\": 1}'::jsonb", None, None, "parse_json('{\"a\": 1}')"),
    Row("array", REFUSED, "[1, 2]", "array[1, 2]"),
    Row("array of enums", REFUSED, "['calm'::enum('calm', 'glad')]", "array['calm']::mood[]"),
    Row("object", REFUSED, "{'a': 1}", "row(1, 2)"),
    Row("range", REFUSED, None, "int4range(1, 2)"),
    Row("union", REFUSED, "union_value(k := 5)"),
    Row("binary", REFUSED, "'\\xff'::blob", "'\\xff'::bytea", "x'ff'", "varbinary(4) = x'ff'",
        "to_binary('ff', 'hex')"),
    Row("interval", REFUSED, "interval 1 day", "interval '1 day'", None, "time = '800:00:00'"),
    Row("NULL", None, "null", "null", "null", "int = null", "null"),
]

Path_ = Callable[[Query], Reading | None]

DIALECTS: dict[str, tuple[Path_, ...]] = {
    "duckdb": (read_duckdb,),
    "postgresql": (read_adbc, read_copy, read_rows),
    "sqlite": (read_rows,),
    "mariadb": (read_rows,),
    "snowflake": (read_snowflake,),
}
"""Each dialect, and its paths; where a path says that it is not for a type, another has it."""

CASES = [
    pytest.param(row, dialect, path, id=f"{row.what} by {path.__module__.rpartition('.')[2]} of {dialect}")
    for row in TABLE
    for dialect, paths in DIALECTS.items()
    if getattr(row, dialect)
    for path in paths
]


@pytest.fixture(scope="module")
def postgresql(postgres_url: str) -> Engine:
    import psycopg

    with psycopg.connect(postgres_url) as admin:
        admin.execute("create schema wh_matrix create table made(n int)")
        admin.execute("create type wh_matrix.mood as enum ('calm', 'glad')")
        admin.execute("create domain wh_matrix.label as text check (value <> '')")
    return open_engine(f"{postgres_url}&options=-csearch_path%3Dwh_matrix", None)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("matrix")
    duckdb.connect(str(folder / "wh.duckdb")).close()
    sqlite3.connect(folder / "wh.sqlite").executescript("create table made(n int)").connection.close()
    return folder


@pytest.fixture(scope="module")
def mariadb(mariadb_url: str) -> Iterator[Engine]:
    """A table ``matrix`` with a column for each row of ours, ``c0``, ``c1``, … by its place."""
    columns = {index: row.mariadb.split(" = ", 1) for index, row in enumerate(TABLE) if row.mariadb}
    address = make_url(mariadb_url).query["unix_socket"]
    with pymysql.connect(unix_socket=str(address), user="root", database="wh", autocommit=True) as connection:
        cursor = connection.cursor()
        cursor.execute("set sql_mode = '', time_zone = '+00:00'")
        types = ", ".join(f"c{index} {type_} null" for index, (type_, _) in columns.items())
        cursor.execute(f"create table matrix ({types}) charset utf8mb4")
        cursor.execute(f"insert into matrix values ({', '.join(value for _, value in columns.values())})")
    engine = open_engine(mariadb_url, None)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(request: pytest.FixtureRequest, dialect: str) -> Engine:
    if dialect in ("duckdb", "sqlite"):
        return open_engine(f"{dialect}:///{request.getfixturevalue('files')}/wh.{dialect}", None)
    found: Engine = request.getfixturevalue("snowflake_engine" if dialect == "snowflake" else dialect)
    return found


@pytest.mark.parametrize(("row", "dialect", "path"), CASES)
def test_a_type_comes_out_as_the_table_says(row: Row, dialect: str, path: Path_, engine: Engine) -> None:
    asked = f"c{TABLE.index(row)} as x from matrix" if dialect == "mariadb" else f"{getattr(row, dialect)} as x"
    reading = path(Query(engine, f"select {asked}"))
    if reading is None:
        assert path in (read_adbc, read_copy)
        return
    [batch] = reading
    assert received(batch.column(0)) == row.value


def received(array: object) -> object:
    """What becomes of the one value of an array."""
    try:
        found = canonical(array)
    except Unsendable:
        return REFUSED
    if found.reasons is not None:
        return ASIDE
    return found.values.to_pylist()[0]


def test_of_every_type_that_a_native_path_leaves_rows_are_read(postgresql: Engine) -> None:
    """So that the test above cannot pass by reading nothing."""
    left = set()
    for row in TABLE:
        if row.postgresql is None:
            continue
        reading = read_copy(Query(postgresql, f"select {row.postgresql} as x"))
        if reading is None:
            left.add(row.what)
        else:
            reading.close()
    assert left == {"time with a zone", "time with a zone and a fraction", "time with a zone at 24 hours", "array",
                    "array of enums", "object", "binary", "interval", "range", "bits", "one character"}


def test_the_table_is_in_the_docs() -> None:
    assert markdown() in DOCS.read_text()


def markdown() -> str:
    """The table as docs/warehouses.md has it."""
    heads = ["type", "comes out as", "DuckDB", "PostgreSQL", "SQLite", "MariaDB", "Snowflake"]
    lines = [heads, ["---"] * len(heads)]
    for row in TABLE:
        writings = [getattr(row, dialect) for dialect in ("duckdb", "postgresql", "sqlite", "mariadb", "snowflake")]
        lines.append([row.what, shown(row.value), *(f"`{writing}`" if writing else "–" for writing in writings)])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def shown(value: object) -> str:
    """A canonical value for readers."""
    if value in (REFUSED, ASIDE):
        return str(value)
    if isinstance(value, dt.datetime):
        return f"`{value.isoformat()}Z`"
    if isinstance(value, float):
        return f"`{int(value)}`" if value.is_integer() else f"`{value}`"
    return {True: "`true`", None: "NULL"}[value] if value is None or value is True else f'`"{value}"`'


if __name__ == "__main__":
    print(markdown())  # noqa: T201
