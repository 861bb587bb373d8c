"""The digests of a push's messages, kept until its commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc

from candu_sync.arrow_rows import read_batches
from candu_sync.embedded import is_few
from candu_sync.errors import StateError
from candu_sync.state import remove_folder

_SCHEMA = pa.schema([("message", pa.int64()), ("digest", pa.binary())])
_NAME = "digests.arrow"


class DigestFile:
    """Takes the digests of messages while they are built, so that the ledger need not compute them again. Many go into
    a file, a few stay in memory.

    Args:
        scratch: makes the folder of the file.

    Example:
        >>> import pyarrow as pa
        >>> digests = DigestFile(project.state.store.scratch)
        >>> with digests:
        ...     digests.add(pa.record_batch({"message": [0], "digest": [bytes(16)]}))
        >>> [batch.num_rows for batch in digests.batches()]
        [1]
        >>> digests.remove()
    """

    def __init__(self, scratch: Callable[[], Path]) -> None:
        self._scratch = scratch
        self._held: list[pa.RecordBatch] = []
        self._folder: Path | None = None
        self._writer: ipc.RecordBatchFileWriter | None = None
        self._failed = False

    def __enter__(self) -> DigestFile:
        return self

    def __exit__(self, *_: object) -> None:
        with self._given_up():
            if self._writer is not None:
                self._writer.close()

    def add(self, messages: pa.RecordBatch) -> None:
        """Take the columns ``message`` (int64) and ``digest`` (binary, 16 bytes) of a batch of messages."""
        if "digest" not in messages.schema.names or self._failed:
            return
        with self._given_up():
            self._held.append(messages.select(["message", "digest"]).cast(_SCHEMA))
            if self._writer is None and is_few(sum(batch.num_rows for batch in self._held)):
                return
            writer = self._writer = self._writer or self._opened()
            for batch in self._held:
                writer.write_batch(batch)
            self._held.clear()

    def _opened(self) -> ipc.RecordBatchFileWriter:
        self._folder = self._scratch()
        return ipc.new_file(str(self._folder / _NAME), _SCHEMA)

    @contextmanager
    def _given_up(self) -> Iterator[None]:
        """A disk that is full must not end the push: the commit then computes the digests again."""
        try:
            yield
        except (OSError, StateError):
            self._failed = True

    def batches(self) -> Iterator[pa.RecordBatch] | None:
        """What was taken, in order; None: there is nothing, or not all."""
        if self._failed or not (self._held or self._folder):
            return None
        return read_digests(self._folder / _NAME) if self._folder else iter(self._held)

    def remove(self) -> None:
        """Remove the file, if there is one."""
        if self._folder is not None:
            remove_folder(self._folder)


class Digests:
    """Digests, read in the order of their messages.

    Args:
        batches: as ``DigestFile.batches`` gives them; None: there are none.
    """

    def __init__(self, batches: Iterator[pa.RecordBatch] | None) -> None:
        self._batches = iter(()) if batches is None else batches
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


def read_digests(path: Path) -> Iterator[pa.RecordBatch]:
    """The batches of a file with the columns ``message`` and ``digest``."""
    yield from read_batches(path)
