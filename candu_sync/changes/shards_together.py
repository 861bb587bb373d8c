"""The guard of a sync with shards: its limits are those of the whole sync, and one shard mostly shows how all are.

A shard is a random sample of the rows. Where a limit allows at least ``TELLING`` rows of a shard, and the shard has not
half of them, then all shards together do not have more than the limit allows: by chance that is less likely than one in
a million. Otherwise all shards are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from candu_sync.changes.summary import Summary
from candu_sync.syncs import Guard, Sync

TELLING = 100

_ADDED = ("rows", "added", "changed", "removed", "unchanged", "invalid", "held", "messages", "bytes", "new_traits_rows",
          "snapshot_rows", "late", "missed", "rows_elsewhere", "refreshed")
_COUNTED = ("traits", "new_traits", "reasons")


def together(summaries: Iterable[Summary]) -> Summary:
    """The figures that guards look at, of all shards of a sync.

    Args:
        summaries: one of each shard, at least one.

    Example:
        >>> one = Summary(rows=5, added=1, changed=2, removed=0, unchanged=2, invalid=0, held=0, messages=3, bytes=90,
        ...               traits={"plan": 3}, snapshot_rows=4)
        >>> both = together([one, one])
        >>> both.rows, both.changed, both.traits
        (10, 4, {'plan': 6})
    """
    first, *others = summaries
    for other in others:
        found: dict[str, Any] = {name: getattr(first, name) + getattr(other, name) for name in _ADDED}
        found |= {name: dict(Counter(getattr(first, name)) + Counter(getattr(other, name))) for name in _COUNTED}
        changes = list(dict.fromkeys([*first.identity_changes, *other.identity_changes]))
        first = replace(first, identity_changes=changes, **found)
    return replace(first, traits=dict(Counter(first.traits).most_common()),
                   reasons=dict(Counter(first.reasons).most_common()))


def shows_all(sync: Sync, summary: Summary, shards: int) -> bool:
    """Whether one shard shows that all shards together trip no guard.

    Example:
        >>> quiet = Summary(rows=5000, added=0, changed=9, removed=0, unchanged=4991, invalid=0, held=0, messages=9,
        ...                 bytes=900, traits={}, snapshot_rows=5000)
        >>> shows_all(sync, quiet, 16), shows_all(sync, replace(quiet, removed=900), 16)
        (True, False)
    """
    return all(count * 2 <= limit and limit >= TELLING for count, limit in _limits(sync.guard, summary, shards))


def _limits(guard: Guard, summary: Summary, shards: int) -> Iterator[tuple[float, float]]:
    """How many rows a shard has of what a guard counts, and how many the limit allows of so many rows."""
    if summary.identity_changes or (guard.min_rows and summary.rows < guard.min_rows):
        yield 1, 0
    changed = summary.changed - summary.new_traits_rows
    shares = ((summary.invalid, guard.max_invalid, summary.rows),
              (changed, guard.max_changed, summary.snapshot_rows),
              (summary.removed, guard.max_removed, summary.snapshot_rows),
              (summary.missed, guard.max_added, summary.missed + summary.unchanged))
    yield from ((count, share * rows) for count, share, rows in shares if share is not None and share < 1 and rows)
    numbers = ((summary.messages, guard.max_messages), (summary.new_traits_rows, guard.max_new_traits_rows))
    yield from ((count, most / shards) for count, most in numbers if most is not None)
