"""A warehouse: one engine, and queries read from it as Arrow record batches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from candu_sync.arrow_types import UNUSABLE
from candu_sync.errors import ModelError, WarehouseUnreachable
from candu_sync.sql_text import Value, one_query, used_values
from candu_sync.warehouse.adbc import read_adbc
from candu_sync.warehouse.adbc_databases import AdbcDatabases
from candu_sync.warehouse.bigquery_arrow import read_bigquery
from candu_sync.warehouse.bounds import refuse_bounds
from candu_sync.warehouse.databricks_arrow import read_databricks
from candu_sync.warehouse.duckdb_arrow import duckdb_columns, read_duckdb
from candu_sync.warehouse.duckdb_engine import DuckDBEngine
from candu_sync.warehouse.duckdb_row_hashes import MakeSql, open_duckdb_hashes
from candu_sync.warehouse.duckdb_types import quoted
from candu_sync.warehouse.hashing import RowHashesOf, computes_hashes, has_hashes, hashes_of
from candu_sync.warehouse.postgres_copy import read_copy
from candu_sync.warehouse.query import BATCH_VALUES, CANCELLED, Query
from candu_sync.warehouse.reading import Batches, Reading
from candu_sync.warehouse.row_hashes import HashedModel, IndexedModel, NotHashed, RowHashes
from candu_sync.warehouse.rows import read_rows, rows_columns
from candu_sync.warehouse.shards import sharded
from candu_sync.warehouse.snowflake_arrow import read_snowflake
from candu_sync.warehouse.tags import commented, tag_of
from candu_sync.warehouse.urls import duckdb_url

if TYPE_CHECKING:
    from sqlalchemy import Engine

# A value of a batch for so many bytes of memory: of 16 bytes a value, a batch then takes a sixteenth. Some five batches
# are there at once.
_BYTES_OF_MEMORY = 250
_FEWEST_VALUES = 200_000

Path = Callable[[Query], Reading | None]

_Hashes = TypeVar("_Hashes", bound=RowHashes)

_NATIVE: dict[str, tuple[Path, ...]] = {
    "duckdb": (read_duckdb,),
    "postgresql": (read_copy, read_adbc),
    "snowflake": (read_snowflake,),
    "bigquery": (read_bigquery,),
    "databricks": (read_databricks,),
}
"""The native Arrow paths of each dialect, the fastest first; each gives None where it would not be exact. Then rows are
used."""


class Warehouse:
    """A context manager over one engine. ``dialect`` is SQLAlchemy's name of it: ``"duckdb"``, ``"postgresql"``, …

    ``timeout`` is how many seconds a query may take, from its start to its last row; None: no limit. ``row_hashes``
    says in which dialects the warehouse computes hashes of rows.
    """

    def __init__(self, engine: Engine | DuckDBEngine, timeout: float | None = None, batch_values: int = BATCH_VALUES,
                 row_hashes: RowHashesOf = "tested") -> None:
        self._engine = engine
        self._batch_values = batch_values
        self._timeout = timeout
        self._row_hashes = row_hashes
        self._queries: list[Query] = []
        self._databases = AdbcDatabases()
        self._lock = threading.Lock()
        self.dialect: str = "duckdb" if isinstance(engine, DuckDBEngine) else engine.dialect.name

    def read(self, sql: str, parameters: Mapping[str, Value], *, timezone: str = "UTC",
             clock: str | None = None, tag: str | None = None) -> Reading:
        """Runs one query until its first rows, with those of our parameters bound that it uses. A connection that fails
        before the first row is tried once more, never after.

        Args:
            sql: one SELECT.
            parameters: text, and aware datetimes, which are instants.
            timezone: IANA name of the zone of columns without one. The session has it, where the dialect knows zones.
            clock: the column of the result that ``:since`` and the windows' bounds are compared with, where there is
                one. MySQL and MariaDB need it for correct comparisons.
            tag: the sync that it belongs to, for the warehouse's bill and history.

        Raises:
            ModelError: the SQL is not one query, uses a parameter without a value, names a column twice, or compares
                a bound with local times in a way that the dialect cannot do rightly.
            WarehouseError: the warehouse cannot be reached or refuses the query, or the query is cancelled.
        """
        sql, values = self._prepared(sql, parameters, timezone)
        try:
            return self._started(self._new_query(sql, values, timezone, clock, tag))
        except WarehouseUnreachable:
            return self._started(self._new_query(sql, values, timezone, clock, tag))

    def sharded(self, sql: str, column: str, number: int, count: int) -> str:
        """A model that gives the rows of one shard of another.

        Args:
            sql: one SELECT.
            column: of its result; the hash of its text says in which shard a row is.

        Raises:
            ModelError: the SQL is not one query, or the dialect has no such hash.
        """
        name = (quoted(column) if isinstance(self._engine, DuckDBEngine)
                  else self._engine.dialect.identifier_preparer.quote(column))
        return sharded(one_query(sql, self.dialect), self.dialect, name, number, count)

    @property
    def can_hash(self) -> bool:
        """Whether a hash of the dialect's own of each row is used (``hashed``)."""
        return computes_hashes(self.dialect, self._row_hashes)

    @property
    def can_index(self) -> bool:
        """Whether the dialect's hashes, those of the row index, are used (``indexed``)."""
        return self.dialect == "duckdb" and self._row_hashes != "none"

    @property
    def hashes_left_out(self) -> bool:
        """Whether the dialect has row hashes, and only ``row_hashes`` keeps them from being used."""
        return has_hashes(self.dialect) and not self.can_hash and not self.can_index

    def hashed(self, sql: str, parameters: Mapping[str, Value], *, key: Sequence[str],
               ignored: Collection[str] = (), timezone: str = "UTC", clock: str | None = None,
               tag: str | None = None) -> HashedModel:
        """One query whose rows have hashes of the warehouse's own. No row of it is asked for yet.

        Args:
            sql, parameters, timezone, clock, tag: as for ``read``.
            key: the columns that identify a row.
            ignored: columns that are not hashed.

        Raises:
            NotHashed: it cannot be done for this query, or the server does not answer; then ``read`` it.
            ModelError, WarehouseError: as ``read``.
        """
        def read(sql: str) -> Reading:
            return self.read(sql, parameters, timezone=timezone, clock=clock, tag=tag)

        opened = hashes_of(self.dialect, read)
        return self._with_hashes(lambda query: opened(query, key, ignored), sql, parameters, timezone, clock, tag)

    def indexed(self, sql: str, parameters: Mapping[str, Value], make: MakeSql, *, timezone: str = "UTC",
                clock: str | None = None, tag: str | None = None) -> IndexedModel:
        """One query whose rows have hashes of DuckDB's. No row of it is asked for yet.

        Args:
            sql, parameters, timezone, clock, tag: as for ``read``.
            make: SQL of the hashes, by the columns' types.

        Raises:
            NotHashed: it cannot be done for this query; then ``read`` it.
            ModelError, WarehouseError: as ``read``.
        """
        return self._with_hashes(lambda query: open_duckdb_hashes(query, make), sql, parameters, timezone, clock, tag)

    def columns(self, sql: str, parameters: Mapping[str, Value], *, timezone: str = "UTC",
                clock: str | None = None, tag: str | None = None) -> pa.Schema:
        """The query's columns without its rows. A type that only a row can show, as in SQLite, is ``pa.null()``.

        Takes and raises what ``read`` does.
        """
        sql, values = self._prepared(sql, parameters, timezone)
        query = self._new_query(sql, values, timezone, clock, tag)
        try:
            with query.explained():
                return duckdb_columns(query) if self.dialect == "duckdb" else rows_columns(query)
        finally:
            query.end()

    def empty(self, sql: str, parameters: Mapping[str, Value], *, timezone: str = "UTC",
              clock: str | None = None, tag: str | None = None) -> Reading:
        """The query's columns as a reading without rows: the query is prepared, and not run.

        Takes and raises what ``read`` does.
        """
        names = self.columns(sql, parameters, timezone=timezone, clock=clock, tag=tag).names
        return Reading(self._new_query(sql, {}, timezone, clock, tag), "nothing", names, _no_batches(), ExitStack())

    def cancel(self, why: str = CANCELLED, *, own: bool = False) -> None:
        """Ends the queries that are under way, at the warehouse; safe in any thread.

        Their readers get a ``WarehouseError`` with the text ``why``. ``own``: only those that this thread began.
        """
        for query in self._queries:
            if not own or query.thread == threading.get_ident():
                query.cancel(why)

    def values(self, sql: str, tag: str | None = None) -> list[str]:
        """The values of a one-column query as text, each once, in the order that they came in; nulls are left out.
        ``tag`` as for ``read``.

        Raises ``ModelError`` when there is not exactly one column, or its values have no text form.
        """
        found: dict[str, None] = {}
        with self.read(sql, {}, tag=tag) as reading:
            if len(reading.names) != 1:
                names = ", ".join(reading.names)
                raise ModelError(f"the query returns {len(reading.names)} columns instead of one: {names}")
            for batch in reading:
                found.update(dict.fromkeys(_as_text(batch.column(0), reading.names[0])))
        return list(found)

    def release(self) -> None:
        """Gives back what is kept from one query to the next: a DuckDB file is closed, so that its memory is free and
        others may write to it. The next query opens it again."""
        if self.keeps_file:
            self._engine.dispose()

    @property
    def keeps_file(self) -> bool:
        """Whether a file stays open from one query to the next, so that nobody else can write to it."""
        return isinstance(self._engine, DuckDBEngine) and self._engine.keeps_file

    def close(self) -> None:
        """Closes the engine and its connections."""
        self._databases.close()
        self._engine.dispose()

    def __enter__(self) -> Warehouse:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _new_query(self, sql: str, values: Mapping[str, Value], timezone: str, clock: str | None,
                   tag: str | None) -> Query:
        text = tag_of(tag)
        query = Query(self._engine, commented(sql, self.dialect, text), values, self._timeout,
                      values_of_batch=self._batch_values, timezone=timezone, clock=clock, tag=text,
                      databases=self._databases)
        with self._lock:
            self._queries = [*(other for other in self._queries if not other.ended), query]
        return query

    def _with_hashes(self, opened: Callable[[Query], _Hashes], sql: str, parameters: Mapping[str, Value],
                     timezone: str, clock: str | None, tag: str | None) -> _Hashes:
        sql, values = self._prepared(sql, parameters, timezone)
        query = self._new_query(sql, values, timezone, clock, tag)
        try:
            with query.explained():
                return opened(query)
        except WarehouseUnreachable:
            query.end()
            raise NotHashed("the warehouse did not answer") from None
        except BaseException:
            query.end()
            raise

    def _started(self, query: Query) -> Reading:
        try:
            with query.explained():
                reading = self._opened(query)
                reading.wait()
                return reading
        except BaseException:
            query.end()
            self.release()
            raise

    def _opened(self, query: Query) -> Reading:
        for path in _NATIVE.get(self.dialect, ()):
            if reading := path(query):
                return reading
        return read_rows(query)

    def _prepared(self, sql: str, parameters: Mapping[str, Value], timezone: str) -> tuple[str, dict[str, Value]]:
        sql = one_query(sql, self.dialect)
        used = used_values(sql, parameters, self.dialect)
        refuse_bounds(self.dialect, timezone, set(used))
        return sql, {name: value if isinstance(value, str) else value.astimezone(UTC) for name, value in used.items()}


