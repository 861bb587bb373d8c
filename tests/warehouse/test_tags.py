"""Queries name their sync at the warehouse: by what each driver is given. What real servers have of it is tested
beside each."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from google.cloud import bigquery
from sqlalchemy import create_engine

from candu_sync.sql_text import bindable, one_query, used_values
from candu_sync.warehouse.connect import open_engine
from candu_sync.warehouse.query import Query
from candu_sync.warehouse.tags import commented, labels, tag_connections, tag_of, tag_options

TAG = "candu-sync users/profile"

@pytest.mark.parametrize("url", ["snowflake://u:p@account/db", "mysql://u:p@h/db", "postgresql://u:p@h/db"])
def test_the_engine_of_a_server_tags_its_connections(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, given = open_engine(url), []

    def connect(*_: object, **options: Any) -> None:
        given.append(str(options))
        raise RuntimeError("no server")

    monkeypatch.setattr(engine.dialect, "connect", connect)
    with pytest.raises(RuntimeError, match="no server"):
        Query(engine, "select 1", tag=TAG).connect()
    assert TAG in given[0]


@pytest.mark.parametrize(("dialect", "driver", "options", "more"), [
    ("snowflake", "snowflake", {"session_parameters": {"TIMEZONE": "UTC"}},
     {"session_parameters": {"QUERY_TAG": TAG, "TIMEZONE": "UTC"}}),
    ("snowflake", "snowflake", {"session_parameters": {"QUERY_TAG": "mine"}},
     {"session_parameters": {"QUERY_TAG": "mine"}}),
    ("redshift", "psycopg2", {"application_name": "sqlalchemy-redshift"}, {"application_name": TAG}),
    ("redshift", "psycopg2", {"application_name": "nightly"}, {}),
    ("trino", "rest", {"source": "trino-sqlalchemy"},
     {"source": TAG, "client_tags": ["candu-sync", "users/profile"]}),
    ("trino", "rest", {"source": "nightly", "client_tags": ["team"]},
     {"source": "nightly", "client_tags": ["team", "candu-sync", "users/profile"]}),
    ("postgresql", "asyncpg", {}, {}), ("mysql", "mysqldb", {}, {}), ("sqlite", "pysqlite", {}, {}),
    ("duckdb", "duckdb", {}, {}), ("oracle", "oracledb", {}, {}),
])
def test_each_driver_is_given_what_it_knows(dialect: str, driver: str, options: dict[str, Any],
                                            more: dict[str, Any]) -> None:
    assert tag_options(dialect, driver, options, TAG) == more


def test_bigquery_s_rows_have_labels_too() -> None:
    """By its real client, as far as it needs no service."""
    client: Any = SimpleNamespace(default_query_job_config=bigquery.QueryJobConfig(labels={"team": "growth"}))
    tag_options("bigquery", "bigquery", {"client": client}, TAG)
    assert client.default_query_job_config.to_api_repr()["labels"] == {"team": "growth", "candu-sync": "users-profile"}


def test_labels_are_what_bigquery_takes() -> None:
    for tag in (tag_of("Users/Profile_2"), tag_of("users/" + "x" * 100), tag_of(None)):
        [(key, value)] = labels(tag).items()
        assert key == "candu-sync"
        assert len(value) <= 63
        assert value == value.lower()


@pytest.mark.parametrize("dialect", ["databricks", "clickhousedb", "mssql"])
def test_a_comment_is_the_last_resort_and_hides_nothing(dialect: str) -> None:
    sql = "select ':since' as s from t where at > :since -- :partition"
    text = commented(one_query(sql, dialect), dialect, TAG)
    assert text.startswith(f"/* {TAG} */ select")
    assert used_values(text, {"since": "x"}, dialect) == {"since": "x"}
    assert bindable(text, dialect).count(":since") == bindable(sql, dialect).count(":since")
    # The same text for each run: caches of results go by it.
    assert text == commented(one_query(sql, dialect), dialect, tag_of("users/profile"))


def test_other_dialects_get_the_sql_as_it_is() -> None:
    for dialect in ("duckdb", "sqlite", "postgresql", "snowflake", "bigquery", "mysql", "mariadb", "redshift", "trino"):
        assert commented("select 1", dialect, TAG) == "select 1"


@pytest.mark.parametrize("name", ["a */ drop", "x'; --", "é/ü", "a\nb", ":since", "%s {x}"])
def test_no_name_leaves_its_comment(name: str) -> None:
    tag = tag_of(name)
    assert re.fullmatch(r"candu-sync [\w./-]*", tag, re.ASCII)


def test_an_engine_that_knows_no_tag_connects_as_before(tmp_path: Path) -> None:
    engine = tag_connections(create_engine(f"sqlite:///{tmp_path}/x.db"))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("select 1").scalar() == 1
