"""The totals of a sync's shards, of one query over all of them, for a command that compares several.

The query of a shard reads the whole table. So where a command has more than one shard to compare, the first of them
asks for the totals of all: of those in which nothing changed, nothing more is read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from candu_sync.sql_text import Value, used_values
from candu_sync.target import Target

if TYPE_CHECKING:
    from candu_sync.warehouse import RowTotal

    Read = Callable[[str, int], dict[int, RowTotal] | None]

# Seconds for which totals are taken as those of now: a command may send for hours.
HOLDS = 600.0


def total_of_shard(target: Target, values: Mapping[str, Value], function: str, read: Read) -> RowTotal | None:
    """The total of the rows that a shard has in the warehouse, as they are or were less than ``HOLDS`` ago.

    Args:
        values: of the model's parameters.
        function: all that the hashes depend on besides the rows.
        read: asks the warehouse for the totals of all shards: of the model, and the number of shards; None: it has
            other hashes for all of them.

    Returns:
        None: it would have to be asked for alone, or the model itself gives each partition other rows.

    Raises:
        WarehouseError: the query failed.
    """
    project, shard = target.project, target.shard
    if shard is None or target.name not in project.at_once:
        return None
    sql = project.model(target.sync)
    used = used_values(sql, values, project.warehouse.dialect)
    if "partition" in used:
        return None
    key = (target.sync.name, sql, repr(used), function, shard.of)
    with project.totals_lock:
        asked_at, totals = project.shard_totals.get(key, (-HOLDS, None))
        if time.monotonic() - asked_at >= HOLDS:
            if sum(other.name in project.at_once for other in target.all_shards) < 2:
                return None
            asked_at, totals = time.monotonic(), read(sql, shard.of)
            project.shard_totals[key] = asked_at, totals
    return None if totals is None else totals.get(shard.number)
