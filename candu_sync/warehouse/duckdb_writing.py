"""An engine of SQLAlchemy that writes to a DuckDB file. DuckDB takes PostgreSQL's SQL for all that is needed here.

DuckDB's own ``cursor()`` is another connection, with transactions of its own. Here a connection has one.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

import duckdb
from sqlalchemy import URL, Engine, NullPool
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPIModule


class _Dialect(PGDialect):
    name = "duckdb"
    driver = "duckdb"
    supports_statement_cache = False

    def do_begin(self, dbapi_connection: Any) -> None:
        dbapi_connection.begin()


class _Connection:
    """One of DuckDB's connections, as SQLAlchemy expects it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.close = connection.close
        self.begin = connection.begin
        self.register, self.unregister = connection.register, connection.unregister

    def cursor(self) -> _Cursor:
        return _Cursor(self._connection)

    def commit(self) -> None:
        # DuckDB raises where there is no transaction.
        with suppress(duckdb.TransactionException):
            self._connection.commit()

    def rollback(self) -> None:
        with suppress(duckdb.TransactionException):
            self._connection.rollback()


class _Cursor:
    rowcount = -1
    arraysize = 1

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.fetchone, self.fetchmany, self.fetchall = connection.fetchone, connection.fetchmany, connection.fetchall

    @property
    def description(self) -> Any:
        return self._connection.description

    def execute(self, sql: str, values: Any = ()) -> None:
        self._connection.execute(sql, values or None)

    def executemany(self, sql: str, values: Any) -> None:
        self._connection.executemany(sql, values)

    def close(self) -> None:
        pass


def writing_engine(url: URL, *, memory: int | None) -> Engine:
    """An engine whose file is made where there is none.

    Args:
        memory: a limit in bytes.
    """
    config = {} if memory is None else {"memory_limit": f"{memory}B"}

    def connect() -> DBAPIConnection:
        return cast(DBAPIConnection, _Connection(duckdb.connect(url.database or ":memory:", config=cast(Any, config))))

    dialect = _Dialect(dbapi=cast(DBAPIModule, duckdb))  # type: ignore[no-untyped-call]
    return Engine(NullPool(connect, dialect=dialect), dialect, url)
