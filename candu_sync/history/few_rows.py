"""The rows of a ledger file for a few messages, without the engine: the same as ``ledger.py`` selects in SQL.

Only where no value is kept or hashed, no row is invalid, and none was refreshed: as in a run that only adds rows.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

# The columns of the file, in order; groups have no event, events no group_id.
_COLUMNS = ("key", "user_id", "group_id", "event", "outcome", "status", "reason", "refresh", "attempts", "at", "digest")


def rows_of_few(sent: pa.Table) -> pa.RecordBatch:
    """The rows of the file, in its order.

    Args:
        sent: the rows whose message was sent, without values, as ``sent_rows`` gives them.
    """
    user, key = sent.column("user_id"), sent.column("key")
    there = dict(zip(sent.schema.names, sent.columns, strict=True)) | {
        "key": pc.if_else(pc.equal(key, user), pa.scalar(None, pa.string()), key),
        "refresh": pa.array([False] * sent.num_rows, pa.bool_())}
    carried = [name for name in sent.schema.names if re.fullmatch(r"carried\d+", name)]
    rows = pa.table({name: there[name] for name in (*_COLUMNS, *carried) if name in there})
    rows = rows.sort_by([("user_id", "ascending"), ("at", "ascending")])
    return rows.combine_chunks().to_batches()[0] if rows.num_rows else pa.RecordBatch.from_pylist([], rows.schema)
