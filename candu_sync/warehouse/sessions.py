"""The settings of each dialect's session before a query that is read by rows, and how a query is ended at the server.

Every session is in the sync's ``timezone`` (MySQL's and MariaDB's in UTC, see ``bounds.py``), is read-only where the
dialect supports it, and ends a query by itself soon after our own limit. Our clock cancels it first. The server's limit
is for the case that this process cannot cancel any more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from candu_sync.warehouse.bounds import COLLATION, comparison
from candu_sync.warehouse.postgres_types import session as postgres_session

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from candu_sync.warehouse.query import Query

Cancel = Callable[[], object]

_GRACE = 1
"""Seconds between our own limit and the server's."""


def prepare(connection: Connection, query: Query) -> None:
    """Sets the session up for a query: its zone, and its limit of time."""
    for statement in _statements(connection, query):
        connection.exec_driver_sql(statement)
    if connection.dialect.name == "mssql" and query.timeout is not None:
        # pyodbc and mssql-python have the limit on the connection; SQL Server itself has none.
        raw: Any = connection.connection.driver_connection
        raw.timeout = math.ceil(query.timeout) + _GRACE
    if connection.dialect.name == "sqlite":
        raw = connection.connection.driver_connection
        raw.create_collation(COLLATION, comparison(query.timezone))


def _statements(connection: Connection, query: Query) -> list[str]:
    dialect: Any = connection.dialect
    timeout, zone = query.timeout, query.timezone
    seconds = None if timeout is None else math.ceil(timeout) + _GRACE
    match dialect.name:
        case "postgresql":
            return postgres_session(query)
        case "redshift":
            return [f"set timezone to '{zone}'", *_limited(seconds, "set statement_timeout to {0}000")]
        case "mysql" | "mariadb":
            limit = "set max_statement_time = {0}" if dialect.is_mariadb else "set max_execution_time = {0}000"
            return ["set time_zone = '+00:00'", "set net_write_timeout = 3600", *_limited(seconds, limit),
                    "start transaction read only"]
        case "databricks":
            return [f"set time zone '{zone}'", *_limited(seconds, "set statement_timeout = {0}")]
        case "trino":
            return [f"set time zone '{zone}'", *_limited(seconds, "set session query_max_run_time = '{0}s'")]
        case "snowflake":
            # UTC is set when the connection is made.
            return [] if zone == "UTC" else [f"alter session set timezone = '{zone}'"]
        case _:
            return []


def _limited(seconds: int | None, statement: str) -> list[str]:
    return [] if seconds is None else [statement.format(seconds)]


def canceller(connection: Connection) -> Cancel | None:
    """What ends the connection's query at the server, from another thread; None: the driver cannot."""
    raw: Any = connection.connection.driver_connection
    match connection.dialect.name:
        case "mysql" | "mariadb":
            number = connection.exec_driver_sql("select connection_id()").scalar()
            return _by_statement(connection, f"kill query {number}")
        case "snowflake":
            return _by_statement(connection, f"select system$cancel_all_queries({raw.session_id})")
    # psycopg's cancel_safe waits for the server's answer; psycopg2 has cancel, sqlite3 interrupt.
    for name in ("cancel_safe", "cancel", "interrupt"):
        if hasattr(raw, name):
            method: Cancel = getattr(raw, name)
            return method
    return None


def _by_statement(connection: Connection, statement: str) -> Cancel:
    """Cancel by a statement on another connection."""

    def cancel() -> None:
        with connection.engine.connect() as another:
            another.exec_driver_sql(statement)

    return cancel
