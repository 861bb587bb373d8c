"""Rows into a table in bulk, in one transaction: by ADBC's ingest, by DuckDB's own scan of Arrow, or by inserts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import pyarrow as pa
from sqlalchemy import Connection, Engine, Table

from candu_sync.warehouse.adbc import address_of
from candu_sync.warehouse.faults import Errors, translated
from candu_sync.warehouse.tags import REPORT
from candu_sync.warehouse.urls import connecting

_DOING = "the rows cannot be written"

# Rows of an insert. Snowflake takes at most 16,384 values in a list.
_ROWS = 2_000
_SNOWFLAKE_ROWS = 500


class Transaction(Protocol):
    """A transaction of one database."""

    path: str

    def delete(self, table: Table, column: str, value: str) -> None:
        """Remove the rows whose column has a value."""

    def append(self, table: Table, rows: pa.RecordBatch) -> None:
        """Add rows; columns are matched by name."""


@contextmanager
def open_transaction(engine: Engine) -> Iterator[Transaction]:
    """A transaction by the fastest path that there is: committed at the end of the block, taken back where it fails.

    Raises:
        WarehouseUnreachable: the database does not answer.
        WarehouseError: it refuses the rows.
    """
    adbc = _adbc(engine) if engine.dialect.name == "postgresql" else None
    with ExitStack() as stack:
        if adbc is not None:
            driver, address = adbc
            yield stack.enter_context(_by_adbc(engine, driver, address))
        else:
            yield stack.enter_context(_by_sqlalchemy(engine))


def _adbc(engine: Engine) -> tuple[Any, str] | None:
    """ADBC's driver and the address of the database for it; None: it cannot be used."""
    try:
        import adbc_driver_postgresql.dbapi as driver  # type: ignore[import-untyped]
        import psycopg  # noqa: F401  (writes the address)
    except ImportError:
        return None
    address = address_of(engine, REPORT)
    return None if address is None else (driver, address)


@contextmanager
def _by_adbc(engine: Engine, driver: Any, address: str) -> Iterator[Transaction]:
    errors: Errors = (driver.Error, pa.ArrowException, OSError)
    with connecting(engine.url, *errors):
        connection = driver.connect(address)
    with connection, connection.cursor() as cursor:
        try:
            yield _Adbc(engine, cursor, errors)
            with translated(*errors, doing=_DOING):
                connection.commit()
        except BaseException:
            connection.rollback()
            raise


class _Adbc:
    path = "adbc"

    def __init__(self, engine: Engine, cursor: Any, errors: Errors) -> None:
        self._engine, self._cursor, self._errors = engine, cursor, errors

    def delete(self, table: Table, column: str, value: str) -> None:
        preparer = self._engine.dialect.identifier_preparer
        sql = f"delete from {preparer.format_table(table)} where {preparer.quote(column)} = $1"
        with translated(*self._errors, doing=_DOING):
            self._cursor.execute(sql, (value,))

    def append(self, table: Table, rows: pa.RecordBatch) -> None:
        with translated(*self._errors, doing=_DOING):
            self._cursor.adbc_ingest(table.name, rows, mode="append", db_schema_name=table.schema)


@contextmanager
def _by_sqlalchemy(engine: Engine) -> Iterator[Transaction]:
    errors: Errors = ()
    if engine.dialect.name == "duckdb":
        import duckdb

        errors = (duckdb.Error, pa.ArrowException)
    with connecting(engine.url, *errors):
        connection = engine.connect()
    with connection:
        transaction = connection.begin()
        try:
            yield _Duckdb(connection, errors) if engine.dialect.name == "duckdb" else _Rows(connection, errors)
            with translated(*errors, doing=_DOING):
                transaction.commit()
        except BaseException:
            transaction.rollback()
            raise


class _Rows:
    path = "inserts"

    def __init__(self, connection: Connection, errors: Errors) -> None:
        self._connection, self._errors = connection, errors
        self._size = _SNOWFLAKE_ROWS if connection.dialect.name == "snowflake" else _ROWS

    def delete(self, table: Table, column: str, value: str) -> None:
        with translated(*self._errors, doing=_DOING):
            self._connection.execute(table.delete().where(table.c[column] == value))

    def append(self, table: Table, rows: pa.RecordBatch) -> None:
        for start in range(0, rows.num_rows, self._size):
            with translated(*self._errors, doing=_DOING):
                self._connection.execute(table.insert(), rows.slice(start, self._size).to_pylist())


class _Duckdb(_Rows):
    path = "duckdb arrow"

    def append(self, table: Table, rows: pa.RecordBatch) -> None:
        raw: Any = self._connection.connection.driver_connection
        preparer = self._connection.dialect.identifier_preparer
        names = ", ".join(preparer.quote(name) for name in rows.schema.names)
        raw.register("rows_to_add", pa.Table.from_batches([rows]))
        try:
            with translated(*self._errors, doing=_DOING):
                self._connection.exec_driver_sql(
                    f"insert into {preparer.format_table(table)} ({names}) select {names} from rows_to_add")
        finally:
            raw.unregister("rows_to_add")
