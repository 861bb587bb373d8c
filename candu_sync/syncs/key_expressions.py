"""How the text of a model makes a column: the expressions that it names so.

The SQL is not parsed: its dialect is not known here, and after a wrong guess, a change is only not noticed.
"""

from __future__ import annotations

import functools
import re

from candu_sync.sql_text import blanked

__all__ = ["expressions_of"]

_TOKEN = re.compile(r"[(),]|\w+|[^\w\s]")
_QUOTES = "\"`[]"

# What follows an item of a select list.
_ENDS = frozenset([",", ")", "from", ";"])

# Words after which a name is not an alias.
_NO_ALIAS = frozenset(["select", "distinct", "all", "and", "or", "not", "when", "then", "else", "in", "is", "like"])

# Words that begin another list than that of a select.
_OTHER_LISTS = frozenset(["from", "where", "by", "having", "qualify", "limit", "with", "values"])


@functools.lru_cache(maxsize=256)
def expressions_of(sql: str, column: str) -> tuple[str, ...]:
    """The expressions that a model gives as ``column``, in subqueries too, each once and in order; empty: none is
    found, as in ``select *``.

    Example:
        >>> expressions_of("select 'e' || id as event_id, at from a union all select b.event_id, at from b", "event_id")
        ("'e' || id", 'event_id')
    """
    text, tokens, words = _read(sql)
    found = []
    for position, token in enumerate(tokens):
        if text[token.start():token.end()].strip(_QUOTES).casefold() != column.casefold():
            continue
        first = _first_of_item(words, position)
        last = None if first is None else _last_of_item(words, first, position)
        if first is not None and last is not None:
            item = text[tokens[first].start():tokens[last].end()]
            found.append(column if last == position else " ".join(item.split()))
    return tuple(dict.fromkeys(found))


@functools.lru_cache(maxsize=16)
def _read(sql: str) -> tuple[str, list[re.Match[str]], list[str]]:
    """The text without its comments, its tokens, and their words in lower case: the same for each column."""
    code = blanked(sql, "")
    tokens = list(_TOKEN.finditer(code))
    # Comments are blank in both.
    text = "".join(" " if blank == " " else char for char, blank in zip(sql, code, strict=True))
    return text, tokens, [token.group().lower() for token in tokens]


def _first_of_item(words: list[str], name: int) -> int | None:
    """The first token of the item of a select list that a name is in; None: it is in no select list."""
    depth, first = 0, None
    for position in range(name - 1, -1, -1):
        word = words[position]
        depth += (word == ")") - (word == "(")
        if depth < 0 or (depth == 0 and word in _OTHER_LISTS):
            return None
        if depth == 0 and word in (",", "select") and first is None:
            first = position + 1
        if depth == 0 and word == "select":
            return first
    return None


def _last_of_item(words: list[str], first: int, name: int) -> int | None:
    """The last token of the expression that is given under a name; None: the name is in the middle of it."""
    if name + 1 < len(words) and words[name + 1] not in _ENDS:
        return None
    before = words[name - 1]
    if first == name or before == ".":
        return name
    if before == "as":
        return name - 2
    return name - 1 if before == ")" or (before[0].isalnum() and before not in _NO_ALIAS) else None
