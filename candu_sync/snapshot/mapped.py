"""Arrow IPC files of one batch, mapped into memory: what is looked at is read, and may be given back."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

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
