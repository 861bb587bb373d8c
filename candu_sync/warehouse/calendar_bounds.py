"""Dates and timestamps beyond the years 1 to 9999, which no driver, and neither JSON's readers, agree upon.

DuckDB's and PostgreSQL's ``infinity`` arrive as the ends of an integer's range or, by ADBC, beyond them and wrapped
around. All of these come out as an infinite float: by every path the same, and nothing that could be sent as a date.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

_DAY = 86_400
_FIRST = -719_162 * _DAY
"""The first second of year 1, from the epoch."""
_END = 2_932_897 * _DAY
"""The first second of year 10,000."""
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6}


def within_calendar(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch as it is or, when a date in it is beyond the calendar, such rows apart, as floats in that column."""
    for index, column in enumerate(batch.columns):
        beyond = _beyond(column)
        if beyond is not None:
            for part in apart(batch, index, beyond):
                yield from within_calendar(part)
            return
    yield batch


def apart(batch: pa.RecordBatch, index: int, beyond: pa.Array) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """The rows where ``beyond`` is false, and those where it is true with infinite floats in the column ``index``."""
    outside = batch.filter(beyond)
    infinite = pa.repeat(pa.scalar(float("inf")), outside.num_rows)
    return batch.filter(pc.invert(beyond)), outside.set_column(index, batch.schema.names[index], infinite)


def _beyond(column: pa.Array) -> pa.Array | None:
    """Which values are beyond the calendar, False for nulls; None when there is none."""
    if pa.types.is_date32(column.type):
        numbers, first, end = column.view(pa.int32()), _FIRST // _DAY, _END // _DAY
    elif pa.types.is_timestamp(column.type) and column.type.unit in _PER_SECOND:
        scale = _PER_SECOND[column.type.unit]
        numbers, first, end = column.view(pa.int64()), _FIRST * scale, _END * scale
    else:
        return None
    beyond = pc.fill_null(pc.or_(pc.less(numbers, first), pc.greater_equal(numbers, end)), False)
    return beyond if pc.any(beyond).as_py() else None
