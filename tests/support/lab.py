"""A small project in a folder, for tests of the engine: models, a DuckDB warehouse, the state and a simulator.

    lab = Lab(tmp_path, simulator)
    lab.table("people", user_id=["u1", "u2"], plan=["pro", "free"])
    sync = lab.sync("users/profile", "select * from people")
    assert lab.run(sync).accepted == 2
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from candu_sync import pipeline
from candu_sync.arrow_rows import read_table
from candu_sync.changes.change_set import ChangeSet
from candu_sync.commit.run_result import RunResult
from candu_sync.errors import CanduSyncError
from candu_sync.project import Project
from candu_sync.settings import Settings, load_settings
from candu_sync.simulator import Simulator
from candu_sync.state.partition_state import PartitionState
from candu_sync.state.root import State
from candu_sync.syncs.sync import Sync, load_syncs
from candu_sync.target import Target

# httpx and uvicorn have a line for each request.
logging.getLogger("httpx").setLevel(logging.WARNING)


class Lab:
    """A project's folder. ``settings`` go over those that suit a test: no rate, two workers, two attempts, and requests
    that do not grow: how many there are would depend on which answer comes first."""

    def __init__(self, folder: Path, simulator: Simulator | None = None, **settings: Any) -> None:
        self.folder = folder
        self.warehouse = folder / "warehouse.duckdb"
        self.sql = folder / "sql"
        # The route, too: a developer's own variables must not send made-up people to a real source of Segment.
        self.overrides: dict[str, Any] = {
            "route": "candu", "api_url": simulator.url if simulator else "http://127.0.0.1:9/api",
            "api_key": simulator.key if simulator else "no-key", "warehouse_url": f"duckdb:///{self.warehouse}",
            "state_url": str(folder / "state"), "sql_dir": self.sql, "rate": 0, "concurrency": 2, "timeout": 60,
            "max_attempts": 2, "batch_growth": False, **settings}

    @property
    def settings(self) -> Settings:
        return load_settings(**self.overrides)

    def table(self, name: str, rows: pa.Table | None = None, **columns: Sequence[object]) -> None:
        """Make a table of the warehouse, or replace it: from Arrow, or from columns of Python values."""
        self.query(f"create or replace table {name} as select * from incoming",
                   incoming=pa.table(columns) if rows is None else rows)

    def query(self, sql: str, **tables: pa.Table) -> None:
        """Change the warehouse; ``tables`` can be read by their names."""
        with attached(self.warehouse) as connection:
            for name, table in tables.items():
                connection.register(name, table)
            connection.execute(sql)

    def sync(self, name: str, sql: str, yaml: str = "") -> Sync:
        """Write a model and its settings, and read them as the command line does."""
        path = self.sql / f"{name}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sql)
        path.with_suffix(".yaml").write_text(yaml)
        catalog = load_syncs(self.sql)
        for error in catalog.errors:
            raise error
        return catalog.syncs[name]

    @contextmanager
    def project(self) -> Iterator[Project]:
        with Project(self.settings) as project:
            yield project

    def run(self, sync: Sync, partition: str | None = None, **options: Any) -> RunResult:
        with self.project() as project:
            return pipeline.run(Target(project, sync, partition), **options)

    def plan(self, sync: Sync, partition: str | None = None, **options: Any) -> ChangeSet:
        with self.project() as project:
            return pipeline.plan(Target(project, sync, partition), **options)

    def push(self, sync: Sync, changes: ChangeSet, **options: Any) -> RunResult:
        with self.project() as project:
            return pipeline.push(Target(project, sync, changes.partition), changes, **options)

    def state(self, sync: Sync, partition: str | None = None) -> PartitionState:
        return State(self.settings.state_url).of(sync.name, partition)

    def rejected(self, sync: Sync, partition: str | None = None) -> list[dict[str, Any]]:
        """The rows that Candu refused, as the current version has them, by key."""
        state = self.state(sync, partition)
        path = state.open(state.current().files.get("rejected"))
        rows = [] if path is None else read_table(path).to_pylist()
        return sorted(rows, key=lambda row: str(row["key"]))

    def reasons(self, sync: Sync, partition: str | None = None) -> dict[str, int]:
        """Why rows are set aside, as a plan finds it."""
        return self.plan(sync, partition).summary.reasons


@contextmanager
def attached(warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a file of DuckDB's, whose tables it sees as if it had opened the file. Opening it takes 25 ms of
    processor, this a tenth of that."""
    with _attaching, _database().cursor() as connection:
        connection.execute(f"attach '{warehouse}' as warehouse; use warehouse")
        try:
            yield connection
        finally:
            connection.execute("use memory; detach warehouse")


_attaching = threading.Lock()


@cache
def _database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def error_of(call: Any, *arguments: Any, **options: Any) -> str:
    """The sentence that a call fails with."""
    try:
        call(*arguments, **options)
    except CanduSyncError as error:
        return str(error)
    raise AssertionError("it did not fail")
