"""The texts that Snowflake, BigQuery and Redshift hash: each value can be read back from them.

Redshift's run on a real PostgreSQL. Snowflake's and BigQuery's run on DuckDB, as sqlglot translates them: that shows
how a row is put together, not what their own functions do. Databricks' and ClickHouse's run on their engines, by hand:
``make check-engines``.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterator
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pytest
import sqlglot
from hypothesis import given, settings
from sqlalchemy import Engine

from candu_sync.warehouse import HASH_COLUMNS, NotHashed, RowTotal, Warehouse
from candu_sync.warehouse.bigquery_row_hashes import _FORMS as BIGQUERY_FORMS
from candu_sync.warehouse.bigquery_row_hashes import BIGQUERY
from candu_sync.warehouse.clickhouse_row_hashes import CLICKHOUSE
from candu_sync.warehouse.databricks_row_hashes import DATABRICKS
from candu_sync.warehouse.redshift_row_hashes import _FORMS as REDSHIFT_FORMS
from candu_sync.warehouse.redshift_row_hashes import REDSHIFT
from candu_sync.warehouse.snowflake_row_hashes import _FORMS as SNOWFLAKE_FORMS
from candu_sync.warehouse.snowflake_row_hashes import SNOWFLAKE
from candu_sync.warehouse.text_forms import TEXT, Form, HashedColumn, TextDialect, quoted
from candu_sync.warehouse.text_hashes import _int64
from tests.support.text_hashes import on_fakesnow, on_postgres, pairs, redshift, text_of
from tests.support.text_rows import Row, expected, read_back, rows, table_of, text_sql, to_time

COLUMNS = {"s": 2, "n": 0, "t": 2, "d": 0, "b": 13, "day": 3, "ntz": 8, "tz": 7, "u": 2}


def on_duckdb(sql: str, dialect: str, found: list[Row], names: list[str]) -> list[str]:
    """The texts of rows, as DuckDB makes them of the SQL of another dialect."""
    sql = re.sub(r"collate\((\w+), ''\)", r"\1", sql)
    [translated] = sqlglot.transpile(f"select {sql} from candu_rows order by i", read=dialect, write="duckdb")
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'America/New_York'")
        connection.register("candu_rows", table_of(found, names))
        return [text for (text,) in connection.execute(translated).fetchall()]


@settings(max_examples=10)
@given(rows(first=1700, last=2200))
def test_snowflakes_text_can_be_read_back(found: list[Row]) -> None:
    names = list(COLUMNS)
    sql = text_sql(SNOWFLAKE, {name: SNOWFLAKE_FORMS[code][1] for name, code in COLUMNS.items()}, str)
    texts = on_duckdb(sql, "snowflake", found, names)
    readers = {"ntz": to_time(1000), "tz": to_time(1000)}
    assert [read_back(text, names, readers) for text in texts] == list(expected(found, names))


@settings(max_examples=10)
@given(rows())
def test_bigquerys_text_can_be_read_back(found: list[Row]) -> None:
    types = {"s": "STRING", "n": "INTEGER", "t": "STRING", "d": "NUMERIC", "b": "BOOL", "day": "DATE",
             "ntz": "DATETIME", "tz": "TIMESTAMP", "u": "STRING"}
    sql = text_sql(BIGQUERY, {name: BIGQUERY_FORMS[type_] for name, type_ in types.items()}, str)
    texts = on_duckdb(sql, "bigquery", found, list(types))
    assert [read_back(text, list(types), {}) for text in texts] == list(expected(found, list(types)))


@pytest.fixture(scope="module")
def postgres(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    on_postgres(postgres_url)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("""
            set timezone = 'America/New_York';
            create temp table candu_rows (i bigint, s varchar, n bigint, t varchar, d numeric(20, 4), b boolean,
                day date, ntz timestamp, tz timestamptz, u varchar)""")
        yield connection


def to_second(text: str) -> dt.datetime:
    assert text.endswith("AD")
    return dt.datetime.strptime(text[:-2], "%Y%m%d%H%M%S%f")


@settings(max_examples=10)
@given(rows())
def test_redshifts_text_can_be_read_back(postgres: psycopg.Connection[Any], found: list[Row]) -> None:
    types = {"s": 1043, "n": 20, "t": 25, "d": 1700, "b": 16, "day": 1082, "ntz": 1114, "tz": 1184, "u": 1043}
    names = list(types)
    sql = text_sql(REDSHIFT, {name: REDSHIFT_FORMS[code][1] for name, code in types.items()}, quoted)
    table = table_of(found, names)
    postgres.execute("truncate candu_rows")
    with postgres.cursor() as cursor:
        cursor.executemany(f"insert into candu_rows ({', '.join(table.column_names)}) values "
                           f"({', '.join(['%s'] * table.num_columns)})",
                           [tuple(row.values()) for row in table.to_pylist()])
    texts = [text for (text,) in postgres.execute(f"select {sql} from candu_rows order by i").fetchall()]
    readers = {"day": lambda text: dt.datetime.strptime(text, "%Y%m%dAD").date(), "ntz": to_second, "tz": to_second}
    assert [read_back(text, names, readers, octets=True) for text in texts] == list(expected(found, names, 40))


def test_redshifts_eras_and_long_years_are_told_apart(postgres: psycopg.Connection[Any]) -> None:
    _, form = REDSHIFT_FORMS[1114]
    assert form is not None
    times = ["0044-03-15 BC", "0044-03-15", "2026-01-05 10:30:00.000001", "2026-01-05 10:30:00",
             "12026-01-05 10:30:00"]
    texts = [postgres.execute(f"select {form.sql.format('t')} from (select %s::timestamp as t) x", [text]).fetchone()
             for text in times]
    assert len(set(texts)) == len(texts)


# A row's borders: each of these pairs would be one text if values were only put one after another.
BORDERS = [(("ab", "c"), ("a", "bc")), (("", None), (None, "")), (("1 a", ""), ("1", " a")), (("!", None), (None, "!")),
           (("5 ", "x"), ("5", " x")), ((None, None), ("!", "!")), (("", "3 abc"), ("3 abc", ""))]


def test_the_hash_is_that_of_the_text(postgres_url: str) -> None:
    """On PostgreSQL, as Redshift's."""
    on_postgres(postgres_url)
    values = [pair for both in BORDERS for pair in both] + [("x" * 41, "é" * 20), ("x" * 40, "é" * 21)]
    listed = ", ".join(f"({_literal(s)}, {_literal(t)}, {n})" for n, (s, t) in enumerate(values))
    sql = f"select s::varchar as user_id, t::varchar as t, n::bigint as n from (values {listed}) v(s, t, n)"
    with redshift(postgres_url) as warehouse, warehouse.hashed(sql, {}, key=["user_id"]) as model:
        found = pairs(model)
        whole = {signed(hashlib.md5(text_of([*row, n], 40).encode())) for n, row in enumerate(values)}
        keys = {signed(hashlib.md5(text_of([s], 40, "k").encode())) for s, _ in values}
        assert {row for _, row in found} == whole
        assert {key for key, _ in found} == keys
        assert len(whole) == len(values)
        assert model.total() == RowTotal(len(found), *(sum(column) % 2**64 for column in zip(*found, strict=True)))
        some = [key for key, _ in found[:3]]
        with model.rows(some) as reading:
            assert reading.names == ["user_id", "t", "n"]
            came = [row for batch in reading for row in batch.to_pylist()]
    assert {row[HASH_COLUMNS[0]] for row in came} == set(some)
    assert {(row[HASH_COLUMNS[0]], row[HASH_COLUMNS[1]]) for row in came} <= set(found)


