"""Columns of JSON that arrive as text: their scalars as the values that they are, as PostgreSQL's driver gives them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

import pyarrow as pa

from candu_sync.warehouse.arrays import record_batches


def scalars(batch: pa.RecordBatch, columns: Collection[int]) -> Iterator[pa.RecordBatch]:
    """The batch with the JSON of the given columns read, rows of one kind together; objects and arrays get types that
    are refused later on. Text that is no JSON stays text."""
    if not columns:
        yield batch
        return
    arrays = [
        [_read(text) for text in array.to_pylist()] if index in columns else array.to_pylist()
        for index, array in enumerate(batch.columns)
    ]
    yield from record_batches(batch.schema.names, list(zip(*arrays, strict=True)))


def _read(text: str | None) -> object:
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return text
