"""Row hashes: the warehouse computes two 64-bit hashes of each row, so that a row that is known need not be sent here.

One file for each dialect that can do it:

- DuckDB (``duckdb_row_hashes.py``) computes the very hashes of the row index, of the canonical values:
  ``IndexedModel``.
- PostgreSQL (``postgres_row_hashes.py``) has hashes of its own: ``HashedModel``. A dialect may do that where a hash is
  of at least all that a reader sees of a value: two values that arrive differently have different hashes.
- Snowflake, BigQuery, Databricks, ClickHouse and Redshift hash a text of the row (``text_hashes.py``).

Nothing is written to the warehouse.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self

import pyarrow as pa

from candu_sync.warehouse.faults import Errors, sqlalchemy_errors
from candu_sync.warehouse.query import Query
from candu_sync.warehouse.reading import Batches, Reading
from candu_sync.warehouse.row_total import RowTotal


class NotHashed(Exception):
    """A model whose row hashes the warehouse cannot compute. The text says why, as a clause."""


class RowHashes(ABC):
    """A model whose row hashes the warehouse computes; a context manager.

    Attributes:
        schema: the model's columns without the hashes.
        path: how it is read, as ``Reading.path``.
    """

    path: str

    def __init__(self, query: Query, schema: pa.Schema, resources: ExitStack, errors: Errors) -> None:
        self.schema = schema
        self._query = query
        self._resources = resources
        self._errors = errors

    @abstractmethod
    def hashes(self) -> Batches:
        """The two columns ``HASH_COLUMNS`` of all rows. Raises ``WarehouseError``."""

    @abstractmethod
    def rows(self, key_hashes: Sequence[int] | None) -> Reading:
        """The rows whose key has one of these hashes (int64; None: all rows), with ``HASH_COLUMNS`` as further columns
        of the batches. It is the last query: the reading closes the connection. Raises ``WarehouseError``."""

    @abstractmethod
    def total(self) -> RowTotal:
        """The total of all rows: one row comes from the warehouse. Raises ``WarehouseError``."""

    def close(self) -> None:
        """Give the connection back; a second call does nothing."""
        self._query.end()
        with suppress(*sqlalchemy_errors(), *self._errors):
            self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class IndexedModel(RowHashes):
    """A model with the hashes of the row index.

    Attributes:
        function: all that the hashes depend on besides the rows: two hashes of different functions say nothing.
    """

    function: str

    @abstractmethod
    def shard_totals(self, column: str, count: int) -> dict[int, RowTotal]:
        """The totals of the model's shards that have rows, by their numbers: one row of each comes from the warehouse.

        Args:
            column: of the model; its hash says in which of ``count`` shards a row is.

        Raises ``WarehouseError``.
        """


class HashedModel(RowHashes):
    """A model with hashes of the warehouse's own.

    Attributes:
        function: all that the hashes depend on besides the rows: two hashes of different functions say nothing.
        isolated: whether all queries see the same rows. Where they do not, each query sees those of one moment.
        most_keys: of so many keys rows can be asked for.

    Each method may raise ``NotHashed``, too: then the model is read without hashes.
    """

    isolated = True
    most_keys = 1_000_000

    def __init__(self, query: Query, schema: pa.Schema, function: str, resources: ExitStack, errors: Errors) -> None:
        super().__init__(query, schema, resources, errors)
        self.function = function

    def every_row(self) -> Reading:
        """As ``rows`` of all rows, by the fastest path that there is. It may see other rows than other queries do: for
        whoever asks for nothing else. Raises ``WarehouseError``."""
        return self.rows(None)
