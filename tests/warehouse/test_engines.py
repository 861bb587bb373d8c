"""A URL that cannot work is one clear sentence, which never holds the password."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from sqlalchemy import URL, make_url
from sqlalchemy.exc import DBAPIError

from candu_sync.errors import WarehouseError
from candu_sync.warehouse import open_warehouse
from candu_sync.warehouse.connect import open_engine
from candu_sync.warehouse.duckdb_engine import DuckDBEngine
from candu_sync.warehouse.urls import duckdb_url

PASSWORD = "s3cret:p@ss/w?rd#%"


def failure(url: str) -> str:
    with pytest.raises(WarehouseError) as caught:
        open_warehouse(url).read("select 1", {})
    assert caught.value.__cause__ is None or "s3cret" not in repr(caught.value.__cause__)
    return str(caught.value)


@pytest.mark.parametrize("dialect", ["duckdb", "sqlite"])
def test_a_missing_file_is_an_error_and_not_a_new_database(tmp_path: Path, dialect: str) -> None:
    path = tmp_path / "nope.db"
    assert f"{path} does not exist" in failure(f"{dialect}:///{path}")
    assert not path.exists()


@pytest.mark.parametrize("url", ["", "warehouse.duckdb", "postgresql://u:s3cret@host:5432x/db"])
def test_what_is_no_url_is_said_with_an_example(url: str) -> None:
    message = failure(url)
    assert "duckdb:///warehouse.duckdb" in message
    assert "s3cret" not in message


def test_an_unescaped_at_sign_in_a_password_does_not_show_the_password() -> None:
    message = failure("postgresql://user:p@s3cret/x@localhost/db")
    assert "%40" in message
    assert "s3cret" not in message


def test_an_unknown_database_says_what_to_install() -> None:
    assert "SQLAlchemy dialect of nosuchdb" in failure("nosuchdb://host/db")


def test_a_missing_postgres_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert "pip install 'candu-sync[postgres]'" in failure("postgresql://localhost/db")


@pytest.mark.parametrize("parameters", [{}, {"partition": "eu"}])
def test_a_server_that_is_not_there_is_named_without_its_password(parameters: dict[str, str]) -> None:
    sql = "select :partition" if parameters else "select 1"
    url = URL.create("postgresql", "user", "s3cret", "127.0.0.1", 1, "db", {"application_name": "s3cret"})
    with pytest.raises(WarehouseError) as caught:
        open_warehouse(url.render_as_string(hide_password=False)).read(sql, parameters)
    assert "cannot connect to the warehouse postgresql+psycopg://user:***@127.0.0.1:1/db" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(("path", "as_type"), [("adbc", "bytea"), ("postgres copy", "text"),
                                                ("postgres copy", "json"), ("rows", "inet")])
def test_a_password_with_special_characters_and_options_reach_the_server(
    postgres_url: str, path: str, as_type: str
) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("drop role if exists wh_reader")
        admin.execute(f"create role wh_reader login password '{PASSWORD}'")
    url = make_url(postgres_url).set(username="wh_reader", password=PASSWORD)
    url = url.update_query_dict({"options": "-c statement_timeout=54321", "application_name": "candu sync"})
    sql = "select current_user || current_setting('statement_timeout') || current_setting('application_name')"
    with open_warehouse(url.render_as_string(hide_password=False)) as warehouse:
        reading = warehouse.read(f"{sql}, null::{as_type} as typed where :partition = 'eu'", {"partition": "eu"})
        assert [batch.column(0).to_pylist() for batch in reading] == [["wh_reader54321mscandu sync"]]
        assert reading.path == path


def test_an_option_that_does_not_exist_is_named(postgres_url: str) -> None:
    assert 'invalid connection option "nonsense"' in failure(f"{postgres_url}&nonsense=1")


def test_postgres_is_read_only_below_the_checks_of_the_sql(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        body = "create table wh_written(a int); select 1"
        admin.execute(f"create or replace function wh_write() returns int as '{body}' language sql")
    with open_warehouse(postgres_url) as warehouse:
        for sql in ("select wh_write()", "select wh_write() where :partition = 'eu'"):
            with pytest.raises(WarehouseError, match="read-only transaction"):
                list(warehouse.read(sql, {"partition": "eu"}))


def test_sqlite_is_read_only_below_the_checks_of_the_sql(tmp_path: Path) -> None:
    path = tmp_path / "a file #1?.sqlite"
    sqlite3.connect(path).execute("create table t(a)").connection.close()
    engine = open_engine(f"sqlite:///{str(path).replace('?', '%3F')}", None)
    with engine.connect() as connection, pytest.raises(DBAPIError, match="readonly database"):
        connection.exec_driver_sql("insert into t values (1)")


def test_duckdb_is_read_only_below_the_checks_of_the_sql(tmp_path: Path) -> None:
    path = tmp_path / "wh.duckdb"
    duckdb.connect(str(path)).execute("create table t(a int)").close()
    for url in (f"duckdb:///{path}?access_mode=read_write", f"duckdb:///{path}?read_only=false"):
        engine = DuckDBEngine(duckdb_url(url) or pytest.fail(url), None)
        with engine.connection() as connection, pytest.raises(duckdb.Error, match="read-only mode"):
            connection.cursor().execute("insert into t values (1)")
        engine.dispose()


def test_the_options_of_a_duckdb_url_are_settings(tmp_path: Path) -> None:
    path = tmp_path / "wh.duckdb"
    duckdb.connect(str(path)).close()
    sql = "select current_setting('threads')::text || ' ' || current_setting('memory_limit')"
    with open_warehouse(f"duckdb:///{path}?threads=1&memory_limit=300MB", memory=100_000_000) as warehouse:
        assert warehouse.values(sql) == ["1 286.1 MiB"]
    assert "no_such_setting" in failure(f"duckdb:///{path}?no_such_setting=1")


def test_duckdb_needs_no_sqlalchemy(urls: dict[str, str]) -> None:
    code = """
