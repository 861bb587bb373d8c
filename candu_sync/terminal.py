"""Text for a terminal, a pipe or a spreadsheet. It may hold anything that a warehouse or a file name holds.

Keys, partitions, names and reasons come from others. Without escapes they could move the cursor, change the
window's title, or show a line that nobody wrote; in a spreadsheet they could be a formula.
"""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["console", "csv_cell", "json_line", "printable", "printable_lines"]

# Control characters (C0, DEL, C1), those that turn or hide text (Unicode Annex #9, line and paragraph separators), and
# halves of a pair, which have no UTF-8.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
_SHORT = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}

# What begins a formula in a spreadsheet (OWASP, "CSV Injection"), also in full width.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

# If stdout is no terminal, no line is cut.
_WIDE = 200


def printable(text: str) -> str:
    r"""One line of text without control sequences of a terminal.

    Example:
        >>> print(printable("u1\x1b[2J\n\u202e"))
        u1\x1b[2J\n\u202e
    """
    return _UNSAFE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    number = ord(character)
    return _SHORT.get(character) or (f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}")


def printable_lines(text: str) -> str:
    r"""Text of several lines without control sequences of a terminal. Lines after the first are indented, so that none
    looks like another message.

    Example:
        >>> print(printable_lines("it failed\ncandu-sync: all is well"))
        it failed
          candu-sync: all is well
    """
    first, *others = (printable(line) for line in text.split("\n"))
    return "\n".join([first, *(line if line.startswith(" ") or not line else f"  {line}" for line in others)])


def json_line(body: object) -> str:
    r"""JSON on one line, without control sequences of a terminal, that any encoding of stdout can hold.

    Example:
        >>> print(json_line({"key": "é\x9b\ud800"}))
        {"key": "é\u009b\ud800"}
    """
    utf_8 = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"
    text = json.dumps(body, ensure_ascii=not utf_8)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def csv_cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula: text that begins like one gets a quote before it.

    Control characters are escaped, tabs and ends of lines excepted, which CSV can hold.

    Example:
        >>> csv_cell("=HYPERLINK(1)"), csv_cell("u1"), csv_cell(-5)
        ("'=HYPERLINK(1)", 'u1', -5)
    """
    if not isinstance(value, str):
        return value
    text = _UNSAFE.sub(lambda found: found[0] if found[0] in _SHORT else _escape(found), value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def console() -> Console:
    """A console on stdout; a pipe or a file gets lines that are not folded."""
    from rich.console import Console

    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=_WIDE)

