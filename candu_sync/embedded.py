"""The embedded DuckDB that a plan and a commit work in: bounded memory, a private folder to spill to.

Nothing but Arrow goes in and out, so this connection never touches a file or the network by itself. The tables and
views that the rooms share in it are listed in ``relations.py``.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.ipc as ipc

from candu_sync.errors import StateError

if TYPE_CHECKING:
    import pyarrow.dataset as pads

# What DuckDB needs at least to sort and join with two threads.
_LEAST_MEMORY = 64 * 1024 * 1024

# Rows of a batch that is written to a file.
_BATCH_ROWS = 100_000


@contextmanager
def open_embedded(memory: int, scratch: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty in-memory DuckDB.

    Args:
        memory: bytes that it may use before it spills to disk.
        scratch: the folder to spill to, made with access for its owner alone (rows are personal data);
            None: a temporary one of its own, gone at the end.

    Raises:
        StateError: that folder's disk is full, or cannot be written; also for files that the caller writes there.

    Example:
        >>> with open_embedded(100_000_000) as connection:
        ...     scalar(connection, "SELECT 6 * 7")
        42
    """
    with _explained(scratch), tempfile.TemporaryDirectory(prefix="candu-sync-", dir=scratch) as folder:
        connection = duckdb.connect(":memory:")
        try:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(f"SET memory_limit = '{max(memory, _LEAST_MEMORY)}B'")
            connection.execute(f"SET temp_directory = {literal(folder)}")
            connection.execute(f"SET threads = {max(1, min(8, os.cpu_count() or 1))}")
            # Messages and rows are numbered in the order in which the rows stand.
            connection.execute("SET preserve_insertion_order = true")
            yield connection
        finally:
            connection.close()


@contextmanager
def _explained(scratch: Path | None) -> Iterator[None]:
    """An error of the disk as one sentence."""
    try:
        yield
    except (OSError, duckdb.IOException) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise StateError(f"the scratch files in {scratch or tempfile.gettempdir()} cannot be written: {reason}. "
                         "Nothing that Candu accepted is lost; free some space and run again") from error


def arrow_file(path: Path) -> pads.Dataset:
    """An Arrow IPC file as the engine scans it: the columns that a query needs, batch by batch."""
    # Loading this takes as long as a plan that has nothing to compare.
    import pyarrow.dataset as pads

    return pads.dataset(path, format="ipc")


def scalar(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    """The one number that a query gives; 0 for null."""
    rows = connection.execute(sql).fetchall()
    return int(rows[0][0]) if rows and rows[0][0] is not None else 0


def literal(text: str) -> str:
    """A SQL string literal, for places where a parameter cannot stand.

    Example:
        >>> literal("it's")
        "'it''s'"
    """
    escaped = text.replace("'", "''")
    return f"'{escaped}'"


def write_arrow(connection: duckdb.DuckDBPyConnection, query: str, path: Path,
                look: Callable[[pa.RecordBatch], None] = lambda _: None) -> int:
    """Write a query's rows, in order, to an Arrow IPC file (zstd), batch by batch.

    Args:
        look: is called with each batch.

    Returns:
        The number of rows.
    """
    reader = connection.sql(query).to_arrow_reader(_BATCH_ROWS)
    rows = 0
    with ipc.new_file(str(path), reader.schema, options=ipc.IpcWriteOptions(compression="zstd")) as writer:
        for batch in reader:
            rows += batch.num_rows
            look(batch)
            writer.write_batch(batch)
    return rows
