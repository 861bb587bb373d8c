"""One query being read: column names at once, then record batches, then everything closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from itertools import chain, islice
from types import TracebackType

import pyarrow as pa

from candu_sync.errors import ModelError, WarehouseError
from candu_sync.warehouse.faults import Errors, sqlalchemy_errors, translated
from candu_sync.warehouse.query import Query

Batches = Generator[pa.RecordBatch, None, None]


class Reading:
    """A stream of record batches, to be iterated once; batches may differ in their columns' types, never in names.

    ``names`` are the columns in order, ``path`` is how it is read: ``"duckdb arrow"``, ``"adbc"``, ``"rows"``, …
    ``declared`` has the types of columns whose values may have others, where the warehouse says one.
    ``resources`` are closed when the stream ends, fails, or the context is left. Iterating raises ``WarehouseError``
    when the database fails half-way, or the query is cancelled.
    """

    def __init__(self, query: Query, path: str, names: list[str], batches: Batches,
                 resources: ExitStack, errors: Errors = (),
                 declared: Mapping[str, pa.DataType] | None = None) -> None:
        self.path = path
        self.declared = declared or {}
        self.names = names
        self._query = query
        self._resources = resources
        self._errors = errors
        self._head: list[pa.RecordBatch] = []
        self._rest = self._stream(batches)
        self._started = False

    def wait(self) -> None:
        """Wait until the first rows are there, or it is known that there are none: an error before that may be tried
        again."""
        self._head = list(islice(self._rest, 1))

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        # A second pass would find nothing, and an empty result means that every row has left the model.
        if self._started:
            raise WarehouseError("this result was read already; run the query again to read it once more")
        self._started = True
        head, self._head = self._head, []
        return chain(head, self._rest)

    def _stream(self, batches: Batches) -> Batches:
        try:
            with self._query.explained(), translated(*self._errors, doing="reading from the warehouse failed"):
                # The driver's stream ends before its connection does.
                with closing(batches):
                    for batch in batches:
                        if batch.num_rows:
                            yield batch
                self._query.refuse_if_cancelled()
        finally:
            self._release()

    def close(self) -> None:
        """Closes the cursor and gives the connection back; a second call does nothing."""
        self._head = []
        self._rest.close()
        self._release()

    def _release(self) -> None:
        self._query.end()
        with suppress(*sqlalchemy_errors(), *self._errors):
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
