"""Whether a file of the state holds a text, also where it is compressed."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from candu_sync.arrow_rows import read_batches


def holds(path: Path, text: str) -> bool:
    """Whether a text is anywhere in a file: in a value of an Arrow file, or in the bytes of any other, as it is or
    as JSON writes it."""
    if path.suffix != ".arrow":
        data = path.read_bytes()
        return any(form.encode() in data for form in (text, json.dumps(text)[1:-1]))
    with closing(read_batches(path)) as batches:
        return any(_in_batch(batch, text) for batch in batches)


def _in_batch(batch: pa.RecordBatch, text: str) -> bool:
    return any(pc.any(pc.match_substring(column, text)).as_py() for column in batch.columns
               if pa.types.is_string(column.type) or pa.types.is_large_string(column.type))
