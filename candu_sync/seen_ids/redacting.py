"""Ids that show how they differ, and not whose they are: letters are x and X, digits 9."""

from __future__ import annotations

import re
import unicodedata

_LONGEST = 28
_ZEROS = re.compile(r"\+?0*")
_DECIMALS = re.compile(r"\.0*$")


def redacted(text: str, *, shown: str = "", as_number: bool = False) -> str:
    """An id with its letters and digits hidden.

    Args:
        shown: a prefix that many ids have; it is shown where the id begins with it.
        as_number: leading zeros and decimals of zeros are shown.

    Example:
        >>> redacted("Anna-7 "), redacted("usr_a17", shown="usr_"), redacted("0017.0", as_number=True)
        ('Xxxx-9␣', 'usr_x99', '0099.0')
        >>> redacted("caf\u00e9"), redacted("cafe\u0301")
        ('xxx[x´]', 'xxx[x+´]')
    """
    before = shown if shown and text.startswith(shown) else _ZEROS.match(text)[0] if as_number else ""  # type: ignore[index]
    rest = text[len(before):]
    ends = _DECIMALS.search(rest) if as_number else None
    after = ends[0] if ends else ""
    hidden = _hidden(rest.removesuffix(after))
    if len(hidden) > _LONGEST:
        hidden = [*hidden[:_LONGEST // 2], "…", *hidden[-_LONGEST // 2:]]
    return before + "".join(hidden) + after


def _hidden(text: str) -> list[str]:
    found: list[str] = []
    for letter in text:
        if unicodedata.combining(letter) and found:
            found[-1] = f"[{found[-1].strip('[]')}+´]"
        else:
            found.append(_sign(letter))
    return found


def _sign(letter: str) -> str:
    if letter == " ":
        return "␣"
    if not letter.isprintable():
        return f"<U+{ord(letter):04X}>"
    if letter.isdigit():
        return "9"
    if not letter.isalpha():
        return letter if letter.isascii() else "?"
    sign = "X" if letter.isupper() else "x"
    return f"[{sign}´]" if not unicodedata.is_normalized("NFD", letter) else sign
