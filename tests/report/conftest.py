"""Each database that takes the tables, with a schema of its own for each test."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from candu_sync.report import reports
from candu_sync.warehouse import bulk
from candu_sync.warehouse.writable import Writable
from tests.report.places import Place, place_at

PLACES = ("duckdb", "sqlite", "postgresql", "postgresql rows", "mariadb", "snowflake")


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The databases, one after the other; PostgreSQL with ADBC and without it."""
    kind = str(request.param)
    if kind in ("duckdb", "sqlite"):
        return place_at(kind, f"{kind}:///{tmp_path}/report.{kind}")
    if kind == "mariadb":
        return place_at("mysql", request.getfixturevalue("mariadb_url"))
    if kind == "snowflake":
        engine: Engine = request.getfixturevalue("snowflake_engine")
        monkeypatch.setattr(reports, "open_writable", lambda url, memory: Writable(engine))
        return place_at("snowflake", "snowflake://elsewhere", engine)
    if kind == "postgresql rows":
        monkeypatch.setattr(bulk, "_adbc", lambda engine: None)
    return place_at("postgresql", request.getfixturevalue("postgres_url"))


@pytest.fixture
def postgres(postgres_url: str) -> Place:
    return place_at("postgresql", postgres_url)
