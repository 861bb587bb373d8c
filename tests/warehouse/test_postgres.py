"""PostgreSQL is read by ADBC where it is exact, by COPY or rows elsewhere, and all say the same of every type."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal

import psycopg
import pyarrow as pa
import pytest
from sqlalchemy import Engine, make_url

from candu_sync import pipeline
from candu_sync.arrow_types import NUMERIC, UNUSABLE
from candu_sync.due import targets_of
from candu_sync.errors import CanduSyncError, WarehouseError
from candu_sync.rows.instants import as_instants
from candu_sync.target import Target
from candu_sync.warehouse import Reading, Warehouse, open_warehouse
from candu_sync.warehouse.adbc import read_adbc
from candu_sync.warehouse.connect import open_engine
from candu_sync.warehouse.postgres_copy import read_copy
from candu_sync.warehouse.query import Query
from candu_sync.warehouse.rows import read_rows
from tests.support.lab import Lab
from tests.support.waiting import until

TYPES = """
create schema wh_types;
set search_path = wh_types;
create type mood as enum ('calm', 'glad');
create type felt as (m mood, since int);
create domain positive as int check (value > 0);
create table exact (
    i2 int2, i4 int4, i8 int8, f8 float8, b bool, t text, vc varchar(5), c char(4), n name, d date, ts timestamp,
    tz timestamptz, num numeric, price numeric(10, 2), id uuid, raw bytea, m mood, p positive
);
insert into exact values
    (1, 2, 9223372036854775807, 2.5, true, 'é', 'vc', 'c', 'n', '2026-01-05', '2026-01-05 10:00:00.123456',
     '2026-01-05 10:00+02', 123.450, 1.5, '6f1c3a52-0000-4000-8000-00000000abcd', '\\x00ff', 'calm', 5),
    (-1, null, 0, '-0', false, '', null, null, null, '0001-01-01', '9999-12-31 23:59:59.999999',
     '0001-01-01 00:00+00', -0.00001, -12345678.90, null, '', 'glad', null),
    (0, 0, -9223372036854775808, 'NaN', null, null, '', '', '', null, null, null, 10000, 0, null, null, null, 1),
    (3, 3, 3, 1e300, true, 'x', 'x', 'x', 'x', 'infinity', '-infinity', 'infinity', 'NaN', 'NaN', null, null, null, 1),
    (4, 4, 4, 4, true, 'x', 'x', 'x', 'x', '10000-01-01', '0044-03-15 BC', '20000-01-01', 1e70, 4, null, null, null, 1),
    (5, 5, 5, 'Infinity', true, 'x', 'x', 'x', 'x', null, null, null, 1e-60, 5, null, null, null, 1)
