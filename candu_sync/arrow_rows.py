"""Arrow IPC files of many rows: written small, and read as they were given.

A column of few different values (a plan, a country, a number of seats) is written as a dictionary: two bytes a row.
Compressed, that is a half to a quarter of what the values would take, and there is less to compress and to unpack.
Whether values are few is seen at the first batch. Where they turn out to be many, the file is written again without
that dictionary. A reader of this module does not see the difference. One that needs a few of the rows takes the stored
batches, chooses the rows, and makes them plain.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc as ipc

# Values of a dictionary at most, which an index of two bytes names, and their bytes: all of it is in memory.
_MOST, _MOST_BYTES = 2**15, 4_000_000

# Bytes of a file up to which it is read at once.
_SMALL = 1 << 20

# Rows of a first batch below which a file is too small for dictionaries to matter.
_LEAST_ROWS = 1_000

# Values are few when there are so many rows for each.
_ROWS_A_VALUE = 4


class RowsWriter:
    """Writes batches of one schema to a file (zstd). Close it, or use it as a block.

    Example:
        >>> import tempfile
        >>> rows = pa.record_batch({"user_id": [f"u{n}" for n in range(2_000)], "plan": ["free", "pro"] * 1_000})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with RowsWriter(path := Path(folder, "rows.arrow"), rows.schema) as writer:
        ...         writer.write_batch(rows)
        ...     [stored], [given] = (list(stored_batches(path)), list(read_batches(path)))
        >>> str(stored.schema.field("plan").type), given == rows
        ('dictionary<values=string, indices=int16, ordered=0>', True)
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema
        self._writer: ipc.RecordBatchFileWriter | None = None
        # Of each column that has a dictionary, its values so far.
        self._values: dict[str, pa.Array] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """The next rows."""
        if self._writer is None:
            self._open([name for name, column in zip(batch.schema.names, batch.columns, strict=True) if _few(column)])
        found = {name: _encoded(self._values[name], batch.column(name)) for name in self._values}
        if full := [name for name, column in found.items() if column is None]:
            self._write_again(full)
        for name in self._values:
            column = found[name]
            assert column is not None
            self._values[name] = column.dictionary
            batch = batch.set_column(batch.schema.get_field_index(name), name, _typed(column, self._schema, name))
        assert self._writer is not None
        self._writer.write_batch(batch)

    def close(self) -> None:
        """No more rows come; a second call does nothing."""
        if self._writer is None:
            self._open([])
        assert self._writer is not None
        self._writer.close()

    def _open(self, names: Collection[str]) -> None:
        fields = [field.with_type(pa.dictionary(pa.int16(), field.type)) if field.name in names else field
                  for field in self._schema]
        self._values = {name: _bits(pa.array([], self._schema.field(name).type)) for name in names}
        options = ipc.IpcWriteOptions(compression="zstd", emit_dictionary_deltas=True)
        self._writer = ipc.new_file(str(self._path), pa.schema(fields, self._schema.metadata), options=options)

    def _write_again(self, full: Collection[str]) -> None:
        """Without the dictionaries of these columns, and those that are half full, too."""
        assert self._writer is not None
        self._writer.close()
        earlier = self._path.with_name(f"{self._path.name}.earlier")
        self._path.rename(earlier)
        try:
            self._open([name for name, values in self._values.items() if name not in full and _half_empty(values)])
            for batch in read_batches(earlier):
                self.write_batch(batch)
        finally:
            with suppress(OSError):
                earlier.unlink()


def stored_batches(path: Path, columns: Collection[str] | None = None) -> Generator[pa.RecordBatch, None, None]:
    """The batches of a file as they are stored, one at a time in memory.

    Args:
        columns: names of those to read; None: all.
    """
    with _opened(path) as source:
        reader = ipc.open_file(source)
        if columns is not None:
            wanted = [number for number, name in enumerate(reader.schema.names) if name in columns]
            reader = ipc.open_file(source, options=ipc.IpcReadOptions(included_fields=wanted))
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)


def read_batches(path: Path, columns: Collection[str] | None = None) -> Generator[pa.RecordBatch, None, None]:
    """The batches of a file as they were given to the writer, one at a time in memory.

    Args:
        columns: names of those to read; None: all.
    """
    with closing(stored_batches(path, columns)) as batches:
        for batch in batches:
            yield plain(batch)


def read_schema(path: Path) -> pa.Schema:
    """The names and types of a file's columns, as they were given to the writer."""
    with _opened(path) as source:
        return plain_schema(ipc.open_file(source).schema)


def read_table(path: Path) -> pa.Table:
    """All rows of a small file."""
    with _opened(path) as source:
        reader = ipc.open_file(source)
        batches = [plain(reader.get_batch(number)) for number in range(reader.num_record_batches)]
        return pa.Table.from_batches(batches, plain_schema(reader.schema))


@contextmanager
def _opened(path: Path) -> Iterator[pa.NativeFile]:
    """A file to be read. It is not mapped into memory: what was read would stay in the process's memory."""
    if path.stat().st_size <= _SMALL:
        # Arrow has another thread make each read of an open file: that takes longer than all else.
        yield pa.BufferReader(path.read_bytes())
        return
    with pa.OSFile(str(path)) as source:
        yield source


def plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch without dictionaries: their values."""
    for place, column in enumerate(batch.columns):
        if pa.types.is_dictionary(column.type):
            batch = batch.set_column(place, batch.schema.names[place], column.dictionary_decode())
    return batch


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """A schema without dictionaries."""
    return pa.schema([field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
                      for field in schema], schema.metadata)


def _few(column: pa.Array) -> bool:
    """Whether a column of a first batch has few different values."""
    # A dictionary cannot begin without a value.
    if len(column) < _LEAST_ROWS or column.null_count == len(column) or not _may_have_dictionary(column):
        return False
    values = _bits(column).unique()
    return len(values) <= len(column) // _ROWS_A_VALUE and _half_empty(values)


def _half_empty(values: pa.Array) -> bool:
    """Whether a dictionary of these values has room for as many again."""
    return bool(len(values) <= _MOST // 2 and values.nbytes <= _MOST_BYTES // 2)


def _may_have_dictionary(column: pa.Array) -> bool:
    type_ = column.type
    # pyarrow compares dictionaries by value, and NaN is not equal to itself.
    return bool(pa.types.is_string(type_) or pa.types.is_timestamp(type_) or pa.types.is_int64(type_)
                or (pa.types.is_float64(type_) and not pc.any(pc.is_nan(column)).as_py()))


def _bits(column: pa.Array) -> pa.Array:
    """Numbers as their bits: 0.0 and -0.0 are two values."""
    return column if pa.types.is_string(column.type) else column.view(pa.int64())


def _encoded(values: pa.Array, column: pa.Array) -> pa.DictionaryArray | None:
    """A column by a dictionary that begins with these values; None: it cannot have one."""
    if not _may_have_dictionary(column):
        return None
    both = pa.concat_arrays([values, _bits(column)]).dictionary_encode()
    if len(both.dictionary) > _MOST or both.dictionary.nbytes > _MOST_BYTES:
        return None
    return pa.DictionaryArray.from_arrays(both.indices[len(values):].cast(pa.int16()), both.dictionary)


def _typed(column: pa.DictionaryArray, schema: pa.Schema, name: str) -> pa.DictionaryArray:
    """A column of bits with its own type."""
    return pa.DictionaryArray.from_arrays(column.indices, column.dictionary.view(schema.field(name).type))
