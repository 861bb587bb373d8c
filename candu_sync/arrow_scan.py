"""An Arrow IPC file as the embedded engine scans it: one batch at a time, and of it the columns that a query needs.

The engine asks a ``pyarrow.dataset.Dataset`` for a scanner at each scan, with the columns and the filter of the query.
pyarrow's own scanner reads sixteen batches ahead, which no limit of memory knows of. This one reads none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pads
from pyarrow.fs import LocalFileSystem

from candu_sync.arrow_rows import plain_schema, read_batches


class ArrowFile(pads.FileSystemDataset):  # type: ignore[misc]
    """A file to be registered in a connection.

    Args:
        path: an Arrow IPC file, whose columns have names of letters, digits and ``_``.
        without: columns that a query does not see.

    Example:
        >>> import tempfile
        >>> from candu_sync.embedded import open_embedded, write_table
        >>> with tempfile.TemporaryDirectory() as folder, open_embedded(10**8) as connection:
        ...     write_table(pa.table({"key": ["a", "b"], "n": [1, 2]}), path := Path(folder, "rows.arrow"))
        ...     _ = connection.register("rows", ArrowFile(path))
        ...     connection.execute("SELECT n FROM rows WHERE key = 'b'").fetchall()
        [(2,)]
    """

    def __init__(self, path: Path, without: Sequence[str] = ()) -> None:
        self._path, form, disk = str(path), pads.IpcFileFormat(), LocalFileSystem()
        fragment = form.make_fragment(self._path, disk)
        schema = pa.schema([field for field in plain_schema(fragment.physical_schema) if field.name not in without])
        super().__init__([fragment], schema, form, disk)

    def scanner(self, columns: Sequence[str] | None = None, filter: Any = None, **_: Any) -> _Scan:
        """What the engine calls at each scan.

        Args:
            columns: that the query needs; None: all.
            filter: a condition on the rows, which may be on other columns; None: there is none.
        """
        return _Scan(self._path, self.schema, self.schema.names if columns is None else list(columns), filter)

    def count_rows(self) -> int:
        """How many there are, by the file's list of batches."""
        return sum(fragment.count_rows() for fragment in self.get_fragments())


class _Scan:
    """One scan of a file."""

    def __init__(self, path: str, schema: pa.Schema, columns: list[str], condition: Any) -> None:
        self._path, self._columns, self._condition = path, columns, condition
        self.projected_schema = pa.schema([schema.field(name) for name in columns])
        # An expression does not say which columns it is of. Others that its text happens to name do no harm.
        tested = set() if condition is None else set(re.findall(r"\w+", str(condition)))
        self._read = {*columns, *tested.intersection(schema.names)}

    def to_reader(self) -> pa.RecordBatchReader:
        """The columns of the rows that meet the condition."""
        return pa.RecordBatchReader.from_batches(self.projected_schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for batch in read_batches(Path(self._path), self._read):
            if self._condition is not None:
                batch = batch.filter(self._condition)
            yield batch.select(self._columns)
