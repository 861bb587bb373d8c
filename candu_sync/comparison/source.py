"""The rows of a model, all of them, and what is said of how they came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from candu_sync.diff import Prefilter
from candu_sync.rows import Trait
from candu_sync.snapshot import RowPairs

if TYPE_CHECKING:
    from candu_sync.warehouse import Reading


UNSTEADY = ("the model gives other rows each time it is read, so that hashes do not help: is there a random() in it, "
            "or a limit without an order?")

LARGE = "many rows had changed by their hashes, so that all are read"


MOVED = ("rows changed between the query of the hashes and that of the rows, or the model gives other rows each time "
         "it is read, so that all are read by one query")


class ReadAll(Exception):
    """What was read by hashes is of no use: all rows must be read. The text says why."""


class RowSource:
    """All rows of a reading.

    Attributes:
        names: the model's columns.
        declared: as a reading has them.
        hashed: whether only rows come that are not known, by their hashes.
        settled: traits whose kind is known without a row.
        carried: columns that the batches have in addition.
        learn: takes what is learnt of rows by these; None: nothing is.
        path: how the warehouse was read; known at the end.
        known: rows of the model that did not come, since they are known.
        rows_read, bytes_read: what came from the warehouse: whole rows, and the bytes of all batches in Arrow's form.
    """

    hashed = False
    learn: Callable[[RowPairs], None] | None = None

    def __init__(self, reading: Reading, note: str = "") -> None:
        self.names: list[str] = reading.names
        self.declared: Mapping[str, pa.DataType] = reading.declared
        self.settled: tuple[Trait, ...] = ()
        self.carried: tuple[str, ...] = ()
        self.path = f"{reading.path} ({note})" if note else reading.path
        self.known = self.rows_read = self.bytes_read = 0
        self._reading: Reading | None = reading

    def unchanged(self) -> bool:
        """Whether the warehouse says that all rows are as they were when Candu had all of them, of this version."""
        return False

    def rows(self, prefilter: Prefilter | None) -> Iterator[pa.RecordBatch]:
        """The batches, to be taken in any thread.

        Args:
            prefilter: is asked which rows the snapshot has; None: there is no snapshot, and all rows come.
        """
        return iter(()) if self._reading is None else self._counted(self._reading)

    def finish(self, prefilter: Prefilter | None) -> None:
        """Remember what was learnt, when all rows have been taken. Raises ``ReadAll``."""

    def close(self) -> None:
        """Close the reading; a second call does nothing."""
        if self._reading is not None:
            self._reading.close()

    def _counted(self, reading: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in reading:
            self.rows_read += batch.num_rows
            self.bytes_read += batch.nbytes
            yield batch
