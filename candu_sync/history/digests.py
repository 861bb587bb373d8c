"""The digests of a push's messages, kept until its commit."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.ipc as ipc

_SCHEMA = pa.schema([("message", pa.int64()), ("digest", pa.binary())])


class DigestFile:
    """A file that takes the digests of messages while they are built, so that the ledger need not compute them again.

    Args:
        folder: a scratch folder, which the caller removes.

    Example:
        >>> import pyarrow as pa
        >>> with DigestFile(tmp_path) as digests:
        ...     digests.add(pa.record_batch({"message": [0], "digest": [bytes(16)]}))
        >>> digests.path.exists()
        True
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "digests.arrow"
        self._writer = ipc.new_file(str(self.path), _SCHEMA)

    def __enter__(self) -> DigestFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def add(self, messages: pa.RecordBatch) -> None:
        """Take the columns ``message`` (int64) and ``digest`` (binary, 16 bytes) of a batch of messages."""
        if "digest" in messages.schema.names:
            self._writer.write_batch(messages.select(["message", "digest"]).cast(_SCHEMA))
