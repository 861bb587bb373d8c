"""DuckDB's column types that Arrow has no type for: DuckDB casts them, and their text is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import duckdb
import pyarrow as pa

from candu_sync.arrow_types import NUMERIC, numeric
from candu_sync.warehouse.json_values import scalars

_CASTS = {
    # DuckDB exports it as a decimal of 38 digits, which is negative from 2^127 on.
    "UHUGEINT": "#{}::varchar",
    "BIGNUM": "#{}::varchar",
    "BIT": "#{}::varchar",
    "VARIANT": "#{}::json::varchar",
    # Arrow has no type for a time with an offset. The offset is written with its minutes: 10:30:00.5+02:00.
    "TIME WITH TIME ZONE": r"regexp_replace(#{}::varchar, '([+-]\d\d)$', '\1:00')",
}
"""Type → the SQL that makes text of the column with that number."""

_NUMBERS = ("UHUGEINT", "BIGNUM")
_JSON = ("JSON", "VARIANT")


class Columns:
    """The columns of one relation.

    Args:
        relation: the model's, as it is. ``self.relation`` is the one to read.

    Example:
        >>> import duckdb
        >>> columns = Columns(duckdb.sql("select (2::uhugeint ** 127)::uhugeint as x"))
        >>> [batch] = columns.read(columns.relation.to_arrow_table().to_batches()[0])
        >>> batch["x"].storage.to_pylist()
        ['170141183460469231731687303715884105728']
    """

    def __init__(self, relation: duckdb.DuckDBPyRelation) -> None:
        self._types = [str(type_) for type_ in relation.types]
        self.relation = relation.project(_select_list(relation.columns, self._types)) if self._cast() else relation

    def read(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """A batch of the relation with each value in its own type; rows with JSON of one kind together."""
        for index in self._of(_NUMBERS):
            batch = batch.set_column(index, batch.schema.names[index], numeric(batch.column(index)))
        return scalars(batch, self._of(_JSON))

    def schema(self, schema: pa.Schema) -> pa.Schema:
        """The relation's Arrow schema with the types that ``read`` gives; null where only a row shows the type."""
        for indexes, type_ in ((self._of(_NUMBERS), NUMERIC), (self._of(_JSON), pa.null())):
            for index in indexes:
                schema = schema.set(index, pa.field(schema.names[index], type_))
        return schema

    def _cast(self) -> bool:
        return not _CASTS.keys().isdisjoint(self._types)

    def _of(self, types: Sequence[str]) -> list[int]:
        return [index for index, type_ in enumerate(self._types) if type_ in types]


def _select_list(names: Sequence[str], types: Sequence[str]) -> str:
    return ", ".join(f"{_CASTS.get(type_, '#{}').format(number)} as {_quoted(name)}"
                     for number, (name, type_) in enumerate(zip(names, types, strict=True), 1))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
