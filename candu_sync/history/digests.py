"""The digests of a push's messages, kept until its commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc as ipc

_SCHEMA = pa.schema([("message", pa.int64()), ("digest", pa.binary())])


class DigestFile:
    """A file that takes the digests of messages while they are built, so that the ledger need not compute them again.

    Args:
        folder: a scratch folder, which the caller removes.

    Attributes:
        path: the file; None: it was not written, or not to its end.

    Example:
        >>> import pyarrow as pa
        >>> with DigestFile(tmp_path) as digests:
        ...     digests.add(pa.record_batch({"message": [0], "digest": [bytes(16)]}))
        >>> digests.path.name
        'digests.arrow'
    """

    def __init__(self, folder: Path) -> None:
        self.path: Path | None = None
        self._file = folder / "digests.arrow"
        self._writer: ipc.RecordBatchFileWriter | None = None
        self._failed = False

    def __enter__(self) -> DigestFile:
        return self

    def __exit__(self, *_: object) -> None:
        with self._given_up():
            if self._writer is not None:
                self._writer.close()
                self.path = None if self._failed else self._file

    def add(self, messages: pa.RecordBatch) -> None:
        """Take the columns ``message`` (int64) and ``digest`` (binary, 16 bytes) of a batch of messages."""
        if "digest" not in messages.schema.names or self._failed:
            return
        with self._given_up():
            self._writer = self._writer or ipc.new_file(str(self._file), _SCHEMA)
            self._writer.write_batch(messages.select(["message", "digest"]).cast(_SCHEMA))

    @contextmanager
    def _given_up(self) -> Iterator[None]:
        """A disk that is full must not end the push: the commit then computes the digests again."""
        try:
            yield
        except OSError:
            self._failed = True
