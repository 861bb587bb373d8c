"""A sync's partitions in Dagster's words. The keys are the engine's own: see ``candu_sync.partitions``.

The dimensions of a window with a segment are called ``date`` and ``segment``: Dagster joins their keys in the order of
these names.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, cast

from dagster import (
    DailyPartitionsDefinition,
    DynamicPartitionsDefinition,
    HourlyPartitionsDefinition,
    MonthlyPartitionsDefinition,
    MultiPartitionsDefinition,
    PartitionsDefinition,
    StaticPartitionsDefinition,
    WeeklyPartitionsDefinition,
)

from candu_sync.syncs import Partitions, Sync, join, windows
from dagster_defs.names import ALONE, Names

# StaticPartitionsDefinition refuses these. Dagster does not check dynamic keys, but reads A...B as a range of them.
_REFUSED = ("...", *"\a\b\f\n\r\t\v\0")

# It refuses these together with a window. If such a key comes, Dagster leaves it out without an error.
_REFUSED_IN_PAIRS = tuple("|[],")


def partitions_def(partitions: Partitions | None, names: Names = ALONE) -> PartitionsDefinition[str] | None:
    """The definition for a sync's ``partitions``; windows are in UTC, weeks begin on Monday."""
    if partitions is None:
        return None
    if partitions.every is None:
        return _segments_def(partitions, names)
    if partitions.segments is None:
        return _windows_def(partitions)
    pairs: Any = MultiPartitionsDefinition({"date": _windows_def(partitions),
                                            "segment": _segments_def(partitions, names)})
    return cast("PartitionsDefinition[str]", pairs)


def _segments_def(partitions: Partitions, names: Names) -> PartitionsDefinition[str]:
    if partitions.keys is not None:
        return StaticPartitionsDefinition(list(partitions.keys))
    return DynamicPartitionsDefinition(name=names.dynamic(str(partitions.dynamic)))


def _windows_def(partitions: Partitions) -> PartitionsDefinition[str]:
    start: Any = partitions.start
    match partitions.every:
        case "hourly":
            return HourlyPartitionsDefinition(start_date=start)
        case "daily":
            return DailyPartitionsDefinition(start_date=start)
        case "weekly":
            return WeeklyPartitionsDefinition(start_date=start, day_offset=1)
        case _:
            return MonthlyPartitionsDefinition(start_date=start)


def newest_partitions(sync: Sync, segments: Sequence[str], at: dt.datetime) -> list[str]:
    """The partitions to run by themselves: each segment; with windows, the last that has ended, of each segment. For
    older windows a person starts a backfill.

    Args:
        segments: nothing where the sync has windows only.
        at: aware.
    """
    assert sync.partitions is not None
    if sync.partitions.every is None:
        return list(segments)
    alone = sync.partitions.segments is None
    return [join(window.key, segment) for window in windows(sync.partitions, at)[-1:]
            for segment in ([None] if alone else segments)]


def is_partition_key(key: str, partitions: Partitions | None = None) -> bool:
    """Whether Dagster takes a value of the warehouse as a partition's key; a blank one would not be visible.

    Args:
        partitions: where the key is the segment's; with a window fewer are accepted.
    """
    in_pairs = partitions is not None and partitions.every is not None
    refused = (*_REFUSED, *(_REFUSED_IN_PAIRS if in_pairs else ()))
    return bool(key.strip()) and not any(part in key for part in refused)
