"""The known name that a mistyped one most likely means. Only this module compares names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

__all__ = ["did_you_mean", "hint", "nearest"]


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The name of ``known`` that is most like ``word``, letter case aside; None when none is like it.

    Args:
        cutoff: difflib's ratio, from 0 (anything) to 1 (equal).

    Example:
        >>> nearest("payloda", ["payload", "partitions"])
        'payload'
        >>> nearest("USER_ID", ["user_id"])
        'user_id'
    """
    by_folded = {name.casefold(): name for name in known}
    matches = get_close_matches(word.casefold(), by_folded, n=1, cutoff=cutoff)
    return by_folded[matches[0]] if matches else None


def did_you_mean(word: str, known: Iterable[str], *, shown: str = "{}") -> str:
    """``; did you mean payload?``, to end a sentence with; empty when no known name is like ``word``.

    Args:
        shown: how the name is written; ``{}`` is replaced by it.

    Example:
        >>> did_you_mean("pro-", ["pro", "free"], shown="2026-11-01|{}")
        '; did you mean 2026-11-01|pro?'
        >>> did_you_mean("enterprise", ["pro", "free"])
        ''
    """
    match = nearest(word, known)
    return f"; did you mean {shown.format(match)}?" if match else ""


def hint(word: str, known: Iterable[str], other_words: Mapping[str, str] | None = None) -> str:
    """The end of a sentence about an unknown ``word``: the nearest known name, or all of them.

    Args:
        other_words: what other tools call it, in lower case → the known name.

    Example:
        >>> hint("xyzzy", ["key", "rename"])
        'known: key, rename'
        >>> hint("schedule", ["key", "automation"], {"schedule": "automation"})
        'did you mean automation?'
    """
    names = list(known)
    meant = (other_words or {}).get(word.lower().replace("-", "_"))
    match = meant if meant in names else nearest(word, names)
    return f"did you mean {match}?" if match else f"known: {', '.join(names)}"
