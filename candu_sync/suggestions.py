"""The known name that a mistyped one was most likely meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["hint", "nearest"]


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The name of ``known`` that is most like ``word``, letter case aside; None when none is like it.

    ``cutoff`` is difflib's ratio, 0 (anything) to 1 (equal).
    """
    by_folded = {name.casefold(): name for name in known}
    matches = get_close_matches(word.casefold(), by_folded, n=1, cutoff=cutoff)
    return by_folded[matches[0]] if matches else None


def hint(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown ``word``: the nearest known name, or all of them."""
    names = list(known)
    match = nearest(word, names)
    return f"did you mean {match}?" if match else f"known: {', '.join(names)}"
