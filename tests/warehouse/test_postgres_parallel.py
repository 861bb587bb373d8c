"""Row hashes of a large table are computed by several processes of the server, where no row depends on their order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from candu_sync.warehouse import open_warehouse
from candu_sync.warehouse.postgres_parallel import _COPY, allow_parallel

MODEL = "select id, name, id * 2 as twice from wide_rows"


@pytest.fixture(scope="module")
def url(postgres_url: str) -> Iterator[str]:
    """A server with a table of some 40 MB, from which on its scans may be parallel."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("create table wide_rows as select n as id, repeat('x', 80) || n as name "
                           "from generate_series(1, 300000) n")
        connection.execute("analyze wide_rows")
        yield postgres_url
        connection.execute("drop table wide_rows")


@pytest.fixture
def cursor(url: str) -> Iterator[Any]:
    import adbc_driver_postgresql.dbapi as adbc

    with closing(adbc.connect(url)) as connection, closing(connection.cursor()) as cursor:
        yield cursor


@pytest.mark.parametrize("model", [
    MODEL, f"{MODEL} where id > 7 and id in (select id from wide_rows where id < 900)",
    "select a.id, b.name from wide_rows a left join wide_rows b on b.id = a.id + 1",
    f"{MODEL} union all {MODEL}", "select 1 as id", "values (1, 'a')",
])
def test_a_model_whose_rows_do_not_depend_on_an_order(cursor: Any, model: str) -> None:
    assert allow_parallel(cursor, model)
    assert _cost(cursor) == "0"


@pytest.mark.parametrize("model", [
    "select sum(id::float8) as id from wide_rows",
    "select name as id, string_agg(id::text, ',') from wide_rows group by 1",
    "select id, row_number() over () from wide_rows", f"{MODEL} limit 5",
    "select distinct on (id % 10) id, name from wide_rows order by id % 10",
    "select id, (select name from wide_rows other where other.id > wide_rows.id limit 1) from wide_rows",
])
def test_a_model_with_a_sum_or_a_limit_is_left_to_the_server(cursor: Any, model: str) -> None:
    before = _cost(cursor)
    assert not allow_parallel(cursor, model)
    assert _cost(cursor) == before != "0"


def test_the_hashes_are_computed_by_several_processes(url: str) -> None:
    with open_warehouse(url) as warehouse, warehouse.hashed(MODEL, {}, key=["id"]) as model:
        assert "Gather" in _plan(model._cursor, f"select {model._listed} {model._from}")  # type: ignore[attr-defined]
        assert sum(batch.num_rows for batch in model.hashes()) == model.total().rows == 300_000


def test_a_server_that_has_no_processes_to_spare_computes_the_same(url: str) -> None:
    def total(address: str) -> object:
        with open_warehouse(address) as warehouse, warehouse.hashed(MODEL, {}, key=["id"]) as model:
            return model.total()

    assert total(url) == total(f"{url}&options=-c%20max_parallel_workers_per_gather%3D0")


def _cost(cursor: Any) -> object:
    cursor.execute("select current_setting('parallel_tuple_cost') as cost")
    return cursor.fetchone()[0]


def _plan(cursor: Any, sql: str) -> str:
    cursor.adbc_statement.set_options(**{_COPY: "false"})
    cursor.execute(f"explain {sql}")
    plan = "\n".join(line for line, in cursor.fetchall())
    cursor.adbc_statement.set_options(**{_COPY: "true"})
    return plan