def signed(digest: Any) -> int:
    """The first half of an MD5; Redshift's numbers have a sign."""
    return int(digest.hexdigest()[:16], 16) - 2**63


def _literal(value: str | None) -> str:
    return "null" if value is None else f"'{value}'"


def test_snowflakes_hashes_on_fakesnow(snowflake_engine: Engine) -> None:
    on_fakesnow(snowflake_engine)
    values = [pair for both in BORDERS[:4] for pair in both]
    others = ("'2026-01-05'::date as d, true as b, 1.50::number(10, 2) as m, "
              "'2026-01-05 12:30:00.1234 +0200'::timestamp_tz as at")
    rows_ = " union all ".join(f"select {_literal(s)}::varchar as User_Id, {_literal(t)}::varchar as \"t t\", "
                               f"{n}::number(38, 0) as n, {others}" for n, (s, t) in enumerate(values))
    with Warehouse(snowflake_engine, row_hashes="all") as warehouse:
        with warehouse.hashed(rows_, {}, key=["user_id"]) as model:
            assert model.schema.names == ["user_id", "t t", "n", "d", "b", "m", "at"]
            with model.rows(None) as reading:
                came = [row for batch in reading for row in batch.to_pylist()]
            total = model.total()
        for row in came:
            text = text_of([row["user_id"], row["t t"], row["n"]], 10_000) + "20458 t 1.50 1767609000123400000 "
            assert row[HASH_COLUMNS[1]] % 2**64 == int(hashlib.md5(text.encode()).hexdigest()[16:], 16)
        assert total == RowTotal(len(values), *(sum(row[name] for row in came) % 2**64 for name in HASH_COLUMNS))
        with pytest.raises(NotHashed, match="the column x has the type FLOAT"):
            warehouse.hashed("select 'u' as user_id, 1.5::float as x", {}, key=["user_id"])


@pytest.mark.parametrize(("dialect", "name"), [
    (SNOWFLAKE, "snowflake"), (BIGQUERY, "bigquery"), (DATABRICKS, "databricks"), (CLICKHOUSE, "clickhouse"),
    (REDSHIFT, "redshift")])
def test_the_sql_is_of_the_dialect(dialect: TextDialect, name: str) -> None:
    column = HashedColumn("s", "s", "text", Form(TEXT, free=True))
    sql = dialect.hash_of("r", [column, HashedColumn("n", "n", "number", Form(TEXT))])
    total = dialect.total.format(sql)
    for select in (f"select {sql} as a from t where {sql} in (1, -2)", f"select {total} as a from t"):
        assert sqlglot.parse_one(select, dialect=name).find(sqlglot.exp.Column) is not None


def test_a_cut_numbers_hashes_are_not_taken() -> None:
    """A driver that gives a float has lost digits."""
    assert _int64(pa.array([2**64 - 1], pa.uint64())).to_pylist() == [-1]
    for wrong in (pa.array([1.0]), pa.array([1, None]), pa.array(["x"])):
        with pytest.raises(NotHashed, match="the hashes came as"):
            _int64(wrong)
