"""A query that takes long: its limit, its end at the warehouse from another thread, and a connection that is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from candu_sync.errors import WarehouseError, WarehouseUnreachable
from candu_sync.warehouse import Warehouse, open_warehouse
from candu_sync.warehouse import warehouse as paths
from candu_sync.warehouse.query import Query
from tests.support.waiting import until

ENDLESS = {
    "duckdb": "select count(*) from range(10000000) a(i), range(10000000) b(j) where i * j % 7 = 1",
    "sqlite": "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n",
    "postgresql": "select count(*) from generate_series(1, 1e9) i",
    "postgresql by copy": "select count(*), null::money from generate_series(1, 1e9) i",
    "postgresql by rows": "select count(*), null::json from generate_series(1, 1e9) i",
}
"""What no machine answers in the time of a test, by each path."""

EACH = pytest.mark.parametrize("which", ENDLESS)


def opened(urls: dict[str, str], which: str, timeout: float | None = None) -> Warehouse:
    url = urls[which.split()[0]]
    if which.startswith("postgresql"):
        url += "&application_name=wh_long"
    return open_warehouse(url, timeout=timeout)


@pytest.fixture
def admin(postgres_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


RUNNING = "pg_stat_activity where application_name = 'wh_long' and state = 'active'"


def comes_to_work(admin: psycopg.Connection, wanted: bool = True) -> None:
    """Wait until a query of ours is, or is no more, under way at PostgreSQL."""
    until(lambda: bool(admin.execute(f"select pid from {RUNNING}").fetchall()) == wanted)


@EACH
def test_a_limit_ends_a_query_and_names_the_setting(
    urls: dict[str, str], which: str, admin: psycopg.Connection
) -> None:
    with opened(urls, which, timeout=0.3) as warehouse:
        with pytest.raises(WarehouseError, match=r"longer than 0.3 s, the limit of CANDU_QUERY_TIMEOUT"):
            warehouse.read(ENDLESS[which], {})
        # However long this one takes.
        warehouse._timeout = None
        assert warehouse.values("select 'and then another'") == ["and then another"]
    comes_to_work(admin, wanted=False)


@EACH
def test_a_query_is_cancelled_at_the_warehouse_from_another_thread(
    urls: dict[str, str], which: str, admin: psycopg.Connection
) -> None:
    with opened(urls, which) as warehouse:
        ended: list[str] = []
        reader = threading.Thread(target=lambda: ended.append(refusal(warehouse, ENDLESS[which])))
        reader.start()
        until(lambda: warehouse._queries and warehouse._queries[0]._cancel)
        if which.startswith("postgresql"):
            comes_to_work(admin)
        warehouse.cancel()
        reader.join(timeout=60)
        assert ended == ["the query was cancelled; nothing of it was used"]
        # Before the connection is closed: it is the query that has ended at the server.
        comes_to_work(admin, wanted=False)


@EACH
def test_a_query_is_cancelled_that_its_driver_has_not_begun_with(
    urls: dict[str, str], which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver's own cancel does nothing to a connection that is idle."""
    cancel_by = Query.cancel_by

    def and_at_once(query: Query, *how: Any) -> None:
        cancel_by(query, *how)
        query.cancel()

    monkeypatch.setattr(Query, "cancel_by", and_at_once)
    with opened(urls, which) as warehouse:
        assert refusal(warehouse, ENDLESS[which]) == "the query was cancelled; nothing of it was used"


def refusal(warehouse: Warehouse, sql: str) -> str:
    with pytest.raises(WarehouseError) as caught:
        list(warehouse.read(sql, {}))
    return str(caught.value)


def test_a_limit_holds_for_reading_the_rows_too(urls: dict[str, str]) -> None:
    with open_warehouse(urls["postgresql"], timeout=600) as warehouse:
        reading = iter(warehouse.read("select i, repeat('x', 500) from generate_series(1, 200000) i", {}))
        next(reading)
        timer = warehouse._queries[0]._timer
        assert timer is not None
        timer.function(*timer.args)  # as after ten minutes
        with pytest.raises(WarehouseError, match="CANDU_QUERY_TIMEOUT"):
            list(reading)


def test_the_server_has_the_limit_too(urls: dict[str, str]) -> None:
    sql = "select current_setting('statement_timeout') as x"
    for more in ("", ", null::money as y", ", null::json as y"):
        with open_warehouse(urls["postgresql"], timeout=20) as warehouse, warehouse.read(sql + more, {}) as reading:
            assert [batch.column(0).to_pylist() for batch in reading] == [["21s"]]


@pytest.mark.parametrize("which", ["postgresql", "postgresql by copy", "postgresql by rows"])
def test_a_connection_lost_before_the_first_row_is_made_once_more(
    urls: dict[str, str], which: str, admin: psycopg.Connection
) -> None:
    """The server ends the first connection, as when it restarts; the second one finds it well."""
    admin.execute("create table if not exists wh_restarts(n int)")
    admin.execute("truncate wh_restarts")
    typed = ENDLESS[which].partition(" from ")[0].removeprefix("select count(*)")
    sql = f"select case when count(*) = 0 then pg_sleep(600)::text else 'answered' end as x{typed} from wh_restarts"
    with opened(urls, which) as warehouse:
        found: list[list[object]] = []
        reader = threading.Thread(
            target=lambda: found.extend(b.column(0).to_pylist() for b in warehouse.read(sql, {})))
        reader.start()
        comes_to_work(admin)
        admin.execute("insert into wh_restarts values (1)")
        admin.execute(f"select pg_terminate_backend(pid) from {RUNNING}")
        reader.join(timeout=60)
    assert found == [["answered"]]


def test_a_connection_lost_after_the_first_row_is_an_error(urls: dict[str, str], admin: psycopg.Connection) -> None:
    with opened(urls, "postgresql") as warehouse:
        reading = iter(warehouse.read("select i, repeat('x', 500) from generate_series(1, 200000) i", {}))
        next(reading)
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'wh_long'")
        with pytest.raises(WarehouseError, match="reading from the warehouse failed"):
            list(reading)


def test_a_server_that_is_not_there_is_tried_twice_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def unreachable(query: object) -> None:
        asked.append(query)
        raise WarehouseUnreachable("no route")

    monkeypatch.setitem(paths._NATIVE, "postgresql", (unreachable,))
    with open_warehouse("postgresql://127.0.0.1:1/db") as warehouse, pytest.raises(WarehouseUnreachable):
        warehouse.read("select 1", {})
    assert len(asked) == 2
