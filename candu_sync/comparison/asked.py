"""The rows that are asked for by the hashes of their keys, and those that come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pyarrow as pa

from candu_sync.prefetch import ahead
from candu_sync.warehouse import HASH_COLUMNS, RowTotal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]
    Mask = NDArray[np.bool_]

Answer = TypeVar("Answer")

# Two hashes are made one by it.
_ODD = 0x9E3779B97F4A7C15


@dataclass
class Asked:
    """The hashes of the rows that are asked for, by those of their keys; and of the rows that came."""

    keys: Hashes
    rows: Hashes
    _answers: list[tuple[Hashes, Hashes]] = field(default_factory=list)

    @classmethod
    def of(cls, parts: Iterable[tuple[Hashes, Hashes]]) -> Asked:
        """Of the hashes of keys and rows."""
        none = np.empty(0, np.uint64)
        keys, rows = zip((none, none), *parts, strict=True)
        return cls(np.concatenate(keys), np.concatenate(rows))

    def noting(self, reading: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The rows that come, whose hashes are noted."""
        for batch in reading:
            self._answers.append(unsigned(batch))
            yield batch

    def answered_exactly(self, others: tuple[Hashes, Hashes]) -> bool:
        """Whether the rows that came are those that were asked for, and ``others``; both by the hashes of key and
        row."""
        came = [_mixed(keys, rows) for keys, rows in self._answers]
        wanted = [_mixed(self.keys, self.rows), _mixed(*others)]
        return np.array_equal(np.unique(np.concatenate([self.keys[:0], *came])), np.unique(np.concatenate(wanted)))

    def answered(self, known: Callable[[Hashes, Hashes], Mask]) -> bool:
        """Whether the rows that came are those that were asked for, and others of their keys that are known.

        Args:
            known: which rows, by the hashes of key and row, are.
        """
        keys, rows = (np.concatenate([self.keys[:0], *(answer[n] for answer in self._answers)]) for n in (0, 1))
        came, asked = _mixed(keys, rows), _mixed(self.keys, self.rows)
        if not np.isin(asked, came).all():
            return False
        others = ~np.isin(came, asked)
        return bool(known(keys[others], rows[others]).all())


def answer_of(ask: Callable[[], Answer], cancel: Callable[[], None]) -> Answer:
    """What a query answers that another thread waits for, so that this one can end it.

    Args:
        cancel: ends the query that is under way.
    """
    with closing(ahead(([ask()] for _ in range(1)), 1, cancel)) as answers:
        [[answer]] = answers
    return answer


def total_of(keys: Hashes, rows: Hashes) -> RowTotal:
    """The total of rows, by the hashes of key and row."""
    return RowTotal(len(keys), int(keys.sum(dtype=np.uint64)), int(rows.sum(dtype=np.uint64)))


def unsigned(batch: pa.RecordBatch) -> tuple[Hashes, Hashes]:
    """The columns of the hashes of key and row."""
    keys, rows = (batch.column(name).to_numpy().view(np.uint64) for name in HASH_COLUMNS)
    return keys, rows


def _mixed(keys: Hashes, rows: Hashes) -> Hashes:
    return keys ^ (rows * np.uint64(_ODD))
