"""One table of events in each of the three databases, with rows exactly on the edges of a day."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import duckdb
import psycopg
import pytest
from sqlalchemy import Engine, event

from candu_sync.warehouse.connect import open_engine
from tests.warehouse import servers
from tests.warehouse.events import EVENTS

DIALECTS = ("duckdb", "sqlite", "postgresql")



@pytest.fixture(scope="session")
def urls(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> dict[str, str]:
    """A URL for each dialect; ``wh_events(name, seen, plan)`` is there, ``seen`` a timestamp without zone."""
    folder = tmp_path_factory.mktemp("warehouses")
    with duckdb.connect(str(folder / "wh.duckdb")) as duck:
        duck.execute("create table wh_events(name varchar, seen timestamp, plan varchar)")
        duck.executemany("insert into wh_events values (?, ?, ?)", EVENTS)
    lite = sqlite3.connect(folder / "wh.sqlite")
    lite.execute("create table wh_events(name text, seen text, plan text)")
    lite.executemany("insert into wh_events values (?, ?, ?)", EVENTS)
    lite.commit()
    lite.close()
    with psycopg.connect(postgres_url) as postgres:
        postgres.execute("create table wh_events(name text, seen timestamp, plan text)")
        postgres.cursor().executemany("insert into wh_events values (%s, %s, %s)", EVENTS)
    return {"duckdb": _url(folder, "duckdb"), "sqlite": _url(folder, "sqlite"), "postgresql": postgres_url}


def _url(folder: Path, dialect: str) -> str:
    return f"{dialect}:///{folder}/wh.{dialect}"


@pytest.fixture(params=DIALECTS)
def url(request: pytest.FixtureRequest, urls: dict[str, str]) -> str:
    """The same table, once in each database."""
    found: str = urls[request.param]
    return found


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    """A real MariaDB of this test session, with an empty database ``wh``."""
    with servers.mariadb() as url:
        yield url


@pytest.fixture(scope="session")
def snowflake_engine() -> Iterator[Engine]:
    """An engine of Snowflake's dialect and connector, as ours is made, on fakesnow."""
    with servers.snowflake() as where:
        engine = open_engine("snowflake://user:password@account/wh/public", None)

        # Where Snowflake is, is no option of a URL.
        @event.listens_for(engine, "do_connect")
        def elsewhere(dialect: object, record: object, arguments: object, options: dict[str, object]) -> None:
            options.update(where)

        yield engine
        engine.dispose()
