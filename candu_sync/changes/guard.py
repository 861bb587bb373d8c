"""Guards: reasons to stop before anything is sent, in words and figures."""

from __future__ import annotations

import shlex

from candu_sync.changes.summary import Summary
from candu_sync.naming import counted
from candu_sync.syncs import Sync

# A share of a small snapshot says little: 3 changed rows of 4 are a quiet day.
LEAST_ROWS_FOR_RATIOS = 100


def tripped(sync: Sync, summary: Summary, partition: str | None = None) -> list[str]:
    """The guards that this change set trips, one sentence each; empty: it may be sent.

    A full run sends every row on purpose. For it, too, the shares are of the rows that changed or left; only
    ``max_messages`` counts all that it sends. In a partition that has ended, all rows left. There ``max_removed``
    limits the share of the sync's rows that is in all ended partitions together. Where a person named the rows, only
    those are counted, and ``min_rows`` does not apply.

    Args:
        partition: whose changes they are, for the commands in the sentences.

    Example:
        >>> tripped(sync, Summary(rows=0, added=0, changed=0, removed=0, unchanged=0, invalid=0, held=0, messages=0,
        ...                       bytes=0, traits={}, snapshot_rows=5000))
        ['the model returned 0 rows, min_rows is 1']
    """
    guard = sync.guard
    reasons = (_shares(sync, summary) if summary.ended_rows is None or summary.keys
               else _ended(sync, summary, summary.ended_rows))
    reasons += _sent_twice(guard.max_added, summary, baseline_command(sync, partition))
    if guard.max_messages is not None and summary.messages > guard.max_messages:
        reasons.append(f"{summary.messages:,} messages to send, max_messages is {guard.max_messages:,}")
    return reasons + _invalid(guard.max_invalid, summary)


def _shares(sync: Sync, summary: Summary) -> list[str]:
    guard = sync.guard
    reasons = []
    if guard.min_rows is not None and not summary.keys and summary.rows < guard.min_rows:
        reasons.append(f"the model returned {counted(summary.rows, 'row')}, min_rows is {guard.min_rows:,}")
    for name, count, limit in (("changed", summary.changed, guard.max_changed),
                               ("removed", summary.removed, guard.max_removed)):
        if limit is None or summary.snapshot_rows < LEAST_ROWS_FOR_RATIOS:
            continue
        share = count / summary.snapshot_rows
        if share > limit:
            reasons.append(f"{count:,} of {counted(summary.snapshot_rows, 'row')} {name} ({share:.1%}), "
                           f"max_{name} is {limit:.1%}{_most(summary) if name == 'changed' else ''}")
    return [*reasons, *summary.identity_changes] if reasons and sync.kind != "events" else reasons


def _invalid(limit: float | None, summary: Summary) -> list[str]:
    if limit is None or summary.keys or summary.rows < LEAST_ROWS_FOR_RATIOS or summary.invalid <= limit * summary.rows:
        return []
    why = ", ".join(f"{reason} {count:,}" for reason, count in list(summary.reasons.items())[:3])
    return [f"{summary.invalid:,} of {counted(summary.rows, 'row')} are invalid ({summary.invalid / summary.rows:.1%}; "
            f"{why}), max_invalid is {limit:.1%}"]


def _ended(sync: Sync, summary: Summary, ended: int) -> list[str]:
    """An empty list of partitions stops the run, however small the sync is: nobody drops all of them on purpose."""
    limit, total = sync.guard.max_removed, summary.sync_rows
    if limit is None or not total or not summary.messages:
        return []
    share = ended / total
    if share <= limit or (total < LEAST_ROWS_FOR_RATIOS and ended < total):
        return []
    return [f"{ended:,} of {counted(total, 'row')} ({share:.1%}) are in partitions that are no longer the sync's, "
            f"max_removed is {limit:.1%}"]


def baseline_command(sync: Sync, partition: str | None) -> str:
    """The command that takes as sent what a change of settings would send again.

    Example:
        >>> baseline_command(sync, "2026-11-01")
        'candu-sync baseline users/profile --partition 2026-11-01'
    """
    chosen = "" if partition is None else f" --partition {shlex.quote(partition)}"
    return f"candu-sync baseline {sync.name}{chosen}{' --not-newer' if sync.kind == 'events' else ''}"


def _sent_twice(limit: float | None, summary: Summary, command: str) -> list[str]:
    """Events that are not newer than those that Candu has are mostly known, unless they got other keys."""
    among, known = summary.missed + summary.unchanged, summary.snapshot_rows + summary.rows_elsewhere
    if limit is None or not summary.late:
        return []
    if summary.identity_changes:
        return [f"{'; '.join(summary.identity_changes)}: {counted(summary.late, 'event')} to send "
                f"{'is' if summary.late == 1 else 'are'} not newer than those that were sent, and Candu probably has "
                f"{'it' if summary.late == 1 else 'them'} already. Undo the change, or run `{command}`, which takes "
                f"{'it' if summary.late == 1 else 'them'} as sent"]
    if min(known, among) < LEAST_ROWS_FOR_RATIOS or summary.missed / among <= limit:
        return []
    return [f"{summary.missed:,} of {among:,} events that are older than the newest one sent are unknown "
            f"({summary.missed / among:.1%}), max_added is {limit:.1%}. If their ids have changed, Candu has them "
            f"already: run `{command}`, which takes them as sent"]


def _most(summary: Summary) -> str:
    """The traits that changed most: often a single column trips the guard."""
    most = list(summary.traits.items())[:3]
    return f" (most: {', '.join(f'{name} {count:,}' for name, count in most)})" if most else ""
