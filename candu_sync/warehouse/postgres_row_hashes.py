"""PostgreSQL's row hashes: ``hash_record_extended``, which every server has since version 14, read by ADBC.

PostgreSQL's hash of a type is as fine as its ``=``, and some are coarser. Seen on PostgreSQL 18:

| type                          | what hashes alike                                                           |
|-------------------------------|-----------------------------------------------------------------------------|
| bigint, timestamp(tz), time   | the halves are folded to 32 bits first: 5 and 4294967300                    |
| numeric                       | 5 and -5; NaN and Infinity                                                  |
| char(n)                       | texts that differ in the blanks at their end                                |
| citext, nondeterministic text | texts that are equal to their collation                                     |
| enum                          | labels before and after ``ALTER TYPE … RENAME VALUE``                       |

So these are hashed by their bytes or their text. What is hashed is always as fine as what ADBC reads; where it is finer
(5.0 and 5.00), a row comes that has not changed, and is compared by value.

A row's hash is the sum of its columns' hashes, each times a power of 31. With one seed for all rows, the total of all
rows would not change when two rows swap the values of a column. So each row has the hash of its key as the seed.

The function is not used for types that ADBC does not read exactly, nor for those that cannot be sent. It is not
documented by PostgreSQL, and its results may differ between versions and machines: ``function`` names the server.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from typing import Any

import pyarrow as pa

from candu_sync.warehouse.adbc import adbc_batches, adbc_type, open_cursor
from candu_sync.warehouse.adbc_databases import aside
from candu_sync.warehouse.faults import Errors, translated
from candu_sync.warehouse.postgres_copy import read_copy
from candu_sync.warehouse.postgres_parallel import allow_parallel
from candu_sync.warehouse.postgres_types import with_literals
from candu_sync.warehouse.query import Query
from candu_sync.warehouse.reading import Batches, Reading, refuse_duplicates
from candu_sync.warehouse.row_hashes import HashedModel, NotHashed
from candu_sync.warehouse.row_total import HASH_COLUMNS, RowTotal

_AS_IT_IS = "{0}"
_TEXT = '{0}::pg_catalog.text collate pg_catalog."C"'
# The text that a client gets; a cast of char(n) to text would cut the blanks at its end.
_OUTPUT = 'case when {0} is not null then pg_catalog.concat({0}) end collate pg_catalog."C"'

_HASHED: dict[str, str] = {
    **dict.fromkeys(("bool", "int2", "int4", "float8", "date", "uuid"), _AS_IT_IS),
    "int8": "pg_catalog.int8send({0})",
    "timestamp": "pg_catalog.timestamp_send({0})",
    "timestamptz": "pg_catalog.timestamptz_send({0})",
    "numeric": "pg_catalog.numeric_send({0})",  # all that its text shows, for two thirds of the time
    **dict.fromkeys(("text", "varchar"), _TEXT),
}
"""PostgreSQL's names of types → SQL of what is hashed of a value. Other types that ADBC reads as text: ``_OUTPUT``."""

_SERVER = """
    select pg_catalog.version(), pg_catalog.current_setting('server_encoding'),
        (select pg_catalog.count(*) from pg_catalog.pg_proc where proname = 'hash_record_extended')"""

_KEY_SEED = 7_046_029_254_386_353_131


def open_postgres_hashes(query: Query, key: Sequence[str], ignored: Collection[str]) -> HashedModel:
    """The model of a query with its row hashes, in one read-only transaction of one snapshot.

    Args:
        key: the columns of the key.
        ignored: columns that are not hashed: a change of them is none.

    Raises:
        NotHashed: the server has no such function, ADBC does not read the model exactly, or a column cannot be hashed.
        WarehouseError: the server refuses the query, or cannot be reached.
    """
    with ExitStack() as stack:
        found = open_cursor(query, stack, isolated=True)
        if found is None:
            raise NotHashed("the driver of ADBC is not installed, or does not know an option of the URL")
        cursor, errors = found
        sql = f"{with_literals(query)}\n"
        with translated(*errors):
            schema = aside(cursor.adbc_execute_schema, sql)
        refuse_duplicates(schema.names)
        hashed = _expressions(schema, key, ignored)
        types = [adbc_type(field) for field in schema]
        function = _function(cursor, errors, [*hashed, *types])
        with translated(*errors):
            allow_parallel(cursor, sql)
        return _PostgresHashes(query, cursor, sql, schema, hashed, function, stack.pop_all(), errors)


