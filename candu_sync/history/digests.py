"""The digests of a push's messages, kept until its commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
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


class Digests:
    """The digests of a file like that of ``DigestFile``, read in the order of their messages.

    Args:
        path: None: there are none.
    """

    def __init__(self, path: Path | None) -> None:
        self._batches = iter(()) if path is None else _batches(path)
        self._held = _SCHEMA.empty_table()
        self._left = True

    def of(self, numbers: pa.Array) -> pa.Array:
        """The digests (binary) of messages, null where there is none.

        Args:
            numbers: int64, rising, and above those of the calls before.
        """
        if not len(numbers):
            return pa.array([], pa.binary())
        self._read(numbers[-1].as_py())
        known, wanted = self._held["message"].to_numpy(), numbers.to_numpy(zero_copy_only=False)
        place = np.searchsorted(known, wanted)
        there = place < len(known)
        there[there] = known[place[there]] == wanted[there]
        held = self._held["digest"].combine_chunks()
        self._held = self._held.slice(int(np.searchsorted(known, wanted[-1], "right")))
        if there.all() and place[-1] - place[0] == len(place) - 1:
            # Nearly always: each message has one.
            return held.slice(place[0], len(place))
        return held.take(pa.array(place, mask=~there))

    def _read(self, last: int) -> None:
        """Hold the digests up to this message."""
        parts = [self._held]
        while self._left and (not len(parts[-1]) or parts[-1]["message"][-1].as_py() < last):
            batch = next(self._batches, None)
            self._left = batch is not None
            if batch is not None:
                parts.append(pa.Table.from_batches([batch], _SCHEMA))
        self._held = pa.concat_tables(parts)


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(path)) as source:
        reader = ipc.open_file(source)
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)
