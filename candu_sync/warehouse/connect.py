"""A warehouse's URL -> a SQLAlchemy engine. It can only read, where the dialect supports that."""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from candu_sync.errors import WarehouseError, WarehouseUnreachable
from candu_sync.warehouse.arrays import Odd
from candu_sync.warehouse.duckdb_engine import duckdb_engine
from candu_sync.warehouse.faults import translated
from candu_sync.warehouse.psycopg_loaders import register_loaders
from candu_sync.warehouse.tags import tag_connections

_EXTRAS = {
    "postgresql": "postgres", "mysql": "mysql", "mariadb": "mysql", "clickhousedb": "clickhouse",
    **{name: name for name in ("redshift", "snowflake", "bigquery", "databricks", "trino", "mssql")},
}
"""The extra that brings a dialect and its driver."""

_FILES = ("duckdb", "sqlite")
"""Dialects whose database is a file."""

_MEMORY = (None, "", ":memory:")


def open_engine(url_text: str, memory: int | None = None, timeout: float | None = None) -> Engine:
    """The engine for ``open_warehouse``. A file must exist now; a server is reached at the first query.

    ``memory`` is DuckDB's limit in bytes, ``timeout`` a query's in seconds. Raises ``WarehouseError`` when the URL is
    wrong, its file or driver missing.
    """
    url = parsed(url_text)
    backend = url.get_backend_name()
    try:
        if backend == "duckdb":
            return _duckdb(url, memory)
        if backend == "snowflake":
            return tag_connections(_snowflake(url, timeout))
        engine = _OPENERS.get(backend, _server)(url)
        return engine if backend in _FILES else tag_connections(engine)
    except (ImportError, NoSuchModuleError) as error:
        raise WarehouseError(f"there is no driver for {url.drivername}:// here: {install_hint(backend)}") from error
    except (ArgumentError, ValueError, TypeError) as error:
        raise WarehouseError(f"the warehouse URL {shown(url)} is wrong: {without_secrets(str(error), url)}") from None


@contextmanager
def connecting(url: URL, *errors: type[Exception]) -> Iterator[None]:
    """Turns an error while a connection is made into one sentence, without the secrets of the URL.

    Args:
        errors: those of the driver.

    Raises:
        WarehouseUnreachable: the server does not answer, or refuses the connection; an option of the URL is wrong.
    """
    try:
        with translated(*errors, ValueError, TypeError, OSError, into=WarehouseUnreachable,
                        doing=f"cannot connect to the warehouse {shown(url)}"):
            yield
    except WarehouseUnreachable as error:
        raise WarehouseUnreachable(without_secrets(str(error), url)) from None


def without_secrets(text: str, url: URL) -> str:
    """The text of a driver's error, without the password and the values of the URL's options, which some drivers
    repeat.

    Example:
        >>> without_secrets('invalid sslmode value: "hunter2"', make_url("postgresql://host/db?sslmode=hunter2"))
        'invalid sslmode value: "***"'
    """
    options = [value for values in url.query.values() for value in ([values] if isinstance(values, str) else values)]
    for secret in sorted({str(url.password or ""), *options} - {""}, key=len, reverse=True):
        for form in {secret, quote(secret), quote(secret, safe="")}:
            text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", "***", text)
    return text


def shown(url: URL) -> str:
    """The URL without its password and its options, which may hold secrets too."""
    return url.set(query={}).render_as_string(hide_password=True)


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


def _duckdb(url: URL, memory: int | None) -> Engine:
    in_memory = url.database in _MEMORY
    if not in_memory:
        _require_file(url.database or "")
    read_only = not in_memory and not is_remote(url.database or "")
    # To open a file takes longer than to read a small model. So one connection is kept until ``Warehouse.release``.
    return duckdb_engine(url.difference_update_query(["access_mode", "read_only"]), read_only=read_only, memory=memory,
                         keep=not in_memory)


def is_remote(database: str) -> bool:
    """Whether a DuckDB database is not a file of this machine."""
    return database.startswith(("md:", "motherduck:")) or "://" in database


def _require_file(database: str) -> None:
    if not is_remote(database) and not Path(database).is_file():
        raise WarehouseError(
            f"the warehouse file {database} does not exist; look at the path, which is relative to the folder that the "
            "command runs in (a path from the root takes four slashes: duckdb:////data/warehouse.duckdb)"
        )


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
    if url.database in _MEMORY or url.query:
        engine = create_engine(url, paramstyle="named", connect_args={"check_same_thread": False})
    else:
        _require_file(url.database or "")
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
