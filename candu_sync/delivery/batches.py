"""Messages cut into requests, without a Python object for each message."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa


class Chunk:
    """Messages next to each other in memory, each with a comma after it. The messages of a request are one slice of it.

    Args:
        messages: columns ``message`` (int64) and ``body`` (string, ending in a comma), in order.
    """

    def __init__(self, messages: pa.RecordBatch) -> None:
        bodies = messages.column("body").cast(pa.large_string())
        _, offsets, text = bodies.buffers()
        self.numbers = messages.column("message").to_numpy()
        self._offsets = np.frombuffer(offsets, np.int64)[bodies.offset : bodies.offset + len(bodies) + 1]
        self._text = memoryview(text) if text is not None else memoryview(b"")

    def __len__(self) -> int:
        return len(self.numbers)

    def bytes(self, first: int, end: int) -> int:
        """The size of some messages."""
        return int(self._offsets[end] - self._offsets[first])

    def fitting(self, first: int, most_bytes: int) -> int:
        """How many messages from ``first`` on fit a JSON array of so many bytes; 1 or more."""
        # The brackets take two bytes, the last comma none.
        end = int(np.searchsorted(self._offsets, self._offsets[first] + most_bytes - 1, side="right")) - 1
        return max(1, end - first)

    def text(self, first: int, end: int) -> memoryview:
        """Some messages, one after the other."""
        return self._text[self._offsets[first] : self._offsets[end]]


@dataclass(frozen=True)
class Batch:
    """Messages of one request: rows ``first`` to ``end`` (not included) of a chunk."""

    chunk: Chunk
    first: int
    end: int

    def __len__(self) -> int:
        return self.end - self.first

    @property
    def span(self) -> list[int]:
        """The first and the last number."""
        return [int(self.chunk.numbers[self.first]), int(self.chunk.numbers[self.end - 1])]

    def body(self) -> bytes:
        """The JSON array."""
        return b"".join((b"[", self.chunk.text(self.first, self.end)[:-1], b"]"))

    def parts(self, wanted: Sequence[bool]) -> Iterator[Batch]:
        """The runs of wanted messages, each as long as possible.

        Args:
            wanted: of each message, in order.
        """
        start = self.first
        for is_wanted, run in itertools.groupby(wanted):
            length = len(list(run))
            if is_wanted:
                yield Batch(self.chunk, start, start + length)
            start += length

    def pieces(self, size: int) -> list[Batch]:
        """The batch in pieces of at most ``size`` messages."""
        return [Batch(self.chunk, start, min(start + size, self.end)) for start in range(self.first, self.end, size)]

    def halves(self) -> tuple[Batch, Batch]:
        """The batch in two."""
        middle = (self.first + self.end) // 2
        return Batch(self.chunk, self.first, middle), Batch(self.chunk, middle, self.end)


def batches(messages: Iterable[pa.RecordBatch], size: Callable[[], int], most_bytes: int) -> Iterator[Batch]:
    """Cut messages (see ``Chunk``) into requests of at most ``size`` messages, which is asked for each of them, and
    ``most_bytes``; a message that is larger by itself has a request of its own."""
    for batch in messages:
        chunk, start = Chunk(batch), 0
        while start < len(chunk):
            count = min(size(), len(chunk) - start, chunk.fitting(start, most_bytes))
            yield Batch(chunk, start, start + count)
            start += count