def _expressions(schema: pa.Schema, key: Sequence[str], ignored: Collection[str]) -> tuple[str, str]:
    """SQL of the two hashes. Raises ``NotHashed``."""
    if not set(key) <= set(schema.names) or set(HASH_COLUMNS) & set(schema.names):
        raise NotHashed("a column is missing, or has a name that is taken")
    values = {field.name: _hashed(field) for field in schema if field.name not in ignored}
    of_key = _hash((values[name] for name in key), str(_KEY_SEED))
    return of_key, _hash(values.values(), of_key)


def _hashed(field: pa.Field[Any]) -> str:
    """SQL of what is hashed of a column of ``model``. Raises ``NotHashed``: its type is not hashed."""
    if isinstance(field.type, pa.OpaqueType) and field.type.type_name != "numeric":
        raise NotHashed(f"the column {field.name} has the type {field.type.type_name}, which ADBC does not know; where "
                        "the setting quote_all_identifiers is on, it knows none")
    form = _HASHED.get(adbc_type(field))
    if form is None and pa.types.is_string(field.type):
        form = _OUTPUT
    if form is None:
        raise NotHashed(f"the column {field.name} has the type {adbc_type(field) or field.type}")
    quoted = field.name.replace('"', '""')
    return form.format(f'model."{quoted}"')


def _hash(values: Iterable[str], seed: str) -> str:
    return f"pg_catalog.hash_record_extended(row({', '.join(values)}), {seed})"


def _function(cursor: Any, errors: Errors, hashed: Sequence[str]) -> str:
    """Names the server and what is hashed, with the types: a date and an integer may hash alike. Raises ``NotHashed``:
    the server has no such function, or does not know its encoding."""
    try:
        aside(cursor.execute, _SERVER)
        version, encoding, there = cursor.fetchone()
    except errors:
        # It speaks PostgreSQL's protocol.
        raise NotHashed("the server is not PostgreSQL") from None
    if not there:
        raise NotHashed("the server has no hash_record_extended, which came with PostgreSQL 14")
    if encoding == "SQL_ASCII":
        # Each text may be one that cannot be read, and it is then a fault of its row.
        raise NotHashed("the database is in SQL_ASCII")
    return f"{version} {encoding} {hashed}"


class _PostgresHashes(HashedModel):
    path = "adbc"

    def __init__(self, query: Query, cursor: Any, sql: str, schema: pa.Schema, hashed: tuple[str, str], function: str,
                 resources: ExitStack, errors: Errors) -> None:
        super().__init__(query, schema, function, resources, errors)
        self._cursor = cursor
        # COPY puts a bracket right after the query. It must not be in a comment of the last line.
        self._from = f"from (\n{sql}) as model"
        self._key, self._row = hashed

    def total(self) -> RowTotal:
        sums = (f"pg_catalog.mod(coalesce(pg_catalog.sum({value}), 0), 18446744073709551616)::pg_catalog.text"
                for value in (self._key, self._row))
        batches = self._run(f"select pg_catalog.count(*) as rows, {', '.join(sums)}")
        [(rows, keys, values)] = [tuple(row.values()) for batch in batches
                                  for row in batch.rename_columns(["rows", "keys", "values"]).to_pylist()]
        return RowTotal(rows, int(keys) % 2**64, int(values) % 2**64)

    def hashes(self) -> Batches:
        return self._run(f"select {self._listed}")

    def every_row(self) -> Reading:
        # By a connection of psycopg's: COPY's text takes two thirds of the processor time of ADBC.
        with self._query.explained():
            reading = read_copy(self._query, f"select model.*, {self._listed} {self._from}\n", HASH_COLUMNS)
        return reading or self.rows(None)

    def rows(self, key_hashes: Sequence[int] | None) -> Reading:
        where = "" if key_hashes is None else f" where {self._key} = any ('{{{','.join(map(str, key_hashes))}}}')"
        with self._query.explained(), translated(*self._errors):
            aside(self._cursor.execute, f"select model.*, {self._listed} {self._from}{where}\n")
            reader = self._cursor.fetch_record_batch()
        self._resources.callback(reader.close)
        return Reading(self._query, self.path, self.schema.names, adbc_batches(reader), self._resources.pop_all(),
                       self._errors)

    @property
    def _listed(self) -> str:
        return ", ".join(f"{value} as {name}" for value, name in zip((self._key, self._row), HASH_COLUMNS, strict=True))

    def _run(self, select: str) -> Batches:
        """A query's batches, to be taken in any thread."""
        with self._query.explained(), translated(*self._errors, doing="reading from the warehouse failed"):
            aside(self._cursor.execute, f"{select} {self._from}\n")
            reader = self._cursor.fetch_record_batch()
            try:
                yield from reader
            finally:
                reader.close()
            self._query.refuse_if_cancelled()
