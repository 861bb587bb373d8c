"""Shards that one command compares: what one query over the whole table says of all of them.

The query of a shard reads the whole table. So where a command has more than one shard to compare, the first of them
asks for all:

1. The total of the whole table. Where it is the sum of the totals that the shards had when Candu had all of their rows,
   nothing changed in any, and nothing more is read.
2. On DuckDB, the totals of the shards in one query: of those in which nothing changed, nothing more is read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from typing import TYPE_CHECKING, TypeVar, cast

from candu_sync.sql_text import Value, used_values
from candu_sync.target import Target
from candu_sync.warehouse import RowTotal

if TYPE_CHECKING:
    Known = Callable[[Target], RowTotal | None]
    Whole = Callable[[str], RowTotal | None]
    Each = Callable[[str, int], dict[int, RowTotal] | None]

Answer = TypeVar("Answer")

# Seconds for which an answer is taken as one of now: a command may send for hours.
HOLDS = 600.0

# Shards whose small files are read at a time: in an object store each is a request.
_AT_ONCE = 8


class ShardTotals:
    """What a command over several shards asks only once, for one of them.

    Args:
        values: of the model's parameters.
        function: all that the hashes depend on besides the rows.
        known: gives the total of a shard's rows when Candu had all of them; None: it is not known.
        whole: asks the warehouse for the total of a model's rows; None: it has other hashes for the whole.
        each: asks it for the totals of all shards: of the model, and the number of shards; None as for ``whole``.

    Each method raises:
        WarehouseError: the query failed.
    """

    def __init__(self, target: Target, values: Mapping[str, Value], function: str, *, known: Known, whole: Whole,
                 each: Each) -> None:
        self._target = target
        self._function = function
        self._known, self._whole, self._each = known, whole, each
        self._sql = target.project.model(target.sync)
        self._values = used_values(self._sql, values, target.project.warehouse.dialect)

    def all_unchanged(self) -> bool:
        """Whether the rows of all shards, together, are those that Candu had. For the caller: it has a total of its own
        shard's rows, of the shard's present version."""
        return self._shared and self._once("whole", self._is_sum)

    def total(self) -> RowTotal | None:
        """The total of the rows that this shard has in the warehouse, as they are or were less than ``HOLDS`` ago;
        None: it would have to be asked for alone."""
        shard = self._target.shard
        if shard is None or not self._shared:
            return None
        totals = self._once("each", lambda: self._each(self._sql, shard.of))
        return None if totals is None else totals.get(shard.number)

    @property
    def _shared(self) -> bool:
        """Whether the command has other shards of this model to compare, and the model gives all the same rows."""
        target = self._target
        return (target.name in target.project.at_once and "partition" not in self._values
                and sum(other.name in target.project.at_once for other in target.all_shards) > 1)

    def _is_sum(self) -> bool:
        shards = self._target.all_shards
        if not all(other.name in self._target.project.at_once for other in shards):
            return False
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="candu-sync state") as pool:
            totals = [total for total in pool.map(self._known, shards) if total is not None]
        return len(totals) == len(shards) and self._whole(self._sql) == reduce(RowTotal.and_of, totals)

    def _once(self, what: str, ask: Callable[[], Answer]) -> Answer:
        """The answer that the command's first shard got, unless that is too long ago."""
        project, shard = self._target.project, self._target.shard
        key = (what, self._target.sync.name, self._sql, repr(self._values), self._function,
               0 if shard is None else shard.of)
        with project.totals_lock:
            asked_at, answer = project.shard_totals.get(key, (-HOLDS, None))
            if time.monotonic() - asked_at >= HOLDS:
                project.shard_totals[key] = time.monotonic(), (answer := ask())
        return cast("Answer", answer)
