"""A small result that the warehouse gives byte for byte as it gave it when Candu had all of its rows.

A version whose change set was accepted whole has the digest of the result that it was made of. Where a later result
has that digest, under the same settings and in the same version, no row of it is looked at. Another order of the rows,
or another form of a value, gives another digest: then the rows are compared as usual.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version as installed

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc

from candu_sync.comparison.source import RowSource
from candu_sync.comparison.wanted import Wanted
from candu_sync.diff import may_be_nothing, nulls_to_replace
from candu_sync.rows import Result

# Of a larger result, a digest would have to wait for all rows, or for a second reading.
MOST_ROWS, MOST_BYTES = 10_000, 16_000_000


def small_result(batches: Iterator[pa.RecordBatch]) -> tuple[list[pa.RecordBatch], bool]:
    """The first batches of a reading, up to the one that is beyond the limits; and whether they are all."""
    head: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        head.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows > MOST_ROWS or size > MOST_BYTES:
            return head, False
    return head, True


def digest_of(wanted: Wanted, source: RowSource, batches: list[pa.RecordBatch]) -> str | None:
    """A digest of all rows of a result, and of all that decides how they become canonical; None: equal rows do not say
    that there is nothing to do.

    Args:
        batches: all batches of the source.
    """
    sync = wanted.target.sync
    if sync.kind == "events" or sync.refresh is not None or wanted.keys or wanted.target.ended:
        return None
    settings = sync.model_dump_json(exclude={"path", "node", "sql", "description", "owners", "tags"})
    about = [settings, _made_by(), sorted(wanted.tombstones.hashes), source.names,
             {name: str(type_) for name, type_ in source.declared.items()}]
    digest = hashlib.sha256(json.dumps(about).encode())
    try:
        for batch in batches:
            digest.update(_in_bytes(batch))
    except pa.ArrowNotImplementedError:
        # Views of text, as no driver gives them today, cannot be taken.
        return None
    return digest.hexdigest()


def _in_bytes(batch: pa.RecordBatch) -> pa.Buffer:
    """The batch as a stream. It has the schema, and the values of an ENUM, which ``serialize`` leaves out."""
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, batch.schema) as writer:
        # Taken one by one: what a driver leaves in the place of a null, and behind the last row, is of no row.
        writer.write_batch(batch.take(pa.array(np.arange(batch.num_rows))))
    return sink.getvalue()


def is_same(wanted: Wanted, result: Result, digest: str | None) -> bool:
    """Whether the snapshot has all rows of a result with this digest, and no others, and there is nothing to do."""
    sync, snapshot = wanted.target.sync, wanted.snapshot
    return (digest is not None and wanted.version.is_of(digest) and wanted.may_be_matched and wanted.may_end_early
            and not nulls_to_replace(sync, snapshot)
            and may_be_nothing(sync, result, snapshot))


@cache
def _made_by() -> list[str]:
    """The programs that make rows canonical."""
    return [installed("candu-sync"), pa.__version__]
