"""Guards: reasons to stop before anything is sent, in words and figures."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from candu_sync.changes.summary import Summary
from candu_sync.errors import UsageError
from candu_sync.naming import as_arguments, counted
from candu_sync.suggestions import did_you_mean
from candu_sync.syncs import Guard, Sync

# A share of a small snapshot says little: 3 changed rows of 4 are a quiet day.
LEAST_ROWS_FOR_RATIOS = 100

GUARDS = (*(name.split("_", 1)[1] for name in Guard.model_fields), "renamed")
"""The guards by name: the settings of ``guard`` without ``min_`` or ``max_``; ``renamed``: events of a sync that was
probably renamed."""


class Trip(NamedTuple):
    """A guard that a change set trips: its setting without ``min_`` or ``max_``, like ``changed``, and a sentence."""

    guard: str
    sentence: str


def guard_names(words: Iterable[str]) -> frozenset[str]:
    """The guards that a person named, in words like ``changed``, ``max_changed`` or ``changed,removed``.

    Raises:
        UsageError: there is no guard of a name.

    Example:
        >>> sorted(guard_names(["changed,max_removed"]))
        ['changed', 'removed']
    """
    found = [name.strip().lower() for word in words for name in word.split(",")]
    names = [re.sub(r"^(min|max)_", "", name) for name in found]
    for name, word in zip(names, found, strict=True):
        if name not in GUARDS:
            raise UsageError(f"there is no guard {word}{did_you_mean(name, GUARDS)} (there are: {', '.join(GUARDS)})")
    return frozenset(names)


def tripped(sync: Sync, summary: Summary, partition: str | None = None, allow: Collection[str] = ()) -> list[Trip]:
    """The guards that this change set trips, with a sentence each; empty: it may be sent.

    A full run sends every row on purpose. For it, too, the shares are of the rows that changed or left; only
    ``max_messages`` counts all that it sends. In a partition that has ended, all rows left. There ``max_removed``
    limits the share of the sync's rows that is in all ended partitions together. Where a person named the rows, only
    those are counted, and ``min_rows`` does not apply. Rows of which nothing but new traits changed are not changed
    for ``max_changed``: ``max_new_traits_rows`` limits them.

    Args:
        partition: whose changes they are, for the commands in the sentences.
        allow: guards that they may pass, of ``GUARDS``.

    Example:
        >>> summary = Summary(rows=0, added=0, changed=0, removed=0, unchanged=0, invalid=0, held=0, messages=0,
        ...                   bytes=0, traits={}, snapshot_rows=5000)
        >>> tripped(sync, summary)
        [Trip(guard='rows', sentence='the model returned 0 rows, min_rows is 1')]
        >>> tripped(sync, summary, allow={"rows"})
        []
    """
    guard = sync.guard
    trips = (_shares(sync, summary) if summary.ended_rows is None or summary.keys
             else _ended(sync, summary, summary.ended_rows))
    of_shares = [trip for trip in trips if trip.guard not in allow]
    if of_shares and sync.kind != "events":
        of_shares += [Trip(of_shares[-1].guard, change) for change in summary.identity_changes]
    others = _sent_twice(guard.max_added, summary, baseline_command(sync, partition))
    if guard.max_messages is not None and summary.messages > guard.max_messages:
        others.append(Trip("messages", f"{summary.messages:,} messages to send, max_messages is "
                                       f"{guard.max_messages:,}"))
    others += _invalid(guard.max_invalid, summary)
    return [*of_shares, *(trip for trip in others if trip.guard not in allow)]


def limits(sync: Sync, summary: Summary) -> dict[str, tuple[str, str]]:
    """What a change set has of each figure that a guard looks at, and the limit, as text.

    Example:
        >>> summary = Summary(rows=5000, added=0, changed=1980, removed=3, unchanged=3020, invalid=0, held=0,
        ...                   messages=1983, bytes=0, traits={}, snapshot_rows=5003)
        >>> limits(sync, summary)["changed"]
        ('39.6%', 'at most 50.0%')
    """
    guard, known = sync.guard, summary.snapshot_rows
    found = {"rows": (f"{summary.rows:,}", _limit("at least {:,}", guard.min_rows))}
    if sync.kind != "events":
        found |= {"changed": (_share(summary.changed - summary.new_traits_rows, known),
                              _limit("at most {:.1%}", guard.max_changed)),
                  "removed": (_share(summary.removed, known), _limit("at most {:.1%}", guard.max_removed)),
                  "new traits": (counted(summary.new_traits_rows, "row"),
                                 _limit("at most {:,}", guard.max_new_traits_rows))}
    return found | {"messages": (f"{summary.messages:,}", _limit("at most {:,}", guard.max_messages)),
                    "invalid": (_share(summary.invalid, summary.rows), _limit("at most {:.1%}", guard.max_invalid))}


def _share(count: int, of: int) -> str:
    """Without a percentage where a guard does not look at it."""
    return f"{count:,} of {of:,}" if of < LEAST_ROWS_FOR_RATIOS else f"{count / of:.1%}"


def _limit(text: str, limit: float | None) -> str:
    return "no limit" if limit is None else text.format(limit)


def _shares(sync: Sync, summary: Summary) -> list[Trip]:
    guard = sync.guard
    trips = []
    if guard.min_rows is not None and not summary.keys and summary.rows < guard.min_rows:
        trips.append(Trip("rows", f"the model returned {counted(summary.rows, 'row')}, min_rows is "
                                  f"{guard.min_rows:,}"))
    for name, count, limit in (("changed", summary.changed - summary.new_traits_rows, guard.max_changed),
                               ("removed", summary.removed, guard.max_removed)):
        if limit is None or summary.snapshot_rows < LEAST_ROWS_FOR_RATIOS:
            continue
        share = count / summary.snapshot_rows
        if share > limit:
            trips.append(Trip(name, f"{count:,} of {counted(summary.snapshot_rows, 'row')} {name} ({share:.1%}), "
                                    f"max_{name} is {limit:.1%}{_most(summary) if name == 'changed' else ''}"))
    limit, count = guard.max_new_traits_rows, summary.new_traits_rows
    if limit is not None and count > limit:
        trips.append(Trip("new_traits_rows", f"{counted(count, 'row')} {'gets' if count == 1 else 'get'} nothing but "
                          f"new traits ({_backfills(summary)}), max_new_traits_rows is {limit:,}"))
    return trips


def _invalid(limit: float | None, summary: Summary) -> list[Trip]:
    if limit is None or summary.keys or summary.rows < LEAST_ROWS_FOR_RATIOS or summary.invalid <= limit * summary.rows:
        return []
    why = ", ".join(f"{reason} {count:,}" for reason, count in list(summary.reasons.items())[:3])
    return [Trip("invalid", f"{summary.invalid:,} of {counted(summary.rows, 'row')} are invalid "
                            f"({summary.invalid / summary.rows:.1%}; {why}), max_invalid is {limit:.1%}")]


def _backfills(summary: Summary) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in summary.new_traits.items())


def _ended(sync: Sync, summary: Summary, ended: int) -> list[Trip]:
    """An empty list of partitions stops the run, however small the sync is: nobody drops all of them on purpose."""
    limit, total = sync.guard.max_removed, summary.sync_rows
    if limit is None or not total or not summary.messages:
        return []
    share = ended / total
    if share <= limit or (total < LEAST_ROWS_FOR_RATIOS and ended < total):
        return []
    return [Trip("removed", f"{ended:,} of {counted(total, 'row')} ({share:.1%}) are in partitions that are no longer "
                            f"the sync's, max_removed is {limit:.1%}")]


def baseline_command(sync: Sync, partition: str | None) -> str:
    """The command that takes as sent what a change of settings would send again.

    Example:
        >>> baseline_command(sync, "2026-11-01")
        'candu-sync baseline users/profile --partition 2026-11-01'
    """
    return f"candu-sync baseline {as_arguments(sync.name, partition)}{' --not-newer' if sync.kind == 'events' else ''}"


def _sent_twice(limit: float | None, summary: Summary, command: str) -> list[Trip]:
    """Events that are not newer than those that Candu has are mostly known, unless they got other keys."""
    among, known = summary.missed + summary.unchanged, summary.snapshot_rows + summary.rows_elsewhere
    if limit is None or not summary.late:
        return []
    if summary.identity_changes:
        return [Trip("added", f"{'; '.join(summary.identity_changes)}: {counted(summary.late, 'event')} to send "
                     f"{'is' if summary.late == 1 else 'are'} not newer than those that were sent, and Candu probably "
                     f"has {'it' if summary.late == 1 else 'them'} already. Undo the change, or run `{command}`, which "
                     f"takes {'it' if summary.late == 1 else 'them'} as sent")]
    if min(known, among) < LEAST_ROWS_FOR_RATIOS or summary.missed / among <= limit:
        return []
    return [Trip("added", f"{summary.missed:,} of {among:,} events that are older than the newest one sent are unknown "
                 f"({summary.missed / among:.1%}), max_added is {limit:.1%}. If their ids have changed, Candu has them "
                 f"already: run `{command}`, which takes them as sent")]


def _most(summary: Summary) -> str:
    """The traits that changed most: often a single column trips the guard. A new trait is not the reason."""
    most = [(name, count) for name, count in summary.traits.items() if name not in summary.new_traits][:3]
    return f" (most: {', '.join(f'{name} {count:,}' for name, count in most)})" if most else ""
