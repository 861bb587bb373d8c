"""What makes two rows of a sync the same row: its key, the model's expressions for it, its time zone, its partitions.

Each version keeps it. When it changes, the rows that Candu has are not recognised, and would be sent again.
"""

from __future__ import annotations

from candu_sync.state import RowIdentity
from candu_sync.syncs import Sync, expressions_of

# Columns that no time zone can change.
_NO_TIMES = {"user_id", "group_id", "event_id", "event"}

# Characters of an expression that a sentence shows.
_SHOWN = 80


def row_identity(sync: Sync) -> RowIdentity:
    """What makes two rows of this sync the same row, as its settings and its model say it.

    Example:
        >>> row_identity(sync)
        RowIdentity(key=('user_id',), zone=None, scheme='', expressions=((),))
    """
    windows = sync.partitions is not None and sync.partitions.every is not None
    zone = sync.timezone if windows or set(sync.key) - _NO_TIMES else None
    return RowIdentity(sync.key, zone, sync.partitions.spread if sync.partitions else "",
                       tuple(expressions_of(sync.sql, column) for column in sync.key))


def identity_changes(before: RowIdentity | None, now: RowIdentity) -> list[str]:
    """What changed, from what to what, a clause each; nothing is known of a version without an identity.

    Example:
        >>> identity_changes(RowIdentity(("event_id",), None, ""), RowIdentity(("order_id",), None, "daily"))
        ['the key was event_id and is order_id now', 'it had no partitions and has daily partitions now']
    """
    if before is None:
        return []
    changes = []
    if before.key != now.key:
        changes.append(f"the key was {', '.join(before.key)} and is {', '.join(now.key)} now")
    else:
        changes += [_made_otherwise(column, *texts) for column, *texts in
                    zip(now.key, before.expressions, now.expressions, strict=False) if _replaced(*texts)]
    if before.zone and now.zone and before.zone != now.zone:
        changes.append(f"timezone was {before.zone} and is {now.zone} now, which moves the times of the rows")
    if before.scheme != now.scheme:
        changes.append(f"it had {_scheme(before.scheme)} and has {_scheme(now.scheme)} now")
    return changes


def _replaced(before: tuple[str, ...], now: tuple[str, ...]) -> bool:
    """One more expression (another query of a union) does not change the rows of the others."""
    return bool(now) and not set(before) <= set(now)


def _made_otherwise(column: str, before: tuple[str, ...], now: tuple[str, ...]) -> str:
    old, new = ([text for text in texts if text not in others] for texts, others in ((before, now), (now, before)))
    made = f"is `{_short(new)}` now" if new else "is not made so any more"
    return f"{column} was `{_short(old)}` and {made}"


def _short(texts: list[str]) -> str:
    text = ", ".join(texts)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _scheme(scheme: str) -> str:
    return f"{scheme} partitions" if scheme else "no partitions"
