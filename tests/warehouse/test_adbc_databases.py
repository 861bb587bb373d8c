"""A run opens ADBC's database once, and only where it needs ADBC: to open it reads all tables of the database."""

from __future__ import annotations

from typing import Any

import adbc_driver_manager
import adbc_driver_postgresql  # type: ignore[import-untyped]
import psycopg
import pytest

from candu_sync import pipeline
from candu_sync.simulator import Simulator
from candu_sync.target import Target
from candu_sync.warehouse import Warehouse, open_warehouse
from candu_sync.warehouse.row_hashes import NotHashed
from tests.support.lab import Lab


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was opened so far: ADBC's databases, and connections by ADBC and by psycopg."""
    seen: list[str] = []
    for module, name, what in ((adbc_driver_postgresql, "connect", "database"),
                               (adbc_driver_manager, "AdbcConnection", "adbc"), (psycopg, "connect", "psycopg")):

        original = getattr(module, name)

        def counted(*given: Any, _call: Any = original, _what: str = what, **options: Any) -> Any:
            seen.append(_what)
            return _call(*given, **options)

        monkeypatch.setattr(module, name, counted)
    return seen


def hashes(warehouse: Warehouse, sql: str, tag: str | None = None) -> list[tuple[Any, ...]] | None:
    """The rows of a query that is read with row hashes; None: it cannot be."""
    try:
        found = warehouse.hashed(sql, {}, key=["user_id"], tag=tag)
    except NotHashed:
        return None
    with found as model, model.rows(None) as reading:
        return [tuple(row.values())[:len(model.schema)] for batch in reading for row in batch.to_pylist()]


def test_a_warehouse_opens_it_once_and_a_connection_for_each_query(postgres_url: str, opened: list[str]) -> None:
    own = "(select application_name from pg_stat_activity where pid = pg_backend_pid())"
    with open_warehouse(postgres_url) as warehouse:
        sql = f"select 'u1' as user_id, {own} as name"
        found = [hashes(warehouse, sql, tag) for tag in ("users/a", "users/b", None)]
    assert found == [[("u1", name)] for name in ("candu-sync users/a", "candu-sync users/b", "candu-sync")]
    assert opened == ["database", *["adbc"] * 3]
    with open_warehouse(postgres_url) as another:
        assert hashes(another, "select 'u1' as user_id") == [("u1",)]
    assert opened.count("database") == 2


def test_a_type_that_is_younger_than_the_database_that_is_open_is_read_rightly(postgres_url: str) -> None:
    with open_warehouse(postgres_url) as warehouse, psycopg.connect(postgres_url, autocommit=True) as admin:
        assert hashes(warehouse, "select 'u1' as user_id")
        admin.execute("drop type if exists younger; create type younger as enum ('calm', 'loud')")
        admin.execute("drop domain if exists short; create domain short as varchar(9)")
        sql = "select 'u1' as user_id, 'loud'::younger as mood, 'x'::short as code, 'b'::bytea as bytes"
        assert hashes(warehouse, sql) in (None, [("u1", "loud", "x", b"b")])
        with warehouse.read(sql, {}) as reading:
            assert [batch.to_pylist() for batch in reading] == [
                [{"user_id": "u1", "mood": "loud", "code": "x", "bytes": b"b"}]]


def test_small_syncs_of_a_run_open_none_and_a_connection_each(lab: Lab, simulator: Simulator, postgres_url: str,
                                                              opened: list[str]) -> None:
    lab.overrides["warehouse_url"] = postgres_url
    syncs = [lab.sync(f"users/s{n}", f"select 'u1' as user_id, {n} as t{n}") for n in range(4)]
    with lab.project() as project:
        for _ in range(2):
            opened.clear()
            assert [pipeline.run(Target(project, sync)).status for sync in syncs] == ["succeeded"] * 4
            assert opened == ["psycopg"] * 4
    assert simulator.users() == {"u1": {f"t{n}": n for n in range(4)}}
