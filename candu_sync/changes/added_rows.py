"""Rows of a result become rows of ``changes`` where Candu has none of them: each was added, whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from candu_sync.rows import ARROW, Trait

FLAGS = ("gone", "doubt")
"""Columns that a file of ``changes`` has in addition where it may become the snapshot's base. Both are false."""


def traits_of(names: Sequence[str], batch: pa.RecordBatch) -> list[Trait]:
    """The traits that a canonical batch has columns of, in their order.

    Args:
        names: of the result's traits.

    Example:
        >>> traits_of(["plan", "seats"], pa.record_batch({"key": ["u1"], "t1": [5.0]}))
        [Trait(name='seats', kind=<ValueKind.NUMBER: 'number'>)]
    """
    kinds = {type_: kind for kind, type_ in ARROW.items()}
    types = {field.name: field.type for field in batch.schema}
    return [Trait(name, kinds[types[f"t{j}"]]) for j, name in enumerate(names) if f"t{j}" in types]


@dataclass(frozen=True)
class AddedRows:
    """How canonical rows of users become rows of ``changes``.

    Attributes:
        names: of the result's traits.
        traits: the columns ``t0`` … of ``changes``.
        as_base: whether the rows have the columns ``FLAGS``.

    Example:
        >>> from candu_sync.rows import ValueKind
        >>> rows = pa.record_batch({"key": ["u1"], "user_id": ["u1"], "t0": ["pro"]})
        >>> AddedRows(("plan",), (Trait("plan", ValueKind.TEXT),)).of(rows, 0).to_pylist()
        [{'key': 'u1', 'user_id': 'u1', 'op': 'added', 't0': 'pro', 'c0': True, 'message': 0}]
    """

    names: tuple[str, ...]
    traits: tuple[Trait, ...]
    as_base: bool = False

    @property
    def schema(self) -> pa.Schema:
        """Of the rows."""
        fields = [("key", pa.string()), ("user_id", pa.string()), ("op", pa.string()),
                  *((name, pa.bool_()) for name in FLAGS if self.as_base),
                  *((f"t{i}", ARROW[trait.kind]) for i, trait in enumerate(self.traits)),
                  *((f"c{n}", pa.bool_()) for n in range(len(self._columns))), ("message", pa.int64())]
        return pa.schema(fields)

    @property
    def _columns(self) -> dict[str, list[int]]:
        """Each name with the numbers of its columns."""
        found: dict[str, list[int]] = {}
        for i, trait in enumerate(self.traits):
            found.setdefault(trait.name, []).append(i)
        return found

    def of(self, batch: pa.RecordBatch, first: int) -> pa.RecordBatch:
        """The rows of a batch, none of which is set aside.

        Args:
            first: the number of the first message.
        """
        rows = batch.num_rows
        there = dict(zip(traits_of(self.names, batch),
                         (f"t{j}" for j in range(len(self.names)) if f"t{j}" in batch.schema.names), strict=True))
        values = [batch.column(there[trait]) if trait in there else pa.nulls(rows, ARROW[trait.kind])
                  for trait in self.traits]
        flags = [_any_valid((values[i] for i in columns), rows) for columns in self._columns.values()]
        no = pa.repeat(pa.scalar(False), rows)
        columns = [batch.column("key"), batch.column("user_id"), pa.repeat(pa.scalar("added"), rows),
                   *(no for _ in FLAGS if self.as_base), *values, *flags, _numbers(flags, rows, first)]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def again(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The canonical batch of some rows."""
        # A name's further columns are of constants, which no new row has.
        there = {f"t{self.names.index(name)}": rows.column(f"t{columns[0]}")
                 for name, columns in self._columns.items() if name in self.names}
        return pa.RecordBatch.from_pydict({"key": rows.column("key"), "user_id": rows.column("user_id"), **there,
                                           "reason": pa.nulls(rows.num_rows, pa.string())})


def _any_valid(columns: Iterable[pa.Array], rows: int) -> pa.Array:
    """Which rows have a value in one of the columns."""
    found = pa.repeat(pa.scalar(False), rows)
    for column in columns:
        if column.null_count == 0:
            return pa.repeat(pa.scalar(True), rows)
        if column.null_count < rows:
            found = pc.or_(found, column.is_valid())
    return found


def _numbers(flags: Sequence[pa.Array], rows: int, first: int) -> pa.Array:
    """The numbers of the messages of rows with a flag; null: there is nothing to send for the row."""
    if any(flag.true_count == rows for flag in flags):
        return pa.array(np.arange(first, first + rows, dtype=np.int64))
    sent = np.zeros(rows, np.bool_)
    for flag in flags:
        sent |= flag.to_numpy(zero_copy_only=False)
    return pa.array(np.cumsum(sent) - 1 + first, pa.int64(), mask=~sent)