"""


@pytest.fixture(scope="module", autouse=True)
def types(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as admin:
        for statement in TYPES.split(";"):
            admin.execute(statement)


@pytest.fixture
def engine(postgres_url: str) -> Engine:
    return open_engine(f"{postgres_url}&application_name=wh_postgres", None)


@pytest.fixture
def warehouse(postgres_url: str) -> Iterator[Warehouse]:
    with open_warehouse(postgres_url) as opened:
        yield opened


def by_adbc(engine: Engine, sql: str) -> Reading:
    reading = read_adbc(Query(engine, sql))
    assert reading is not None
    return reading


def by_copy(engine: Engine, sql: str) -> Reading:
    reading = read_copy(Query(engine, sql))
    assert reading is not None
    return reading


def by_rows(engine: Engine, sql: str) -> Reading:
    return read_rows(Query(engine, sql, size=1000))


Path = Callable[[Query], Reading | None]

PATHS_WITH_VALUES = pytest.mark.parametrize("path", [read_adbc, read_copy, read_rows])

OURS = "pg_stat_activity where application_name = 'wh_postgres'"

PATHS = pytest.mark.parametrize("path", [by_adbc, by_copy, by_rows])


def canonical(value: object, type_: pa.DataType) -> object:
    """Equal for what is one value: NaN is itself, a decimal is its number, an instant has no zone but UTC."""
    if type_ == NUMERIC and value is not None:
        value = Decimal(str(value))
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        return str(float(value))
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    return value


def in_python(column: pa.Array) -> list[object]:
    """The values; of dates and timestamps those that are out of range as that reason."""
    if not (pa.types.is_date(column.type) or pa.types.is_timestamp(column.type)):
        return list(column.to_pylist())
    found = as_instants(column)
    return list(found.values.to_pylist() if found.reasons is None else
                [reason or value for value, reason in
                 zip(found.values.to_pylist(), found.reasons.to_pylist(), strict=True)])


def values(reading: Reading) -> list[tuple[object, ...]]:
    found = [
        row
        for batch in reading
        for row in zip(*([canonical(v, c.type) for v in in_python(c)] for c in batch.columns), strict=True)
    ]
    return sorted(found, key=repr)


def test_every_path_says_the_same_of_every_exact_type(engine: Engine) -> None:
    columns = "i2, i4, i8, f8, b, t, vc, c, n, d, ts, tz, num, price, id, m, p"
    by_each = [values(path(engine, f"select {columns} from wh_types.exact")) for path in (by_adbc, by_copy, by_rows)]
    assert len(by_each[0]) == 6
    assert sum(row.count("timestamp out of range") for row in by_each[0]) == 6
    assert by_each[0] == by_each[1] == by_each[2]


def test_numbers_are_their_digits_by_every_path(engine: Engine) -> None:
    sql = "select price, num from wh_types.exact where i2 in (-1, 1)"
    for path in (by_adbc, by_copy, by_rows):
        assert [batch.schema.types for batch in path(engine, sql)] == [[NUMERIC, NUMERIC]]


@PATHS
@pytest.mark.parametrize(
    ("value", "type_"),
    [
        ("id", pa.string()),
        ("m", pa.string()),
        ("tz", pa.timestamp("us", "UTC")),
    ],
)
def test_types_are_exact_in_arrow(
    engine: Engine, path: Callable[[Engine, str], Reading], value: str, type_: pa.DataType
) -> None:
    [batch] = path(engine, f"select {value} from wh_types.exact where i2 in (-1, 1)")
    assert batch.column(0).type == type_


@pytest.mark.parametrize("spread", [1, 9, 19, 41, 201])
@PATHS
def test_numbers_of_every_length_are_exact(
    engine: Engine, path: Callable[[Engine, str], Reading], spread: int
) -> None:
    number = f"(9 * i + 1) * 10::numeric ^ (i % {spread} - {spread // 2}) * (-1) ^ (i % 2)::numeric"
    sql = f"select x, x::text as written from (select {number} as x from generate_series(1, 2000) i)"
    found = values(path(engine, sql))
    assert len(found) == 2000
    assert all(number == Decimal(str(written)) for number, written in found)


@pytest.mark.parametrize(
    ("expression", "path", "value"),
    [
        ("'12.50'::money", "postgres copy", "$12.50"),
        ("1.1::float4", "postgres copy", 1.1),
        ("'24:00'::time", "postgres copy", "24:00:00"),
        ("'10:30:00.5'::time", "postgres copy", "10:30:00.5"),
        ("'10.0.0.1'::inet", "rows", "10.0.0.1"),
        ("'10:30+02'::timetz", "rows", "10:30:00+02:00"),
        ("'\"text\"'::jsonb", "postgres copy", "text"),
        ("'7'::json", "postgres copy", Decimal(7)),
        ("'true'::jsonb", "postgres copy", True),
    ],
)
def test_what_copy_does_not_say_exactly_is_read_by_the_next_path(
    warehouse: Warehouse, expression: str, path: str, value: object
) -> None:
    with warehouse.read(f"select {expression} as x", {}) as reading:
        assert reading.path == path
        assert values(reading) == [(value,)]


@pytest.mark.parametrize(
    ("expression", "is_refused"),
    [
        ("""'{"a": 1}'::jsonb""", UNUSABLE.__eq__),
        ("""'[1]'::json""", UNUSABLE.__eq__),
        ("array[1, 2]", pa.types.is_list),
        ("interval '1 month'", pa.types.is_duration),
        ("row(1, 2)", pa.types.is_list),
        ("array['calm']::wh_types.mood[]", pa.types.is_list),
        ("row('calm', 1)::wh_types.felt", pa.types.is_list),
        ("int4range(1, 2)", pa.types.is_struct),
    ],
)
def test_what_cannot_be_a_trait_keeps_a_type_that_says_so(
    warehouse: Warehouse, expression: str, is_refused: Callable[[pa.DataType], bool]
) -> None:
    sql = f"select {expression} as x"
    [batch] = warehouse.read(sql, {})
    assert is_refused(batch.column(0).type)
    [early] = warehouse.columns(sql, {}).types
    assert is_refused(early) or "json" in expression


def test_columns_do_not_run_the_query(warehouse: Warehouse) -> None:
    schema = warehouse.columns("select *, 1 / (i2 - i2) as x from wh_types.exact", {})
    assert schema.field("m").type == pa.string()
    assert schema.field("i8").type == pa.int64()
    assert schema.field("price").type == pa.decimal128(10, 2)


def test_a_query_ends_in_a_comment(engine: Engine) -> None:
    assert values(by_adbc(engine, "select 1 -- one")) == [(1,)]


@PATHS
def test_the_session_is_in_utc(engine: Engine, path: Callable[[Engine, str], Reading]) -> None:
    sql = "select (timestamptz '2026-01-01 00:00+00')::text"
    assert values(path(engine, sql)) == [("2026-01-01 00:00:00+00",)]


@PATHS
def test_a_failure_half_way_is_in_words_and_without_the_rows_value(
    engine: Engine, path: Callable[[Engine, str], Reading]
) -> None:
    sql = "select (case when i < 90000 then '1' else 'secret' end)::int from generate_series(1, 100000) i"
    with pytest.raises(WarehouseError, match="invalid input syntax for type integer: …") as caught:
        list(path(engine, sql))
    assert "secret" not in str(caught.value)


@PATHS
def test_a_connection_lost_half_way_is_an_error_and_not_a_short_result(
    engine: Engine, postgres_url: str, path: Callable[[Engine, str], Reading]
) -> None:
    sql = "select i, repeat('x', 500) from generate_series(1, 200000) i"
    batches = iter(path(engine, sql))
    next(batches)
    with psycopg.connect(postgres_url) as admin:
        assert admin.execute(f"select pg_terminate_backend(pid) from {OURS}").fetchall() == [(True,)]
    with pytest.raises(WarehouseError, match="reading from the warehouse failed"):
        list(batches)


@PATHS
def test_no_connection_is_left_behind(
    engine: Engine, postgres_url: str, path: Callable[[Engine, str], Reading]
) -> None:
    for sql in ("select i from generate_series(1, 200000) i", "select 1 as a, 2 as a", "select 1 / 0"):
        try:
            with path(engine, sql) as reading:
                next(iter(reading))
        except CanduSyncError:
            continue
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        until(lambda: not admin.execute(f"select pid from {OURS}").fetchall(), "a connection is still open")


def test_without_adbc_bytes_are_read_by_rows(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "adbc_driver_postgresql.dbapi", None)
    with warehouse.read("select 'x'::bytea as b", {}) as reading:
        assert (reading.path, values(reading)) == ("rows", [(b"x",)])


AWKWARD = [
    "plain", "it's", 'a "quoted" name', "back\\slash", "\\' or 1=1 --", "%(partition)s %s", "é🙂", "$1", "a\nb", "",
]


@PATHS_WITH_VALUES
@pytest.mark.parametrize("text", AWKWARD)
def test_a_parameter_is_bound_as_it_is_on_every_path(engine: Engine, path: Path, text: str) -> None:
    sql = "select :partition as x, length(:partition) as n, :since::text as at"
    since = datetime(2026, 1, 5, 10, tzinfo=UTC)
    reading = path(Query(engine, sql, {"partition": text, "since": since}))
    assert reading is not None
    assert values(reading) == [(text, len(text), "2026-01-05 10:00:00+00")]


@PATHS_WITH_VALUES
def test_a_parameter_takes_the_type_that_it_is_compared_with(engine: Engine, path: Path) -> None:
    for condition, value in (("m = :partition", "calm"), ("i4 = :partition", "2"), ("price = :partition", "1.50")):
        reading = path(Query(engine, f"select i2 from wh_types.exact where {condition}", {"partition": value}))
        assert reading is not None
        assert values(reading) == [(1,)]


@pytest.mark.parametrize("path", [by_copy, by_rows])
def test_nulls_empty_texts_and_lines_are_distinguished(engine: Engine, path: Callable[[Engine, str], Reading]) -> None:
    sql = "select t from (values (null), (''), ('\\N'), (E'two\\nlines'), ('\"'), ('a,b')) as x(t)"
    assert set(values(path(engine, sql))) == {(None,), ("",), ("\\N",), ("two\nlines",), ('"',), ("a,b",)}


# By which path PostgreSQL reads it: ADBC alone has exact bytes, and rows alone have network addresses.
_PATHS = {"adbc": "'x'::bytea as x, a", "postgres copy": "a", "rows": "inet '10.0.0.1' as x, a"}


def seen_by_postgres(url: str, path: str = "postgres copy", tag: str | None = "users/profile") -> str:
    """The application_name that the server has for the session of a query, while it is under way."""
    sql = (f"select {_PATHS[path]} from (select application_name as a from pg_stat_activity "
           "where pid = pg_backend_pid()) s")
    with open_warehouse(url) as warehouse, warehouse.read(sql, {}, tag=tag) as reading:
        assert reading.path == path
        [batch] = reading
        return str(batch.column(batch.num_columns - 1)[0].as_py())


@pytest.mark.parametrize("path", _PATHS)
def test_postgres_has_it_as_application_name_by_every_path(postgres_url: str, path: str) -> None:
    assert seen_by_postgres(postgres_url, path) == "candu-sync users/profile"


@pytest.mark.parametrize("path", _PATHS)
def test_a_name_of_one_s_own_is_kept(postgres_url: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    named = make_url(postgres_url).update_query_dict({"application_name": "nightly"})
    assert seen_by_postgres(named.render_as_string(hide_password=False), path) == "nightly"
    monkeypatch.setenv("PGAPPNAME", "by the environment")
    assert seen_by_postgres(postgres_url, path) == "by the environment"


def test_what_belongs_to_no_sync_has_the_product_alone(postgres_url: str) -> None:
    assert seen_by_postgres(postgres_url, tag=None) == "candu-sync"


def test_a_long_name_is_cut_to_what_the_server_keeps(postgres_url: str) -> None:
    assert seen_by_postgres(postgres_url, tag="users/" + "x" * 100) == ("candu-sync users/" + "x" * 100)[:63]


def test_check_a_plan_and_the_keys_of_partitions_carry_it(lab: Lab, postgres_url: str) -> None:
    lab.overrides["warehouse_url"] = postgres_url
    name = "(select application_name from pg_stat_activity where pid = pg_backend_pid())"
    sync = lab.sync("users/tagged", f"select 'u1' as user_id, {name} as tag where :partition > ''",
                    f'partitions: {{dynamic: names, values: "select {name}"}}\npreview: values')
    with lab.project() as project:
        [target] = targets_of(project, sync, [])
        assert target.partition == "candu-sync users/tagged"
        changes = pipeline.plan(Target(project, sync, target.partition))
    assert "candu-sync users/tagged" in str(changes.summary.sample)
