"""Connections to a DuckDB database. Queries are read in Arrow, by DuckDB itself: nothing of SQLAlchemy is used."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import duckdb

from candu_sync.warehouse.urls import DuckDBUrl, require_file

# MotherDuck reads them when it is opened.
_MOTHERDUCK = {"motherduck_token", "motherduck_attach_mode", "motherduck_saas_mode", "attach_mode", "saas_mode"}

# A model is read only, whatever the URL says.
_OURS = {"access_mode", "read_only"}


class DuckDBEngine:
    """Opens a database at the first query, and keeps it open until ``dispose``: to open a file takes longer than to
    read a small model.

    Attributes:
        url: its options are settings of DuckDB; those of extensions are set once the database is open.
        keeps_file: whether a file of this machine, or a remote database, is what stays open.
        read_only: whether the database itself refuses to write.

    Args:
        memory: a limit in bytes.

    Raises:
        WarehouseError: the file does not exist.
    """

    def __init__(self, url: DuckDBUrl, memory: int | None) -> None:
        # Also so that an error may say words such as `true`: values of options are left out of it.
        self.url = replace(url, query={name: value for name, value in url.query.items() if name not in _OURS})
        self.keeps_file = not url.in_memory
        self.read_only = not url.in_memory and not url.is_remote
        if self.read_only:
            require_file(url.database or "")
        self._memory = memory
        self._lock = threading.Lock()
        # One that nobody works with, and how often all were given up.
        self._idle: duckdb.DuckDBPyConnection | None = None
        self._disposed = 0

    @contextmanager
    def connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that nobody else has. Raises as ``duckdb.connect``."""
        with self._lock:
            connection, self._idle = self._idle, None
            begun = self._disposed
        connection = connection or self._connect()
        try:
            yield connection
        finally:
            with self._lock:
                keep = self._idle is None and begun == self._disposed
                if keep:
                    self._idle = connection
            if not keep:
                connection.close()

    def dispose(self) -> None:
        """Close the database: now where nobody works with it, otherwise when that ends. The next query opens it."""
        with self._lock:
            connection, self._idle = self._idle, None
            self._disposed += 1
        if connection is not None:
            connection.close()

    def _connect(self) -> duckdb.DuckDBPyConnection:
        options = self.url.options
        known = _settings() if options else set()
        config: dict[str, str | bool | int | float | list[str]] = {
            name: value for name, value in options.items() if name in known}
        if self._memory is not None:
            config.setdefault("memory_limit", f"{self._memory}B")
        connection = duckdb.connect(self.url.database or ":memory:", read_only=self.read_only, config=config)
        try:
            for name, value in options.items():
                if name not in known:
                    connection.execute(f'set "{name.replace(chr(34), "")}" = ?', [value])
            # Without replacements: otherwise DuckDB looks for a name that is no table among this program's variables.
            connection.execute("set global TimeZone = 'UTC'; set global python_enable_replacements = false")
        except BaseException:
            connection.close()
            raise
        return connection


def _settings() -> set[str]:
    """The settings that a database can be opened with: those that DuckDB knows without an extension, MotherDuck's."""
    with duckdb.connect() as connection:
        rows = connection.execute("select name from duckdb_settings()").fetchall()
    return {str(name) for name, in rows} | _MOTHERDUCK
