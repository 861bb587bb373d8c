"""A warehouse's URL -> its engine: SQLAlchemy's, or DuckDB's. It can only read, where the dialect supports that."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from candu_sync.errors import WarehouseError
from candu_sync.warehouse.arrays import Odd
from candu_sync.warehouse.duckdb_engine import DuckDBEngine
from candu_sync.warehouse.psycopg_loaders import register_loaders
from candu_sync.warehouse.tags import tag_connections
from candu_sync.warehouse.urls import MEMORY, DuckDBUrl, require_file, shown, without_secrets

_EXTRAS = {
    "postgresql": "postgres", "mysql": "mysql", "mariadb": "mysql", "clickhousedb": "clickhouse",
    **{name: name for name in ("redshift", "snowflake", "bigquery", "databricks", "trino", "mssql")},
}
"""The extra that brings a dialect and its driver."""

_FILES = ("duckdb", "sqlite")
"""Dialects whose database is a file."""


def open_engine(url_text: str, memory: int | None = None, timeout: float | None = None) -> Engine | DuckDBEngine:
    """The engine for ``open_warehouse``. A file must exist now; a server is reached at the first query.

    ``memory`` is DuckDB's limit in bytes, ``timeout`` a query's in seconds. Raises ``WarehouseError`` when the URL is
    wrong, its file or driver missing.
    """
    url = parsed(url_text)
    backend = url.get_backend_name()
    try:
        if backend == "duckdb":
            return DuckDBEngine(DuckDBUrl(url.database, url.query), memory)
        if backend == "snowflake":
            return tag_connections(_snowflake(url, timeout))
        engine = _OPENERS.get(backend, _server)(url)
        return engine if backend in _FILES else tag_connections(engine)
    except (ImportError, NoSuchModuleError) as error:
        raise WarehouseError(f"there is no driver for {url.drivername}:// here: {install_hint(backend)}") from error
    except (ArgumentError, ValueError, TypeError) as error:
        raise WarehouseError(f"the warehouse URL {shown(url)} is wrong: {without_secrets(str(error), url)}") from None


def parsed(url_text: str) -> URL:
    """A URL as text → with the driver that is used for it. Raises ``WarehouseError`` when it is wrong."""
    try:
        url = make_url(url_text)
    except (ArgumentError, ValueError):
        # The parser's error may quote a part of the password.
        raise WarehouseError(
            "the warehouse URL cannot be read; it looks like duckdb:///warehouse.duckdb or "
            "postgresql://user:password@host:5432/database, and special characters of a password are "
            "percent-encoded (@ is %40, / is %2F, : is %3A)"
        ) from None
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername in ("mysql", "mariadb"):
        url = url.set(drivername=f"{url.drivername}+pymysql")
    if url.drivername == "mssql":
        url = url.set(drivername="mssql+mssqlpython")
    if url.get_backend_name() in _FILES and url.host:
        raise WarehouseError(
            f"the warehouse URL names a server, and {url.get_backend_name()} has none: a file takes three slashes, as "
            f"in {url.drivername}:///{url.host}; four where its path begins at the root")
    if url.get_backend_name() == "postgresql" and "@" in f"{url.host}{url.database}":
        raise WarehouseError("the warehouse URL has a second @: in a user name or a password it is written %40")
    return url


def install_hint(backend: str) -> str:
    """What to install for a dialect."""
    extra = _EXTRAS.get(backend)
    return f"pip install 'candu-sync[{extra}]'" if extra else f"install the SQLAlchemy dialect of {backend}"


def _server(url: URL) -> Engine:
    """A connection for each query: otherwise a long-lived process would get connections that the server has closed."""
    return create_engine(url, poolclass=NullPool)


def _bigquery(url: URL) -> Engine:
    from google.auth.exceptions import GoogleAuthError

    try:
        return _server(url)
    except GoogleAuthError as error:
        reason = without_secrets(str(error), url)
        raise WarehouseError(f"cannot connect to the warehouse {shown(url)}: {reason}") from None


def _snowflake(url: URL, timeout: float | None) -> Engine:
    session: dict[str, object] = {"TIMEZONE": "UTC"}
    if timeout is not None:
        # The server's own limit, a second after ours.
        session["STATEMENT_TIMEOUT_IN_SECONDS"] = math.ceil(timeout) + 1
    # Numbers with a fraction as the decimals that they are, instead of floats.
    options = {"session_parameters": session, "arrow_number_to_decimal": True}
    return create_engine(url, poolclass=NullPool, connect_args=options)


def _postgres(url: URL) -> Engine:
    # It replaces an encoding that the URL names: everything is read as UTF-8.
    encoding = {"client_encoding": "UTF8"} if url.drivername == "postgresql+psycopg" else {}
    engine = create_engine(url, poolclass=NullPool, connect_args=encoding,
                           execution_options={"postgresql_readonly": True})

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        if engine.dialect.driver == "psycopg":
            register_loaders(connection)

    return engine


def _sqlite(url: URL) -> Engine:
    # Named parameters are SQLite's own; the positional style would look for %(name)s in the model's literals.
    if url.database in MEMORY or url.query:
        engine = create_engine(url, paramstyle="named", connect_args={"check_same_thread": False})
    else:
        require_file(url.database or "")
        address = f"file:{quote(str(Path(url.database or '').absolute()))}?mode=ro"
        engine = create_engine(
            url, paramstyle="named", creator=lambda: sqlite3.connect(address, uri=True, check_same_thread=False)
        )

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        connection.execute("pragma query_only = on")
        connection.text_factory = _text

    return engine


def _text(raw: bytes) -> str | Odd:
    """SQLite keeps any bytes as text. Where they are not UTF-8, only the row is set aside."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return Odd.NOT_UTF8


_OPENERS: dict[str, Callable[[URL], Engine]] = {"bigquery": _bigquery, "postgresql": _postgres, "sqlite": _sqlite}
