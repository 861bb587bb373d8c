"""One table of events in each of the three databases, with rows exactly on the edges of a day."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import duckdb
import psycopg
import pytest

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
