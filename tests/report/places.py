"""The databases that take the tables: for each a URL of its own schema, and a way to look at it by SQL."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, create_engine, make_url, text

from candu_sync.settings import Settings
from candu_sync.warehouse.duckdb_writing import writing_engine
from tests.support.lab import Lab


@dataclass
class Place:
    """A database and a schema of its own in it."""

    dialect: str
    url: str
    schema: str
    engine: Engine

    @property
    def prefix(self) -> str:
        """Before a table's name."""
        return "" if self.dialect == "sqlite" else f"{self.schema}."

    def query(self, sql: str, **values: object) -> list[dict[str, Any]]:
        """The rows of a query; ``{s}`` is what stands before a table's name."""
        with self._connected() as connection:
            return [dict(row._mapping) for row in connection.execute(text(sql.format(s=self.prefix)), values)]

    def change(self, sql: str) -> None:
        """Carry out a statement."""
        with self._connected() as connection:
            connection.execute(text(sql.format(s=self.prefix)))
            connection.commit()

    @property
    def runs(self) -> list[dict[str, Any]]:
        return self.query("select * from {s}sync_runs order by began_at, ended_at")

    @property
    def rows(self) -> list[dict[str, Any]]:
        return self.query("select * from {s}sync_rows order by run_id, row_key, message_type")

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        try:
            with self.engine.connect() as connection:
                yield connection
        finally:
            if self.dialect != "snowflake":
                # A DuckDB file that is kept open could be written by no other process.
                self.engine.dispose()


def use(lab: Lab, place: Place) -> Settings:
    """Make a place the one of a lab's report."""
    lab.overrides |= {"report_schema": place.schema, "report_url": place.url}
    return lab.settings


def place_at(dialect: str, url: str, engine: Engine | None = None) -> Place:
    """A place with a new schema."""
    driver = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}.get(dialect)
    full = url if driver is None else url.replace(f"{dialect}://", f"{driver}://", 1)
    if engine is None:
        engine = writing_engine(make_url(full), memory=None) if dialect == "duckdb" else create_engine(full)
    return Place(dialect, url, f"r{uuid.uuid4().hex[:12]}", engine)
