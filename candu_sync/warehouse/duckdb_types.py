"""DuckDB's column types that Arrow has no type for: DuckDB casts them, and their text is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

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

    Attributes:
        model: the relation of the arguments.
        types: DuckDB's names of the types of its columns, in order.

    Example:
        >>> import duckdb
        >>> columns = Columns(duckdb.sql("select (2::uhugeint ** 127)::uhugeint as x"))
        >>> [batch] = columns.read(columns.relation.to_arrow_table().to_batches()[0])
        >>> batch["x"].storage.to_pylist()
        ['170141183460469231731687303715884105728']
    """

    def __init__(self, relation: duckdb.DuckDBPyRelation) -> None:
        self.types = [str(type_) for type_ in relation.types]
        self.model = relation
        self.relation = relation.project(self._select_list(relation.columns)) if self._cast() else relation

    def beside(self, model: duckdb.DuckDBPyRelation, more: Mapping[str, str]) -> duckdb.DuckDBPyRelation:
        """The columns to read under the names ``c1``, ``c2``, …, and further ones.

        Args:
            model: the model, or some of its rows; it may have more columns at its end.
            more: name → SQL, in which ``#1``, ``#2``, … are the model's columns.
        """
        names = [f"c{number}" for number in range(1, len(self.types) + 1)]
        further = [f"{sql} as {quoted(name)}" for name, sql in more.items()]
        return model.project(", ".join([self._select_list(names), *further]))

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
        return not _CASTS.keys().isdisjoint(self.types)

    def _of(self, types: Sequence[str]) -> list[int]:
        return [index for index, type_ in enumerate(self.types) if type_ in types]

    def _select_list(self, names: Sequence[str]) -> str:
        return ", ".join(f"{_CASTS.get(type_, '#{}').format(number)} as {quoted(name)}"
                         for number, (name, type_) in enumerate(zip(names, self.types, strict=True), 1))


def quoted(name: str) -> str:
    """A name in quotes, which are doubled inside."""
    return '"' + name.replace('"', '""') + '"'