import sys
from candu_sync.warehouse import open_warehouse
with open_warehouse(sys.argv[1]) as warehouse:
    assert (warehouse.dialect, warehouse.values("select 1")) == ("duckdb", ["1"])
assert "sqlalchemy" not in sys.modules and "duckdb_engine" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code, urls["duckdb"]], check=True)


def test_a_duckdb_file_stays_open_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "wh.duckdb"
    duckdb.connect(str(path)).close()
    engine = DuckDBEngine(duckdb_url(f"duckdb:///{path}") or pytest.fail("no URL"), None)
    with engine.connection() as first:
        with engine.connection() as second:
            assert second is not first
        engine.dispose()
        # The one that somebody works with is open still, and is closed at its end.
        assert first.execute("select 1").fetchall() == [(1,)]
    duckdb.connect(str(path)).close()
    with engine.connection() as third:
        assert third is not first
    with engine.connection() as fourth:
        assert fourth is third
    engine.dispose()
    duckdb.connect(str(path)).close()


def test_a_model_cannot_copy_to_a_file(urls: dict[str, str], tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    for sql in (f"copy (select 1) to '{target}'", f"with a as (select 1) copy (from a) to '{target}'"):
        with open_warehouse(urls["duckdb"]) as warehouse, pytest.raises(WarehouseError):
            warehouse.read(sql, {})
    assert not target.exists()


def test_a_duckdb_file_that_is_being_written_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "busy.duckdb"
    writer = duckdb.connect(str(path))
    try:
        assert "cannot connect to the warehouse duckdb:///" in failure(f"duckdb:///{path}")
    finally:
        writer.close()


def test_duckdb_in_memory_reads_files(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("user_id,plan\nu1,pro\n")
    with open_warehouse("duckdb:///:memory:", memory=100_000_000) as warehouse:
        assert warehouse.values(f"select plan from '{tmp_path}/users.csv'") == ["pro"]
        assert warehouse.values("select current_setting('memory_limit')") == ["95.3 MiB"]


def test_sqlite_text_that_is_not_utf8_does_not_end_the_read(tmp_path: Path) -> None:
    path = tmp_path / "wh.sqlite"
    lite = sqlite3.connect(path)
    lite.execute("create table t(name text, n int)")
    lite.execute("insert into t values ('a', 1), (cast(x'ff' as text), 2), ('c', 3)")
    lite.commit()
    lite.close()
    found: dict[str, list[Any]] = {}
    with open_warehouse(f"sqlite:///{path}") as warehouse:
        for batch in warehouse.read("select * from t", {}):
            found[str(batch.column("name")[0])] = batch.column("n").to_pylist()
    assert found == {"a": [1, 3], "text that is not UTF-8": [2]}


@pytest.mark.parametrize("url", ["duckdb://shop.duckdb", "sqlite://shop.db", "duckdb://data/shop.duckdb"])
def test_a_file_with_two_slashes_is_one_sentence(url: str) -> None:
    said = failure(url)
    assert "a file takes three slashes, as in" in said
    assert len(said) < 250


@pytest.mark.parametrize("url", [
    "postgresql://u@127.0.0.1:1/db?sslmode=hunter2", "postgresql://u@127.0.0.1:1/db?connect_timeout=hunter2",
    "postgresql://u:pw@127.0.0.1:1/db?channel_binding=hunter2", "postgresql://u@127.0.0.1:1/db?gssencmode=hunter%202",
    "mysql://u@127.0.0.1:1/db?connect_timeout=hunter2", "mysql://u:hunter2@127.0.0.1:1/db?ssl_ca=hunter2",
    "duckdb:///{folder}/wh.duckdb?memory_limit=hunter2", "sqlite:///{folder}/wh.sqlite?timeout=hunter2",
    "duckdb:///{folder}/wh.duckdb?threads=hunter2",
])
def test_a_secret_in_the_wrong_place_is_not_repeated(url: str, tmp_path: Path) -> None:
    duckdb.connect(str(tmp_path / "wh.duckdb")).close()
    sqlite3.connect(tmp_path / "wh.sqlite").close()
    said = failure(url.format(folder=tmp_path))
    assert "hunter" not in said
    assert "\n" not in said.strip() or len(said.splitlines()) <= 6


def test_sqlite_with_an_option_is_read_by_another_thread(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "wh.sqlite") as lite:
        lite.execute("create table t as select 1 as n")
    with open_warehouse(f"sqlite:///{tmp_path}/wh.sqlite?timeout=5") as warehouse, ThreadPoolExecutor(1) as another:
        reading = warehouse.read("select * from t union all select 2", {})
        assert another.submit(lambda: sum(batch.num_rows for batch in reading)).result() == 2
