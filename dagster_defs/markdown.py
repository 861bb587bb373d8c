"""Text of users in Dagster's Markdown: a description, a name or a model is shown as it is, and never read as markup."""

from __future__ import annotations

import re

# CommonMark, "Backslash escapes". An underscore within a word is no markup.
_MARKUP = re.compile(r"[\\`*\[\]<>#|~&!]|(?<!\w)_|_(?!\w)")

# What begins a list, a heading's underline or a rule at the start of a line; spaces there would begin code.
_LINE_START = re.compile(r"^[ \t]*([-+=]|\d+(?=[.)]))", re.MULTILINE)


def as_text(text: str) -> str:
    r"""Markdown that shows this text.

    Example:
        >>> print(as_text("<b>dim_users</b> [x](http://y)"))
        \<b\>dim_users\</b\> \[x\](http://y)
    """
    escaped = _MARKUP.sub(lambda found: f"\\{found[0]}", text)
    return _LINE_START.sub(lambda found: f"{found[1]}\\" if found[1].isdigit() else f"\\{found[1]}", escaped)


def fenced(text: str, language: str = "") -> str:
    """A block of code with this text, which may have rows of backticks.

    Example:
        >>> fenced("select 1", "sql").splitlines()
        ['```sql', 'select 1', '```']
    """
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
