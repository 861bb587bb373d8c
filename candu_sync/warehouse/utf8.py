"""Text that a driver passes on undecoded: where its bytes are not UTF-8, only their rows are unusable.

PostgreSQL's SQL_ASCII databases hold bytes of any encoding, and do not know which.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from candu_sync.arrow_types import NOT_UTF8, unusable


def checked(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch as it is or, when text of a column is no UTF-8, such rows apart, with ``UNUSABLE`` in that column.

    Example:
        >>> bytes_ = pa.array([b"a", bytes([255])], pa.binary())
        >>> text = pa.Array.from_buffers(pa.string(), 2, bytes_.buffers())
        >>> [part.num_rows for part in checked(pa.record_batch([text], names=["x"]))]
        [1, 1]
    """
    for index, column in enumerate(batch.columns):
        if pa.types.is_string(column.type) and not _is_utf8(column):
            good = pa.array([_decodes(value) for value in column.cast(pa.binary()).to_pylist()])
            name, rest = batch.schema.names[index], batch.filter(pc.invert(good))
            yield from checked(batch.filter(good))
            yield from checked(rest.set_column(index, name, unusable(rest.column(index).is_valid(), NOT_UTF8)))
            return
    if batch.num_rows:
        yield batch


def _is_utf8(column: pa.Array) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _decodes(value: bytes | None) -> bool:
    try:
        return value is None or value.decode() is not None
    except UnicodeDecodeError:
        return False
