"""An engine of SQLAlchemy for DuckDB, without a dialect for its SQL: queries are read in Arrow, by DuckDB itself."""

from __future__ import annotations

from typing import cast

import duckdb
from sqlalchemy import URL, Engine, Pool, QueuePool, SingletonThreadPool
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.engine.interfaces import DBAPIConnection

# MotherDuck reads them when it is opened.
_MOTHERDUCK = {"motherduck_token", "motherduck_attach_mode", "motherduck_saas_mode", "attach_mode", "saas_mode"}


class DuckDB(DefaultDialect):
    """Named in messages, and by what depends on the warehouse; it compiles nothing."""

    name = "duckdb"
    driver = "duckdb"
    supports_statement_cache = False


def duckdb_engine(url: URL, *, read_only: bool, memory: int | None, keep: bool) -> Engine:
    """An engine whose ``raw_connection`` is DuckDB's.

    Args:
        url: its options are settings of DuckDB; those of extensions are set once the database is open.
        memory: a limit in bytes.
        keep: one connection stays open until ``dispose``.
    """
    database = url.database or ":memory:"
    options = {name: value if isinstance(value, str) else value[-1] for name, value in url.query.items()}
    known = _settings() if options else set()
    config: dict[str, str | bool | int | float | list[str]] = {
        name: value for name, value in options.items() if name in known}
    if memory is not None:
        config.setdefault("memory_limit", f"{memory}B")

    def connect() -> DBAPIConnection:
        connection = duckdb.connect(database, read_only=read_only, config=config)
        for name, value in options.items():
            if name not in known:
                connection.execute(f'set "{name.replace(chr(34), "")}" = ?', [value])
        # Without replacements: otherwise DuckDB looks for a name that is no table among this program's variables.
        connection.execute("set global TimeZone = 'UTC'; set global python_enable_replacements = false")
        return cast(DBAPIConnection, connection)

    dialect = DuckDB()
    # Without a reset: DuckDB raises when nothing is to be rolled back.
    pool: Pool = (QueuePool(connect, pool_size=1, max_overflow=-1, dialect=dialect, reset_on_return=None) if keep
                  else SingletonThreadPool(connect, dialect=dialect, reset_on_return=None))
    return Engine(pool, dialect, url)


def _settings() -> set[str]:
    """The settings that a database can be opened with: those that DuckDB knows without an extension, MotherDuck's."""
    with duckdb.connect() as connection:
        rows = connection.execute("select name from duckdb_settings()").fetchall()
    return {str(name) for name, in rows} | _MOTHERDUCK
