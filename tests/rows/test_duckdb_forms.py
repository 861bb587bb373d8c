"""The canonical form by DuckDB's SQL is that of ``values.py`` and ``keys.py``, value by value."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candu_sync.rows.columns import Canonical
from candu_sync.rows.duckdb_forms import SqlForm, sql_form, sql_id, sql_joined_key, sql_key_part
from candu_sync.rows.keys import ids, joined_key, key_parts
from candu_sync.rows.kinds import ValueKind, kind_of
from candu_sync.rows.values import canonical
from candu_sync.warehouse.duckdb_types import Columns

DOCS = Path(__file__).parents[2] / "docs" / "warehouses.md"

WHOLE = [0, 1, -1, 7, 2**31 - 1, -(2**31), 2**53, 2**53 + 1, -(2**53), -(2**53) - 1, 2**63 - 1, -(2**63), 2**64 - 1,
         2**127 - 1, -(2**127), 2**128 - 1]
TIMES = ["infinity", "-infinity", "0001-01-01", "0001-01-01 00:00:00.000001", "9999-12-31 23:59:59.999999",
         "10000-01-01", "0044-03-15 (BC)", "1969-12-31 23:59:59.5", "1969-12-31 23:59:59.000001", "1969-12-31 23:59:59",
         "1970-01-01", "2026-01-05 12:30:00.9", "1677-09-23", "2262-04-11", "294000-01-01"]
CLOCKS = ["24:00:00", "10:30:00.500", "10:30:00", "00:00:00", "23:59:59.999999", "10:30:00.000001", "10:30:00.10"]

# Type → values that are easily taken for one another, or are out of the ordinary; as DuckDB reads them from text.
VALUES: dict[str, list[Any]] = {
    **{name: WHOLE for name in ("tinyint", "utinyint", "smallint", "usmallint", "integer", "uinteger", "bigint",
                                "ubigint", "hugeint", "uhugeint")},
    **{f"decimal({width}, {scale})": ["0", "-0.0", "0.1", "9.99", "-5", "5.00", "12345678901234.56", "9007199254740992",
                                      "9007199254740993", "9007199254740993.5", "-9007199254740993.00", "0.000000001"]
       for width, scale in ((4, 2), (9, 3), (15, 0), (15, 2), (15, 15), (16, 0), (16, 1), (18, 4), (20, 2), (38, 0),
                            (38, 4), (38, 38))},
    "double": ["0", "-0", "0.1", "nan", "-nan", "inf", "-inf", "5e-324", "1.7976931348623157e308", "9007199254740993"],
    "boolean": ["true", "false"],
    "varchar": ["", "a", "A", "a ", "é🙂 x ", "a\0b", "x" * 32_000, "x" * 32_001, "é" * 16_001, "\ufeff", "|", "\\"],
    "enum('calm', 'glad', '')": ["calm", "glad", ""],
    "uuid": ["6f1c3a52-0000-4000-8000-00000000abcd", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
    "bit": ["00000101", "101", "1"],
    "date": [*TIMES[:3], "9999-12-31", "10000-01-01", "0044-03-15 (BC)", "1969-12-31", "1970-01-01", "5000000-01-01"],
    "timestamp": TIMES, "timestamptz": TIMES,
    "timestamp_ns": [time for time in TIMES if time[:2] in ("19", "20", "16", "22", "in", "-i")]
    + ["1969-12-31 23:59:59.999999999", "1969-12-31 23:59:59.000000001"],
    "time": CLOCKS, "time_ns": [*CLOCKS, "10:30:00.000000001", "10:30:00.000000100", "23:59:59.999999999"],
    "timetz": ["24:00:00+02", "10:30:00.500-15:59:59", "10:30:00", "00:00:00+05:30", "23:59:59.999999+15:59"],
    '"null"': [],
}

# Read by value, for all of their rows.
READ = ["float4", "json", "variant", "bignum", "timestamp_s", "timestamp_ms", "timestamptz_ns", "int[]", "blob",
        "interval", "struct(a int)", "map(int, int)", "union(k int)"]

# Types of the table in the docs, as they are written there, that DuckDB names otherwise.
NAMES = {"int": "integer", "char": "varchar", "float8": "double"}


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("set TimeZone = 'UTC'; set python_enable_replacements = false")
        yield opened


def relation(connection: duckdb.DuckDBPyConnection, type_: str, values: list[Any]) -> duckdb.DuckDBPyRelation:
    """The values that are of this type, and a null."""
    connection.register("texts", pa.table({"x": pa.array([*(str(value) for value in values), None], pa.string())}))
    connection.execute(f"create or replace temp table made as select try_cast(x as {type_}) as x from texts")
    return connection.sql("from made")


def read(found: duckdb.DuckDBPyRelation) -> pa.Array:
    """As the warehouse reads them."""
    columns = Columns(found)
    [batch] = [part for batch in columns.relation.to_arrow_table().combine_chunks().to_batches()
               for part in columns.read(batch)]
    return batch.column(0)


def check(connection: duckdb.DuckDBPyConnection, found: duckdb.DuckDBPyRelation, form: SqlForm,
          expected: Canonical) -> int:
    """Each value that is not to be looked at has the hash of its canonical form. Returns how many these are."""
    connection.register("canonical", pa.table({"x": expected.values}))
    right = [row for row, in connection.execute("select hash(x) from canonical").fetchall()]
    rows = found.project(f"hash({form.value}), coalesce({form.aside or 'false'}, false), #1 is not null").fetchall()
    reasons = [None] * len(rows) if expected.reasons is None else expected.reasons.to_pylist()
    looked_at = 0
    for (hash_, aside, there), wanted, value, reason in zip(rows, right, expected.values, reasons, strict=True):
        if aside:
            looked_at += 1
        else:
            assert hash_ == wanted, (found.types, value)
            assert reason is None, (found.types, reason)
            # A value that is lost is counted.
            assert value.is_valid or not there, found.types
    return len(rows) - looked_at


def checked(connection: duckdb.DuckDBPyConnection, type_: str, values: list[Any]) -> int:
    found = relation(connection, type_, values)
    form = sql_form("#1", str(found.types[0]))
    assert form is not None
    array = read(found)
    assert form.kind is kind_of(array.type)
    return check(connection, found, form, canonical(array))


@pytest.mark.parametrize("type_", VALUES)
def test_a_value_has_the_same_hash_by_sql(connection: duckdb.DuckDBPyConnection, type_: str) -> None:
    assert checked(connection, type_, VALUES[type_]) > len(VALUES[type_]) // 5


@pytest.mark.parametrize("type_", READ)
def test_a_type_that_is_read_by_value_has_no_sql(connection: duckdb.DuckDBPyConnection, type_: str) -> None:
    assert sql_form("#1", str(connection.sql(f"select null::{type_}").types[0])) is None


def test_each_type_of_the_page_is_one_of_these() -> None:
    page = DOCS.read_text("utf-8").split("## Which type comes out")[1]
    cells = [line.split("|")[3].strip() for line in page.splitlines() if line.startswith("|") and line.count("|") > 6]
    types = {type_ for cell in cells for type_ in re.findall(r"::([a-z]\w*)", cell)}
    types |= {type_ for cell in cells for type_ in re.findall(r"`([a-z]\w*) '", cell)}
    here = {re.sub(r"[\[(].*", "", type_) for type_ in (*VALUES, *READ)}
    assert {"timestamp_ns", "uhugeint", "date"} <= types
    assert {NAMES.get(type_, type_) for type_ in types} - {"interval"} <= here


DAYS = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31))
GENERATED = {
    "bigint": st.integers(-(2**63), 2**63 - 1) | st.integers(-(2**54), 2**54),
    "hugeint": st.integers(-(2**55), 2**55), "uhugeint": st.integers(0, 2**55),
    "decimal(15, 4)": st.decimals(-10**10, 10**10, places=4), "decimal(18, 9)": st.decimals(-10**8, 10**8, places=9),
    "decimal(38, 6)": st.decimals(-10**17, 10**17, places=6), "double": st.floats(), "varchar": st.text(),
    "uuid": st.uuids(), "bit": st.text("01", min_size=1), "date": DAYS.map(dt.datetime.date), "timestamp": DAYS,
    "timestamptz": DAYS, "timestamp_ns": st.datetimes(dt.datetime(1678, 1, 1), dt.datetime(2262, 1, 1)),
    "time": st.times(), "time_ns": st.times(),
    "timetz": st.times().map(lambda time: f"{time}+05:30"),
}


@settings(max_examples=40)
@given(data=st.data(), type_=st.sampled_from(sorted(GENERATED)))
def test_any_value_has_the_same_hash_by_sql(connection: duckdb.DuckDBPyConnection, data: st.DataObject,
                                            type_: str) -> None:
    checked(connection, type_, data.draw(st.lists(GENERATED[type_], max_size=30)))


def test_long_decimals_are_the_nearest_double(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("""
        create or replace temp table made as
        select ((hash(i) % 1000000000000) || '.' || lpad((hash(-i) % 1000000000000000000)::varchar, 18, '0')
                || (hash(i + 0.5) % 1000000))::decimal(38, 24) as x
        from range(20000) t(i)""")
    found = connection.sql("from made")
    form = sql_form("#1", str(found.types[0]))
    assert form is not None
    assert check(connection, found, form, canonical(read(found))) == 20_000


@pytest.mark.parametrize("collation", ["nocase", "noaccent", "nocase.noaccent"])
def test_a_collation_hides_no_change(connection: duckdb.DuckDBPyConnection, collation: str) -> None:
    connection.execute(f"create or replace temp table made (x varchar collate {collation})")
    connection.execute("insert into made values ('a'), ('A'), ('á'), ('  '), ('')")
    found = connection.sql("from made")
    for form in (sql_form("#1", str(found.types[0])), sql_id("#1", str(found.types[0]))):
        assert form is not None
        assert len(found.project(f"hash({form.value}), hash('~' || {form.value})").distinct().fetchall()) == 5
    form = sql_id("#1", "VARCHAR")
    assert form is not None
    assert check(connection, found, form, ids(read(found))) == 3


BLANKS = [character for number in range(0x110000) if not 0xD800 <= number < 0xE000
          and (character := chr(number)).isspace()]


def test_ids(connection: duckdb.DuckDBPyConnection) -> None:
    texts = [*VALUES["varchar"], *BLANKS, *(f"{blank}a" for blank in BLANKS), "".join(BLANKS), "é", "🙂", "\u200b"]
    for type_, values, few in (("varchar", texts, 10), ("uuid", VALUES["uuid"], 2), ("bigint", WHOLE, 9),
                               ("ubigint", WHOLE, 7), ("utinyint", WHOLE, 3), ("enum('a', '', 'b')", ["a", "", "b"], 2),
                               ("time", CLOCKS, 7)):
        found = relation(connection, type_, values)
        for make, expected in ((sql_id, ids), (sql_key_part, key_parts)):
            form = make("#1", str(found.types[0]))
            assert form is not None
            assert check(connection, found, form, expected(read(found))) >= few


def test_other_columns_of_a_key(connection: duckdb.DuckDBPyConnection) -> None:
    found = relation(connection, "boolean", ["true", "false"])
    form = sql_key_part("#1", str(found.types[0]))
    assert form is not None
    assert check(connection, found, form, key_parts(read(found))) == 2
    for type_ in ("DOUBLE", "HUGEINT", "DECIMAL(5,2)", "DATE", "TIMESTAMP", "JSON", "TIME WITH TIME ZONE"):
        assert sql_key_part("#1", type_) is None
    assert sql_id("#1", "BOOLEAN") is None


@settings(max_examples=20)
@given(parts=st.lists(st.tuples(st.text() | st.none(), st.text("a|\\") | st.none()), min_size=1))
def test_keys_of_several_columns(connection: duckdb.DuckDBPyConnection, parts: list[tuple[str | None, ...]]) -> None:
    columns = [pa.array(column, pa.string()) for column in zip(*parts, strict=True)]
    connection.register("parts", pa.table(columns, ["a", "b"]))
    found = connection.execute(f"select {sql_joined_key(['a', 'b'])} from parts").fetchall()
    assert [key for key, in found] == joined_key(columns).to_pylist()


def test_local_times_are_read_by_value() -> None:
    assert sql_form("#1", "TIMESTAMP", "Europe/Paris") is None
    assert sql_form("#1", "TIMESTAMP_NS", "Europe/Paris") is None
    for type_ in ("DATE", "TIMESTAMP WITH TIME ZONE"):
        assert sql_form("#1", type_, "Europe/Paris") == sql_form("#1", type_)
    assert sql_form("#1", '"NULL"') == SqlForm(ValueKind.EMPTY, "NULL")
