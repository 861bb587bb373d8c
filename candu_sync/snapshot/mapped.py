"""Arrow IPC files of one batch: written in parts, and mapped into memory. What is looked at is read, and may be given
back."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc


class Mapped:
    """A file that is mapped into memory, until nothing uses its columns any more.

    Attributes:
        metadata: of the file's schema.

    Raises:
        OSError, pa.ArrowException: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            if not path.stat().st_size:
                raise pa.ArrowInvalid(f"{path} is empty")
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._reader = ipc.open_file(pa.BufferReader(pa.py_buffer(self._bytes)))
        self.metadata: dict[bytes, bytes] = dict(self._reader.schema.metadata or {})

    @property
    def columns(self) -> list[Any]:
        """The columns of the batch, without a copy."""
        return list(self._reader.get_batch(0).columns)

    def give_back(self) -> None:
        """Let the system have the memory of what was looked at. It is read again when it is looked at again."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._bytes.madvise(mmap.MADV_DONTNEED)


def write_parts(path: Path, schema: pa.Schema, rows: int, parts: Iterable[Sequence[np.ndarray]]) -> None:
    """Write a file of one batch, a part of its rows at a time. The columns lie one behind another in the file, and each
    part is written at its place in all of them.

    Args:
        schema: of columns of numbers.
        rows: how many the parts have together; at least one.
    """
    offsets = _made_empty(path, schema, rows)
    with path.open("r+b") as file:
        for part in parts:
            for column, values in enumerate(part):
                file.seek(offsets[column])
                file.write(np.ascontiguousarray(values).data)
                offsets[column] += values.nbytes


def _made_empty(path: Path, schema: pa.Schema, rows: int) -> list[int]:
    """Make a file of zeros; returns where in the file its columns begin."""
    # Pages of zeros that were never written to take no memory.
    zeros = [np.zeros(rows, field.type.to_pandas_dtype()) for field in schema]
    with ipc.new_file(str(path), schema) as writer:
        writer.write_batch(pa.record_batch(zeros, schema=schema))
    del zeros
    with pa.memory_map(str(path)) as source:
        whole = source.read_buffer()
        columns = ipc.open_file(pa.BufferReader(whole)).get_batch(0).columns
        return [column.buffers()[1].address - whole.address for column in columns]
