"""The known name that a mistyped one most likely means. Only this module compares names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache

__all__ = ["did_you_mean", "hint", "nearest", "one_letter_apart",
           "pairs_one_letter_apart"]

# In shorter words than these, a letter makes another word: mrr and arr, score_a and score_b.
_SHORTEST_NAME = 4
_SHORTEST_WORD = 3
_LONG_NAME = 200


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


def one_letter_apart(one: str, other: str) -> bool:
    """Whether two names differ by one letter that is missing, wrong or in the place of its neighbour, letter case
    aside. Names that differ by a digit, or in a word of one or two letters, are meant to differ.

    Example:
        >>> [one_letter_apart("seats", name) for name in ("saets", "seat", "seets", "Seats", "beats2")]
        [True, True, True, False, False]
        >>> one_letter_apart("address_1", "address_2"), one_letter_apart("score_a", "score_b")
        (False, False)
    """
    longer, shorter = sorted((one.casefold(), other.casefold()), key=len, reverse=True)
    if len(longer) - len(shorter) > 1 or len(shorter) < _SHORTEST_NAME or longer == shorter:
        return False
    at = next((n for n, pair in enumerate(zip(longer, shorter, strict=False)) if pair[0] != pair[1]), len(shorter))
    rest, end = longer[at + 1:], shorter[at:]
    if len(longer) > len(shorter):
        differ, near = longer[at], rest == end
    else:
        differ = longer[at] + shorter[at]
        near = rest == end[1:] or (longer[at:at + 2] == end[:2][::-1] and longer[at + 2:] == end[2:])
    if not near or re.search(r"\d", differ):
        return False
    return not differ.isalnum() or min(len(_word_at(name, at)) for name in (longer, shorter)) >= _SHORTEST_WORD


def pairs_one_letter_apart(ones: Iterable[str], others: Iterable[str]) -> list[tuple[str, str]]:
    """The pairs of a name of ``ones`` and one of ``others`` that ``one_letter_apart`` is true of, in order.

    Example:
        >>> pairs_one_letter_apart(["seats", "plan"], ["plans", "seat", "seats"])
        [('plan', 'plans'), ('seats', 'seat')]
    """
    by_form = defaultdict(set)
    for one in ones:
        for form in _forms(one):
            by_form[form].add(one)
    found = {(one, other) for other in others for form in _forms(other) for one in by_form.get(form, ())}
    return sorted(pair for pair in found if one_letter_apart(*pair))


@lru_cache(maxsize=4096)
def _forms(name: str) -> frozenset[str]:
    """The name, letter case aside, and what is left of it without one of its letters. Names that are one letter apart
    have a form in common. All very long names have one in common: they are compared one by one."""
    folded = name.casefold()
    without = {folded[:at] + folded[at + 1:] for at in range(len(folded))} if len(folded) <= _LONG_NAME else set()
    return frozenset({folded, *without} | ({""} if len(folded) >= _LONG_NAME else set()))


def _word_at(name: str, at: int) -> str:
    """The word of a name that a position is in, or at the end of; empty: it is between two others."""
    return next((word.group() for word in re.finditer(r"[^\W_]+", name) if word.start() <= at <= word.end()), "")
