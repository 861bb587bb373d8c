"""A database that is written to: its engine, and tables that are made and widened. Nothing is ever dropped.

This is not the warehouse that models are read from: that one can only read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    CursorResult,
    Delete,
    Engine,
    NullPool,
    Select,
    Table,
    Update,
    create_engine,
    false,
    inspect,
    literal_column,
    select,
)
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.schema import CreateColumn, CreateSchema, CreateTable

from candu_sync.errors import WarehouseError
from candu_sync.warehouse.bulk import Transaction, open_transaction
from candu_sync.warehouse.connect import install_hint, parsed
from candu_sync.warehouse.duckdb_writing import writing_engine
from candu_sync.warehouse.faults import translated
from candu_sync.warehouse.tags import REPORT, tag_connections
from candu_sync.warehouse.urls import connecting, shown, without_secrets

# Seconds until a server that does not answer counts as away, and until a lock of others is given up.
PATIENCE = 10


class Writable:
    """One database, by SQLAlchemy and by the bulk path of its driver."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.dialect: str = engine.dialect.name

    @property
    def place(self) -> str:
        """The URL, for people: without its password and options."""
        return shown(self._engine.url)

    def prepare(self, tables: Sequence[Table]) -> None:
        """Make the tables of one schema that are not there, and the schema; add the columns that a table lacks.

        Raises:
            WarehouseUnreachable: the database does not answer.
            WarehouseError: it does not allow that.
        """
        with self._connection() as connection, translated(doing=f"{self.place}: the tables cannot be made"):
            for table in tables:
                columns = self._columns(connection, table)
                if columns is None:
                    self._make_once(connection, table)
                    continue
                for column in table.columns:
                    if column.name.lower() not in columns:
                        name = self._quoted(table)
                        added = CreateColumn(column).compile(dialect=self._engine.dialect)
                        connection.exec_driver_sql(f"alter table {name} add column {added}")
                        connection.commit()

    def try_writing(self, tables: Sequence[Table]) -> None:
        """Add and remove no rows, to see whether that is allowed. Raises as ``prepare``."""
        with self._connection() as connection, translated(doing=f"{self.place}: the tables cannot be written"):
            for table in tables:
                none = select(table).where(false())
                connection.execute(table.insert().from_select(list(table.columns), none))
                connection.execute(table.delete().where(false()))
            connection.rollback()

    def has(self, table: Table) -> bool:
        """Whether a table is there, and can be read. Raises WarehouseUnreachable as ``prepare``."""
        with self._connection() as connection:
            return self._columns(connection, table) is not None

    def read(self, query: Select[Any]) -> list[tuple[Any, ...]]:
        """The rows of a query. Raises as ``prepare``."""
        with self._connection() as connection, translated(doing=f"{self.place} refused a query"):
            return [tuple(row) for row in connection.execute(query)]

    def change(self, statements: Sequence[Delete | Update]) -> None:
        """Carry out statements in one transaction. Raises as ``prepare``."""
        with self._connection() as connection, translated(doing=f"{self.place} refused a change"):
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One transaction: committed at the end of the block, taken back where it fails. Raises as ``prepare``."""
        with open_transaction(self._engine) as transaction:
            yield transaction

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        with connecting(self._engine.url):
            connection = self._engine.connect()
        with connection:
            yield connection

    def _columns(self, connection: Connection, table: Table) -> set[str] | None:
        """The names of a table's columns in lower case; None: there is no such table, or it cannot be read."""
        try:
            result: CursorResult[Any] = connection.execute(select(literal_column("*")).select_from(table).limit(0))
            return {name.lower() for name in tuple(result.keys())}
        except SQLAlchemyError:
            return None
        finally:
            connection.rollback()

    def _make_once(self, connection: Connection, table: Table) -> None:
        """Make a table, unless another process makes it at the same time."""
        try:
            self._make(connection, table)
        except SQLAlchemyError:
            connection.rollback()
            if self._columns(connection, table) is None:
                raise
        for index in table.indexes:
            # It saves time only. Another process may be making it.
            with suppress(SQLAlchemyError):
                index.create(connection)
                connection.commit()
            connection.rollback()

    def _make(self, connection: Connection, table: Table) -> None:
        schema = table.schema
        # IF NOT EXISTS alone needs the right to make a schema, also where it is there.
        if schema is not None and (self.dialect == "duckdb" or not inspect(connection).has_schema(schema)):
            connection.execute(CreateSchema(schema, if_not_exists=True))
        connection.execute(CreateTable(table, if_not_exists=True))
        connection.commit()

    def _quoted(self, table: Table) -> str:
        return self._engine.dialect.identifier_preparer.format_table(table)


def open_writable(url_text: str, *, memory: int | None = None) -> Writable:
    """Open a database to write to. The file of DuckDB or SQLite is made where there is none.

    Args:
        url_text: a SQLAlchemy URL.
        memory: DuckDB's limit in bytes.

    Raises:
        WarehouseError: the URL is wrong, or the driver is missing.
    """
    url = parsed(url_text)
    backend = url.get_backend_name()
    try:
        return Writable(_engine(url, backend, memory))
    except (ImportError, NoSuchModuleError) as error:
        raise WarehouseError(f"there is no driver for {url.drivername}:// here: {install_hint(backend)}") from error
    except (ArgumentError, ValueError, TypeError) as error:
        raise WarehouseError(f"the URL {shown(url)} is wrong: {without_secrets(str(error), url)}") from None


def _engine(url: URL, backend: str, memory: int | None) -> Engine:
    options: dict[str, Any] = {"poolclass": NullPool}
    match backend:
        case "duckdb":
            return writing_engine(url, memory=memory)
        case "postgresql":
            url = _patient(url)
        case "mysql" | "mariadb":
            # MySQL's default locks gaps between rows, so that two processes that add rows end in a deadlock.
            options |= {"isolation_level": "READ COMMITTED", "connect_args": {
                "connect_timeout": PATIENCE,
                "init_command": f"set lock_wait_timeout = {PATIENCE}, innodb_lock_wait_timeout = {PATIENCE}"}}
        case "snowflake":
            options["connect_args"] = {"login_timeout": PATIENCE,
                                       "session_parameters": {"TIMEZONE": "UTC", "LOCK_TIMEOUT": PATIENCE}}
    return tag_connections(create_engine(url, **options), REPORT)


def _patient(url: URL) -> URL:
    """A URL of PostgreSQL with limits of time; those that it has stay. ADBC takes them from it, too."""
    given = url.query.get("options", "")
    lock = "" if "lock_timeout" in given else f"-c lock_timeout={PATIENCE}s "
    return url.update_query_dict({"client_encoding": "UTF8", "options": f"{lock}{given}".strip(),
                                  "connect_timeout": url.query.get("connect_timeout", str(PATIENCE))})


def file_beside(url_text: str, suffix: str) -> str | None:
    """The URL of a file beside that of a DuckDB or SQLite database; None: the URL is of a server, or of a database in
    memory.

    Example:
        >>> file_beside("duckdb:///data/shop.duckdb", "_report")
        'duckdb:///data/shop_report.duckdb'
    """
    url = parsed(url_text)
    database = url.database or ""
    if url.get_backend_name() not in ("duckdb", "sqlite") or database in ("", ":memory:") or "://" in database:
        return None
    if database.startswith(("md:", "motherduck:")):
        return None
    path = Path(database)
    beside = path.with_name(f"{path.stem}{suffix}{path.suffix}")
    return URL.create(url.drivername, database=str(beside)).render_as_string(hide_password=False)
