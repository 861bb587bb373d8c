"""The parameters that a model's SQL may use, and their values in one run."""

from __future__ import annotations

import datetime as dt

from candu_sync.syncs.partitions import split, window
from candu_sync.syncs.sync import Sync

# Earlier than any event in a warehouse: the value of :since while nothing was sent.
BEGINNING = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def parameters(sync: Sync, partition: str | None, newest: dt.datetime | None) -> dict[str, str | dt.datetime]:
    """The values of ``:partition``, ``:window_start``, ``:window_end`` and ``:since``; datetimes are aware, in UTC.
    Of a window with a segment, ``:partition`` is the segment.

    Args:
        newest: the newest value of the cursor's column that was sent, None: nothing was.
    """
    found: dict[str, str | dt.datetime] = {}
    if partition is not None and sync.partitions is not None:
        start, segment = split(sync.partitions, partition)
        found["partition"] = partition if segment is None else segment
        if start is not None:
            this = window(sync.partitions, start)
            found |= {"window_start": this.start, "window_end": this.end}
    if sync.cursor is not None:
        found["since"] = BEGINNING if newest is None else max(BEGINNING, newest - sync.cursor.lookback)
    return found
