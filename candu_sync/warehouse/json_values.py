"""Columns of JSON that arrive as text: their scalars as the values that they are, as PostgreSQL's driver gives them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

import pyarrow as pa

from candu_sync.warehouse.arrays import Form, form_of


def scalars(batch: pa.RecordBatch, columns: Collection[int]) -> Iterator[pa.RecordBatch]:
    """The batch with the JSON of the given columns read, rows of one kind together; objects and arrays get types that
    are refused later on. Text that is no JSON stays text."""
    if not columns:
        yield batch
        return
    values = {index: [_read(text) for text in batch.column(index).to_pylist()] for index in columns}
    groups: dict[tuple[Form, ...], list[int]] = {}
    for row, read in enumerate(zip(*values.values(), strict=True)):
        groups.setdefault(tuple(map(form_of, read)), []).append(row)
    for kinds, rows in groups.items():
        part = batch if len(groups) == 1 else batch.take(pa.array(rows, pa.int64()))
        for kind, (index, column) in zip(kinds, values.items(), strict=True):
            part = part.set_column(index, batch.schema.names[index], kind.array([column[row] for row in rows]))
        yield part


def _read(text: str | None) -> object:
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return text
