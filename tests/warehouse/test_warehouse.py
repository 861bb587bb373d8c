"""The same query on DuckDB, SQLite and PostgreSQL: the same names, the same rows, the same refusals."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pytest

from candu_sync.errors import ModelError, WarehouseError
from candu_sync.sql_text import Value
from candu_sync.warehouse import open_warehouse

DAY = {
    "window_start": datetime(2026, 1, 5, tzinfo=UTC),
    "window_end": datetime(2026, 1, 6, tzinfo=UTC),
}
IN_WINDOW = "seen >= :window_start and seen < :window_end"


def rows(url: str, sql: str, parameters: Mapping[str, Value] | None = None) -> list[tuple[object, ...]]:
    with open_warehouse(url) as warehouse, warehouse.read(sql, parameters or {}) as reading:
        return [tuple(row.values()) for batch in reading for row in batch.to_pylist()]


def names_in(url: str, condition: str, parameters: Mapping[str, Value]) -> set[object]:
    return {name for (name,) in rows(url, f"select name from wh_events where {condition}", parameters)}


def test_a_window_holds_its_start_and_not_its_end(url: str) -> None:
    assert names_in(url, IN_WINDOW, DAY) == {"start", "noon", "last"}


def test_a_window_given_in_another_zone_is_the_same_window(url: str) -> None:
    elsewhere = timezone(timedelta(hours=-8))
    assert names_in(url, IN_WINDOW, {key: value.astimezone(elsewhere) for key, value in DAY.items()}) == {
        "start",
        "noon",
        "last",
    }


def test_since_is_exact_to_the_microsecond(url: str) -> None:
    newest = datetime(2026, 1, 5, 23, 59, 59, 999999, tzinfo=UTC)
    assert names_in(url, "seen > :since", {"since": newest}) == {"end"}
    assert names_in(url, "seen >= :since", {"since": newest}) == {"last", "end"}


@pytest.mark.parametrize("column", ["seen::timestamptz", "seen::date"])
@pytest.mark.parametrize("dialect", ["duckdb", "postgresql"])
def test_a_window_is_exact_on_dates_and_on_timestamps_with_a_zone(
    urls: dict[str, str], dialect: str, column: str
) -> None:
    condition = f"{column} >= :window_start and {column} < :window_end"
    assert names_in(urls[dialect], condition, DAY) == {"start", "noon", "last"}


def test_a_partition_is_bound_and_never_pasted_in(url: str) -> None:
    assert names_in(url, "plan = :partition", {"partition": "pro"}) == {"start", "noon", "end"}
    assert names_in(url, "plan = :partition", {"partition": "x' or '1' = '1"}) == set()


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("select '10:30:00'", "10:30:00"),
        ("select 'a :partition b'", "a :partition b"),
        ("select 1 -- not :since\n", 1),
        ("select '100%'", "100%"),
        ("select '%(partition)s'", "%(partition)s"),
        ("select 'a\\:b'", "a\\:b"),
    ],
)
def test_every_other_colon_is_left_alone(url: str, sql: str, value: object) -> None:
    assert rows(url, sql) == [(value,)]
    bound = f"{sql.strip()}\n union all select null where :partition = 'no'"
    assert rows(url, bound, {"partition": "eu"}) == [(value,)]


@pytest.mark.parametrize(
    ("dialect", "sql", "value"),
    [
        ("duckdb", "select '5'::int", 5),
        ("postgresql", "select '5'::int", 5),
        ("sqlite", "select cast('5' as int)", 5),
        ("duckdb", """select '{"a:since": 7}'::json->>'a:since'""", "7"),
        ("postgresql", """select '{"a:since": 7}'::json->>'a:since'""", "7"),
        ("sqlite", """select json_extract('{"a:since": 7}', '$."a:since"')""", 7),
        ("duckdb", "select [1, 2, 3][2:3][1]", 2),
        ("postgresql", "select (array[1, 2, 3])[2:3]  [1:1] is null", False),
    ],
)
def test_casts_json_paths_and_slices_are_left_alone(
    urls: dict[str, str], dialect: str, sql: str, value: object
) -> None:
    assert rows(urls[dialect], sql) == [(value,)]
    bound = f"{sql} where :partition = 'eu' -- {dialect} :since"
    assert rows(urls[dialect], bound, {"partition": "eu"}) == [(value,)]


def test_names_are_known_before_the_rows(url: str) -> None:
    sql = 'select name, seen as "last seen" from wh_events;'
    with open_warehouse(url) as warehouse, warehouse.read(sql, {}) as reading:
        assert reading.names == ["name", "last seen"]
        assert sum(batch.num_rows for batch in reading) == 5


def test_each_dialect_is_read_by_its_fastest_exact_path(urls: dict[str, str]) -> None:
    paths = {}
    for url in urls.values():
        with open_warehouse(url) as warehouse, warehouse.read("select name from wh_events", {}) as reading:
            paths[warehouse.dialect] = reading.path
    assert paths == {"duckdb": "duckdb arrow", "sqlite": "rows", "postgresql": "postgres copy"}


def test_no_rows_make_no_batch(url: str) -> None:
    assert rows(url, "select name from wh_events where 1 = 0") == []


def test_a_result_is_read_once(url: str) -> None:
    with open_warehouse(url) as warehouse, warehouse.read("select name from wh_events", {}) as reading:
        assert len(list(reading)) == 1
        with pytest.raises(WarehouseError, match="read already"):
            iter(reading)


def test_two_results_are_read_side_by_side(url: str) -> None:
    with (
        open_warehouse(url) as warehouse,
        warehouse.read("select name from wh_events", {}) as one,
        warehouse.read("select seen from wh_events", {}) as two,
    ):
        assert [batch.num_rows for batch in one] == [batch.num_rows for batch in two] == [5]


def test_a_reading_that_is_left_half_way_gives_its_connection_back(url: str) -> None:
    with open_warehouse(url) as warehouse:
        for _ in range(20):
            with warehouse.read("select name from wh_events", {}) as reading:
                next(iter(reading))
        assert warehouse.values("select max(name) from wh_events") == ["start"]


def test_a_column_named_twice_is_refused_by_name(url: str) -> None:
    with open_warehouse(url) as warehouse:
        for ask in (warehouse.read, warehouse.columns):
            with pytest.raises(ModelError, match="'plan' more than once"):
                ask("select plan, name, name as plan from wh_events", {})


def test_a_missing_value_is_refused(url: str) -> None:
    with open_warehouse(url) as warehouse, pytest.raises(ModelError, match=r":since.*`cursor`"):
        warehouse.read("select name from wh_events where seen > :since", DAY)


@pytest.mark.parametrize("sql", ["select nope from wh_events", "select * from no_such_table", "select from where"])
def test_a_wrong_query_is_refused_in_the_databases_words(url: str, sql: str) -> None:
    with open_warehouse(url) as warehouse:
        for ask in (warehouse.read, warehouse.columns):
            with pytest.raises(WarehouseError, match=r"refused the query: .*(nope|no_such_table|where|from|SELECT)"):
                ask(sql, {})


@pytest.mark.parametrize(
    "sql",
    [
        "insert into wh_events values ('x', null, null)",
        "with gone as (select 1) delete from wh_events",
        "with gone as (delete from wh_events returning *) select * from gone",
        "create table wh_more as select 1",
        "select 1; drop table wh_events",
    ],
)
def test_a_model_cannot_write(url: str, sql: str) -> None:
    with open_warehouse(url) as warehouse:
        with pytest.raises((WarehouseError, ModelError)):
            list(warehouse.read(sql, {}))
        assert warehouse.values("select count(*) from wh_events") == ["5"]


def test_columns_come_without_rows_and_with_the_types_that_are_known(urls: dict[str, str]) -> None:
    sql = "select name, seen, cast(1 as int) as one, cast(1.5 as numeric(10, 2)) as price from wh_events"
    sql = f"{sql} where name > :partition"
    found = {}
    for dialect, url in urls.items():
        with open_warehouse(url) as warehouse:
            found[dialect] = warehouse.columns(sql, {"partition": "a"})
    assert {tuple(schema.names) for schema in found.values()} == {("name", "seen", "one", "price")}
    stamp, price = pa.timestamp("us"), pa.decimal128(10, 2)
    assert found["duckdb"].types == [pa.string(), stamp, pa.int32(), price]
    assert found["postgresql"].types == [pa.string(), stamp, pa.int64(), price]
    assert found["sqlite"].types == [pa.null()] * 4


def test_partition_keys_are_text_each_once_in_order_and_without_null(url: str) -> None:
    with open_warehouse(url) as warehouse:
        found = warehouse.values("select 'b' as k union all select null union all select 'a' union all select 'b'")
        assert found == ["b", "a"]
        assert warehouse.values("select 7 as k") == ["7"]
        assert warehouse.values("select plan from wh_events where 1 = 0") == []


def test_partition_keys_come_from_one_column(url: str) -> None:
    with open_warehouse(url) as warehouse, pytest.raises(ModelError, match="2 columns instead of one: name, plan"):
        warehouse.values("select name, plan from wh_events")


def test_partition_keys_without_a_text_form_are_refused(urls: dict[str, str]) -> None:
    with open_warehouse(urls["duckdb"]) as warehouse, pytest.raises(ModelError, match="'k' has values without a text"):
        warehouse.values("select [1, 2] as k")
