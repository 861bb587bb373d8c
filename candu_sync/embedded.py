"""The embedded DuckDB that a plan and a commit work in: bounded memory, a private folder to spill to.

Only Arrow goes in and out. So this connection never opens a file or the network by itself. The tables and
views that the rooms share in it are listed in ``relations.py``.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.ipc as ipc

from candu_sync.arrow_rows import RowsWriter
from candu_sync.errors import StateError

if TYPE_CHECKING:
    from candu_sync.arrow_scan import ArrowFile

# What DuckDB needs at least to sort and join with two threads.
_LEAST_MEMORY = 64 * 1024 * 1024

# Rows of a batch that is written to a file.
_BATCH_ROWS = 50_000

# Rows up to which plain Python is faster than one statement of SQL.
FEW_ROWS = 500


def is_few(rows: int) -> bool:
    """Whether so many rows are handled without the engine. A run of many small partitions has a few rows in each.

    Example:
        >>> is_few(500), is_few(501)
        (True, False)
    """
    return rows <= FEW_ROWS


class Embedded:
    """An in-memory DuckDB that is kept from one use to the next. Each use finds it empty.

    Opening a DuckDB takes longer than a sync without changes. A use that fails ends its database, and the next
    one begins with another. A second use at the same time has a database of its own.

    Args:
        memory: bytes that a database may use before it spills to disk.
        scratch: makes the folder to spill to, readable only by its owner (rows are personal data); it is called once,
            and for each database. None: a folder in the system's temporary one.
        remove: removes such a folder with all that is in it.

    Example:
        >>> engine = Embedded(10**8)
        >>> with engine.use() as connection:
        ...     connection.execute("CREATE TABLE result AS SELECT 1 AS n").fetchall()
        [(1,)]
        >>> with engine.use() as connection:
        ...     scalar(connection, "SELECT count(*) FROM duckdb_tables()")
        0
        >>> engine.close()
    """

    def __init__(self, memory: int, scratch: Callable[[], Path] | None = None,
                 remove: Callable[[Path], None] = shutil.rmtree) -> None:
        # Bytes that one use may take.
        self.memory = max(memory, _LEAST_MEMORY)
        self._scratch = scratch
        self._remove = remove
        self._idle: list[_Database] = []
        # While there is one, those of single runs are made beside it in a moment.
        self._folder = None if scratch is None else scratch()

    @contextmanager
    def use(self, most: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to an empty database, for the block.

        Args:
            most: bytes, for work that is nearly as quick with less than the engine's memory; None: all of it.

        Raises:
            StateError: the disk of its folder is full, or cannot be written; also for files that the caller writes in
                the block.
        """
        try:
            database = self._idle.pop()
        except IndexError:
            database = _Database(self.memory, self._scratch, self._remove)
        try:
            with explained(database.folder), database.limited(most), database.connection() as connection:
                yield connection
            database.clear()
        except BaseException:
            database.close()
            raise
        self._idle.append(database)

    def close(self) -> None:
        """Close the databases that are kept, and remove their folders."""
        while self._idle:
            self._idle.pop().close()
        if self._folder is not None:
            self._remove(self._folder)
            self._folder = None


