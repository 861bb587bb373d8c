"""The rows that a push sent, as the ledger takes them: with what became of each, its digest, and what it carried."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from candu_sync.arrow_rows import read_batches, read_schema
from candu_sync.changes import ChangeSet
from candu_sync.history.digests import Digests
from candu_sync.history.fates import Fates, with_fates, with_fates_schema
from candu_sync.history.layout import BITS, carried_columns

_DIGEST = pa.field("digest", pa.binary())


def sent_rows(changes: ChangeSet, fates: Fates, digests: Digests, *, traits: int, values: bool) -> pa.RecordBatchReader:
    """The rows of the messages that went, in the order of their messages: their columns of the change set, those of
    ``Fates.of``, ``digest`` (binary) and ``carried0`` … (uint64).

    Args:
        traits: how many names of traits the messages have.
        values: with the values and flags of the traits.
    """
    names, batches = _outgoing(changes, values=values)
    kept = [field for field in with_fates_schema(names) if values or not re.fullmatch(r"c\d+", field.name)]
    carried = [pa.field(f"carried{n}", pa.uint64()) for n in range(carried_columns(traits))]
    schema = pa.schema([*kept, _DIGEST, *carried])

    def rows() -> Iterator[pa.RecordBatch]:
        for batch in with_fates(batches, fates):
            columns = [*(batch.column(field.name).cast(field.type) for field in kept),
                       digests.of(batch.column("message")), *_carried(batch, traits)]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, rows())


def _carried(batch: pa.RecordBatch, traits: int) -> Iterator[pa.Array]:
    """The columns ``carried0`` …: bits of the traits that a message carried."""
    for column in range(carried_columns(traits)):
        bits = np.zeros(batch.num_rows, np.uint64)
        for n in range(column * BITS, min((column + 1) * BITS, traits)):
            flags, bit = batch.column(f"c{n}"), np.uint64(1 << n % BITS)
            if flags.null_count == 0 and flags.true_count == batch.num_rows:
                bits |= bit
            elif flags.true_count:
                bits[flags.fill_null(False).to_numpy(zero_copy_only=False)] |= bit
        yield pa.array(bits)


def _outgoing(changes: ChangeSet, *, values: bool) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The rows of the messages, without their values unless these are wanted."""
    wanted = [field for field in read_schema(changes.outgoing) if values or not re.fullmatch(r"t\d+", field.name)]
    return pa.schema(wanted), read_batches(changes.outgoing, [field.name for field in wanted])
