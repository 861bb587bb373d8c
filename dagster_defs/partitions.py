"""A sync's partitions in Dagster's words. The keys are the engine's own: see ``candu_sync.partitions``."""

from __future__ import annotations

from typing import Any

from dagster import (
    DailyPartitionsDefinition,
    DynamicPartitionsDefinition,
    HourlyPartitionsDefinition,
    MonthlyPartitionsDefinition,
    PartitionsDefinition,
    StaticPartitionsDefinition,
    WeeklyPartitionsDefinition,
)

from candu_sync.spec import Partitions

# What StaticPartitionsDefinition refuses. Dagster does not look at dynamic keys, but reads A...B as a range of them.
_REFUSED = ("...", *"\a\b\f\n\r\t\v\0")


def partitions_def(partitions: Partitions | None) -> PartitionsDefinition[str] | None:
    """The definition for a sync's ``partitions``; windows are in UTC, weeks begin on Monday."""
    if partitions is None:
        return None
    if partitions.static is not None:
        return StaticPartitionsDefinition(list(partitions.static))
    if partitions.dynamic is not None:
        return DynamicPartitionsDefinition(name=partitions.dynamic)
    start: Any = partitions.start
    match partitions.spread:
        case "hourly":
            return HourlyPartitionsDefinition(start_date=start)
        case "daily":
            return DailyPartitionsDefinition(start_date=start)
        case "weekly":
            return WeeklyPartitionsDefinition(start_date=start, day_offset=1)
        case _:
            return MonthlyPartitionsDefinition(start_date=start)


def is_partition_key(key: str) -> bool:
    """Whether Dagster takes a value of the warehouse as a partition's key; a blank one nobody could read."""
    return bool(key.strip()) and not any(refused in key for refused in _REFUSED)