class _Database:
    """One DuckDB with its folder."""

    def __init__(self, memory: int, scratch: Callable[[], Path] | None, remove: Callable[[Path], None]) -> None:
        self._remove = remove
        self.folder = Path(tempfile.mkdtemp(prefix="candu-sync-")) if scratch is None else scratch()
        # Without this there are eight, whatever ``threads`` says.
        self._root = duckdb.connect(":memory:", config={"async_threads": 1})
        # GLOBAL: of all connections to this database, those made by cursor() too.
        self._root.execute("SET GLOBAL TimeZone = 'UTC'")
        self._memory = memory
        self._limit(memory)
        self._root.execute(f"SET temp_directory = {literal(str(self.folder))}")
        self._root.execute(f"SET threads = {max(1, min(8, os.cpu_count() or 1))}")
        # Messages and rows are numbered in the order of the rows.
        self._root.execute("SET preserve_insertion_order = true")

    @contextmanager
    def limited(self, most: int | None) -> Iterator[None]:
        """Less memory for the block. After a block that fails, the database is closed."""
        if most is None or most >= self._memory:
            yield
            return
        self._limit(most)
        yield
        self._limit(self._memory)

    def _limit(self, memory: int) -> None:
        self._root.execute(f"SET memory_limit = '{max(memory, _LEAST_MEMORY)}B'")

    def connection(self) -> duckdb.DuckDBPyConnection:
        """A connection of one use. Its temporary tables and views, and what it registers, end with it."""
        return self._root.cursor()

    def clear(self) -> None:
        """Drop the tables that a use has left."""
        for (name,) in self._root.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            quoted = name.replace('"', '""')
            self._root.execute(f'DROP TABLE "{quoted}"')

    def close(self) -> None:
        """End it, and remove its folder."""
        self._root.close()
        self._remove(self.folder)


@contextmanager
def open_embedded(memory: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty in-memory DuckDB for one block, with ``memory`` bytes.

    Raises:
        StateError: as ``Embedded.use``.
    """
    engine = Embedded(memory)
    try:
        with engine.use() as connection:
            yield connection
    finally:
        engine.close()


@contextmanager
def explained(scratch: Path) -> Iterator[None]:
    """An error of the disk as one sentence: StateError. ``scratch``: the folder that is written to."""
    try:
        yield
    except (OSError, duckdb.IOException) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise StateError(f"the scratch files in {scratch} cannot be written: {reason}. "
                         "Nothing that Candu accepted is lost; free some space and run again") from error


def give_memory_back() -> None:
    """Give freed memory back to the system. Arrow and the C library keep it for their next use, outside every limit,
    and what one of them keeps is of no use to the other, nor to the engine."""
    pa.default_memory_pool().release_unused()
    # Not every C library has it.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def arrow_file(path: Path, without: Sequence[str] = ()) -> ArrowFile:
    """An Arrow IPC file as the engine scans it: the columns that a query needs, one batch at a time.

    Args:
        without: columns that a query does not see.
    """
    # Loading this takes as long as a plan that has nothing to compare.
    from candu_sync.arrow_scan import ArrowFile

    return ArrowFile(path, without)


def scalar(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    """The one number that a query gives; 0 for null."""
    rows = connection.execute(sql).fetchall()
    return int(rows[0][0]) if rows and rows[0][0] is not None else 0


def literal(text: str) -> str:
    """A SQL string literal, for places where a parameter is not allowed.

    Example:
        >>> literal("it's")
        "'it''s'"
    """
    escaped = text.replace("'", "''")
    return f"'{escaped}'"


def write_arrow(connection: duckdb.DuckDBPyConnection, query: str, path: Path,
                look: Callable[[pa.RecordBatch], None] = lambda _: None) -> int:
    """Write a query's rows, in order, to an Arrow IPC file, batch by batch (see ``arrow_rows``).

    Args:
        look: is called with each batch.

    Returns:
        The number of rows.
    """
    reader = connection.sql(query).to_arrow_reader(_BATCH_ROWS)
    rows = 0
    with RowsWriter(path, reader.schema) as writer:
        for batch in reader:
            rows += batch.num_rows
            look(batch)
            writer.write_batch(batch)
    return rows


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table of a few rows as ``write_arrow`` writes a query's. Raises StateError where the disk is full."""
    # To make a compressor takes longer than to write so little, and to make its opposite longer than to read it. A file
    # of Arrow's own is written in fifty pieces.
    made = pa.BufferOutputStream()
    with ipc.new_file(made, table.schema) as writer:
        writer.write_table(table)
    with explained(path.parent):
        path.write_bytes(made.getvalue())
