"""Row hashes of a text: the SQL makes one text of a row, from which each value could be read back, and the warehouse
hashes this text.

A hash that takes several columns is as fine as its dialect makes it: Spark's leaves nulls out, Redshift's may confuse
where a column ends. A hash of one text has no such choice. So two rows with different values have different texts
(``text_forms.py``), and their hashes are equal by chance alone, 2^-64.

A file for each dialect (``snowflake_row_hashes.py``, …) says which types have a text that is different for each value,
and how it is written. A model with a column of another type has no row hashes.

These warehouses do not promise that two queries see the same rows (``isolated``). Each row comes with its hashes, in
one query, so that what is learnt of a row holds. Whoever asks for rows by hashes compares the hashes that come.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress

import pyarrow as pa

from candu_sync.errors import QueryCancelled, WarehouseError, WarehouseUnreachable
from candu_sync.warehouse.reading import Batches, Reading, refuse_duplicates
from candu_sync.warehouse.row_hashes import HashedModel, NotHashed
from candu_sync.warehouse.row_total import HASH_COLUMNS, RowTotal
from candu_sync.warehouse.text_forms import TEXT, Asking, TextDialect


def open_text_hashes(dialect: TextDialect, asking: Asking, key: Sequence[str], ignored: Collection[str]) -> HashedModel:
    """A model with hashes of its rows' texts. No row of it is asked for yet.

    Args:
        key: the columns of the key.
        ignored: columns that are not hashed: a change of them is none.

    Raises:
        NotHashed: a column has a type whose values have no exact text, or a name that is taken.
        WarehouseError: the warehouse refuses the query, or cannot be reached.
    """
    with _refusals():
        columns = dialect.columns(asking)
    asking.query.end()
    names = [column.name for column in columns]
    refuse_duplicates(names)
    if not set(key) <= set(names) or set(HASH_COLUMNS) & set(names):
        raise NotHashed("a column is missing, or has a name that is taken")
    of_name = {column.name: column for column in columns if column.name not in ignored}
    hashes = dialect.hash_of("k", [of_name[name] for name in key]), dialect.hash_of("r", of_name.values())
    schema = pa.schema([(column.name, TEXT if column.form is None else column.form.value) for column in columns])
    return _TextHashes(dialect, asking, schema, hashes, [column.type for column in columns])


class _TextHashes(HashedModel):
    isolated = False

    def __init__(self, dialect: TextDialect, asking: Asking, schema: pa.Schema, hashes: tuple[str, str],
                 types: Sequence[str]) -> None:
        self.path, self.most_keys = dialect.path, dialect.most_keys
        super().__init__(asking.query, schema, f"{hashes} {types}", ExitStack(), ())
        self._dialect, self._asking = dialect, asking
        self._key, self._row = hashes
        self._from = f"from (\n{asking.sql}\n) candu_model"

    def total(self) -> RowTotal:
        sums = ", ".join(f"{self._dialect.total.format(value)} as {name}"
                         for value, name in zip((self._key, self._row), HASH_COLUMNS, strict=True))
        with _refusals(), self._asking.read(f"select count(*) as candu_rows, {sums} {self._from}") as reading:
            [[rows, *found]] = [list(row.values()) for batch in reading for row in batch.to_pylist()]
        try:
            return RowTotal(int(rows), *(int(digits or 0) % 2**64 for digits in found))
        except ValueError:
            raise NotHashed("the sum of the hashes came as no number") from None

    def hashes(self) -> Batches:
        with _refusals(), closing(self._asking.read(f"select {self._listed} {self._from}")) as reading:
            for batch in reading:
                yield pa.RecordBatch.from_arrays(list(map(_int64, batch.columns)), names=HASH_COLUMNS)

    def rows(self, key_hashes: Sequence[int] | None) -> Reading:
        where = "" if key_hashes is None else f" where {self._key} in ({', '.join(map(self._literal, key_hashes))})"
        stack = ExitStack()
        with _refusals():
            reading = stack.enter_context(self._asking.read(
                f"select candu_model.*, {self._listed} {self._from}{where}"))
        return Reading(self._query, self.path, self.schema.names, self._with_hashes(reading), stack)

    def _literal(self, key_hash: int) -> str:
        return str(key_hash if self._dialect.signed else key_hash % 2**64)

    def _with_hashes(self, reading: Reading) -> Batches:
        names = [*self.schema.names, *HASH_COLUMNS]
        for batch in reading:
            *columns, key, row = batch.columns
            yield pa.RecordBatch.from_arrays([*columns, _int64(key), _int64(row)], names=names)

    @property
    def _listed(self) -> str:
        return ", ".join(f"{value} as {name}" for value, name in zip((self._key, self._row), HASH_COLUMNS, strict=True))


@contextmanager
def _refusals() -> Iterator[None]:
    """A warehouse that refuses the query of the hashes may well give the rows."""
    try:
        yield
    except (QueryCancelled, WarehouseUnreachable):
        raise
    except WarehouseError as error:
        raise NotHashed(f"the query of the hashes failed: {error}") from None


def _int64(column: pa.Array) -> pa.Array:
    """The 64 bits of hashes as a driver gives them. Raises ``NotHashed``: they are no such numbers."""
    plain = column.storage if isinstance(column, pa.ExtensionArray) else column
    if column.null_count or pa.types.is_floating(plain.type):
        raise NotHashed(f"the hashes came as {column.type}, {column.null_count} of them null")
    for type_ in (pa.int64(), pa.uint64()):
        with suppress(pa.ArrowException):
            return plain.cast(type_).view(pa.int64())
    raise NotHashed(f"the hashes came as {column.type}")