def open_warehouse(url: str, *, memory: int | None = None, timeout: float | None = None,
                   row_hashes: RowHashesOf = "tested") -> Warehouse:
    """Opens the warehouse at a SQLAlchemy URL, to be read only.

    ``memory`` limits DuckDB's own memory, in bytes, and the size of batches; ``timeout`` each query, in seconds
    (None or 0: no limit); ``row_hashes`` is as for ``Warehouse``.

    Raises ``WarehouseError`` when the URL is wrong or its file or driver is missing. A server is reached at the first
    query, which raises ``WarehouseError`` when it is not there.
    """
    values = BATCH_VALUES if memory is None else max(_FEWEST_VALUES, min(BATCH_VALUES, memory // _BYTES_OF_MEMORY))
    return Warehouse(_engine_of(url, memory, timeout or None), timeout or None, values, row_hashes)


def _engine_of(url: str, memory: int | None, timeout: float | None) -> Engine | DuckDBEngine:
    if found := duckdb_url(url):
        return DuckDBEngine(found, memory)
    # SQLAlchemy is loaded for servers.
    from candu_sync.warehouse.connect import open_engine

    return open_engine(url, memory, timeout)


def _no_batches() -> Batches:
    yield from ()


def _as_text(column: pa.Array, name: str) -> list[str]:
    try:
        if column.type == UNUSABLE and column.null_count < len(column):
            raise pa.ArrowInvalid("no text")
        plain = column.storage if isinstance(column, pa.ExtensionArray) else column
        return [value for value in plain.cast(pa.string()).to_pylist() if value is not None]
    except pa.ArrowException:
        raise ModelError(f"the column {name!r} has values without a text form: {column.type}; cast it in SQL") from None
