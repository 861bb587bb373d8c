"""One query being read: column names at once, then record batches, then everything closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from types import TracebackType

import pyarrow as pa
from sqlalchemy.exc import SQLAlchemyError

from candu_sync.errors import ModelError, WarehouseError
from candu_sync.warehouse.faults import Errors, translated


class Reading:
    """A stream of record batches, to be iterated once; batches may differ in their columns' types, never in names.

    ``names`` are the columns in order, ``path`` is how it is read: ``"duckdb arrow"``, ``"adbc"`` or ``"rows"``.
    ``resources`` are closed when the stream ends, fails, or the context is left. Iterating raises ``WarehouseError``
    when the database fails half-way.
    """

    def __init__(
        self, path: str, names: list[str], batches: Iterator[pa.RecordBatch], resources: ExitStack, errors: Errors = ()
    ) -> None:
        self.path = path
        self.names = names
        self._batches = batches
        self._resources = resources
        self._errors = errors
        self._started = False

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        # A second pass would find nothing, and an empty result means that every row has left the model.
        if self._started:
            raise WarehouseError("this result was read already; run the query again to read it once more")
        self._started = True
        return self._stream()

    def _stream(self) -> Iterator[pa.RecordBatch]:
        try:
            with translated(*self._errors, doing="reading from the warehouse failed"):
                for batch in self._batches:
                    if batch.num_rows:
                        yield batch
        finally:
            self.close()

    def close(self) -> None:
        """Closes the cursor and gives the connection back; a second call does nothing."""
        with suppress(SQLAlchemyError, *self._errors):
            self._resources.close()

    def __enter__(self) -> Reading:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def refuse_duplicates(names: list[str]) -> None:
    """Raises ``ModelError`` when two columns have one name, which would make one trait of two."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ModelError(f"the SQL returns the column {twice[0]!r} more than once; give each its own name with `as`")
