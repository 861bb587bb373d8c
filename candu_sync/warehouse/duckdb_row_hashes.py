"""DuckDB's row hashes: the scan computes those of the row index, of the canonical values, in as many threads as it has.

DuckDB's ``hash`` is the one that the index is made with: both are of this process. Of a MotherDuck database a part of a
query runs elsewhere, with a version of its own, so that it is not used there.

Both queries are in one transaction. That does not hold for files that a model reads, nor for a model with a random
number in it: whoever asks for rows by hashes looks at the hashes of the rows that come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import MappingProxyType

import duckdb
import pyarrow as pa

from candu_sync.warehouse.duckdb_arrow import (
    ERRORS,
    columns_of,
    duckdb_batches,
    open_connection,
    schema_of,
)
from candu_sync.warehouse.duckdb_types import Columns
from candu_sync.warehouse.faults import translated
from candu_sync.warehouse.query import Query
from candu_sync.warehouse.reading import Batches, Reading
from candu_sync.warehouse.row_hashes import IndexedModel, NotHashed
from candu_sync.warehouse.row_total import HASH_COLUMNS, RowTotal
from candu_sync.warehouse.shards import shard_number

# No table of a model has this name.
_WANTED = "candu-sync: hashes of the keys that are asked for"

_SHARD = "candu_shard"

# Two columns of 8 bytes: some 4 MB.
_BATCH_ROWS = 250_000


@dataclass(frozen=True)
class HashSql:
    """SQL of the hashes of a row.

    Attributes:
        columns: name → SQL of what is hashed, in which ``#1``, ``#2``, … are the model's columns.
        key, row: SQL of the two hashes, over these names.
        key_alone: SQL of the key's hash, over the model's columns.
    """

    columns: Mapping[str, str]
    key: str
    row: str
    key_alone: str


MakeSql = Callable[[Mapping[str, str]], HashSql]
"""Column → DuckDB's name of its type, in order → SQL of the hashes. Raises ``NotHashed``."""


def open_duckdb_hashes(query: Query, make: MakeSql) -> IndexedModel:
    """The model of a query with its row hashes.

    Raises:
        NotHashed: it cannot be done for this query.
        WarehouseError: the query is refused.
    """
    if query.duckdb.url.is_remote:
        raise NotHashed("a part of the query may run elsewhere, by another version of DuckDB")
    with ExitStack() as stack:
        connection = open_connection(query, stack)
        with translated(*ERRORS):
            connection.begin()
        columns = columns_of(query, connection)
        if set(HASH_COLUMNS) & set(columns.relation.columns):
            raise NotHashed("a column has a name that is taken")
        schema = schema_of(columns)
        sql = make(dict(zip(columns.relation.columns, columns.types, strict=True)))
        return _DuckDBHashes(query, schema, connection, columns, sql, stack.pop_all())


class _DuckDBHashes(IndexedModel):
    path = "duckdb arrow"

    def __init__(self, query: Query, schema: pa.Schema, connection: duckdb.DuckDBPyConnection, columns: Columns,
                 sql: HashSql, resources: ExitStack) -> None:
        super().__init__(query, schema, resources, ERRORS)
        self._connection, self._columns, self._sql = connection, columns, sql
        self.function = repr(sql)

    def hashes(self) -> Batches:
        with self._query.explained(), translated(*ERRORS, doing="reading from the warehouse failed"):
            reader = self._hashed(self._columns.model, []).to_arrow_reader(_BATCH_ROWS)
            try:
                yield from reader
            finally:
                reader.close()
            self._query.refuse_if_cancelled()

    def rows(self, key_hashes: Sequence[int] | None) -> Reading:
        columns = [f"c{number}" for number in range(1, len(self.schema) + 1)]
        with self._query.explained(), translated(*ERRORS):
            model = self._columns.model if key_hashes is None else self._wanted(key_hashes)
            reader = self._hashed(model, columns).to_arrow_reader(self._query.batch_rows(len(columns)))
        return Reading(self._query, self.path, self.schema.names, self._renamed(reader), self._resources.pop_all(),
                       ERRORS)

    def total(self) -> RowTotal:
        return self._totals({}).get(None, RowTotal())

    def shard_totals(self, column: str, count: int) -> dict[int, RowTotal]:
        by = {_SHARD: shard_number("duckdb", f"#{1 + self.schema.names.index(column)}", count)}
        return {shard: total for shard, total in self._totals(by).items() if shard is not None}

    def _totals(self, by: Mapping[str, str]) -> dict[int | None, RowTotal]:
        """The totals of the rows by the value of a column, of its name and SQL; none: of all rows, by null."""
        name = next(iter(by), "null")
        with self._query.explained(), translated(*ERRORS, doing="reading from the warehouse failed"):
            hashed = self._hashed(self._columns.model, list(by), by)
            sums = ", ".join(f"sum({hash_})" for hash_ in HASH_COLUMNS)
            found = hashed.aggregate(f"{name}, count(*), {sums}", ", ".join(by)).fetchall()
            self._query.refuse_if_cancelled()
        return {value: RowTotal(rows, *((found or 0) % 2**64 for found in sums)) for value, rows, *sums in found}

    def _wanted(self, key_hashes: Sequence[int]) -> duckdb.DuckDBPyRelation:
        """The model's rows with these keys. Nothing but the hash of the key is computed of the others."""
        self._connection.register(_WANTED, pa.table({"hash": pa.array(key_hashes, pa.int64()).view(pa.uint64())}))
        every = self._columns.model.project(f"*, {self._sql.key_alone} as {HASH_COLUMNS[0]}")
        return every.filter(f'{HASH_COLUMNS[0]} in (select hash from "{_WANTED}")')

    def _hashed(self, model: duckdb.DuckDBPyRelation, columns: Sequence[str],
                more: Mapping[str, str] = MappingProxyType({})) -> duckdb.DuckDBPyRelation:
        """The columns of these names, and the two hashes. ``more``: further columns, as ``Columns.beside`` has them."""
        hashes = [f"{sql} as {name}" for sql, name in zip((self._sql.key, self._sql.row), HASH_COLUMNS, strict=True)]
        return self._columns.beside(model, {**self._sql.columns, **more}).project(", ".join([*columns, *hashes]))

    def _renamed(self, reader: pa.RecordBatchReader) -> Batches:
        for batch in duckdb_batches(reader, self._columns):
            yield batch.rename_columns([*self.schema.names, *HASH_COLUMNS])
