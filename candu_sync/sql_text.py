"""A model's SQL as text: which of our parameters it uses, and a form for SQLAlchemy's ``text()``.

Only ``:partition``, ``:window_start``, ``:window_end`` and ``:since`` are parameters, and only where the SQL would read
a value: not in a literal, a quoted name or a comment, and not right after a name, a bracket or a quote, where a colon
is a path (Snowflake's ``payload:plan``), a cast (``::date``) or a slice (``a[1:2]``). SQLAlchemy takes every ``:name``
for a parameter, so all other colons are escaped for it.

How a dialect quotes differs; ``dialect`` is SQLAlchemy's name of it, and the rules without one are PostgreSQL's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from candu_sync.errors import ModelError, WarehouseError

Value = str | datetime

NEEDS: dict[str, str] = {
    "partition": "`partitions` in the sync's YAML",
    "window_start": "`partitions` that are daily, hourly, weekly or monthly in the sync's YAML",
    "window_end": "`partitions` that are daily, hourly, weekly or monthly in the sync's YAML",
    "since": "a `cursor` in the sync's YAML",
}
"""Our parameters, and the setting that gives each its value."""

_BRACKET_NAMES = {"sqlite", "mssql"}
_BACKSLASHES = {"mysql", "mariadb", "bigquery", "databricks", "snowflake", "clickhousedb"}
_HASH_COMMENTS = {"mysql", "mariadb", "bigquery", "clickhousedb"}
_NESTED_COMMENTS = {"", "postgresql", "duckdb", "mssql"}
_NO_DOLLAR_QUOTES = {"sqlite", "mysql", "mariadb", "mssql", "bigquery"}

_WRITES = re.compile(
    r"[\s(]*(insert|update|delete|merge|replace|create|drop|alter|truncate|copy|grant|revoke|attach|detach|vacuum"
    r"|install|load|export|import|set|begin|commit|rollback|do|call)\b",
    re.IGNORECASE,
)


class _Token(NamedTuple):
    """One part of the SQL that is more than plain text: ``sql[start:end]``."""

    kind: str
    start: int
    end: int


@lru_cache
def _pattern(dialect: str) -> re.Pattern[str]:
    escapes = r"'(?:[^'\\]++|\\.|'')*+(?:'|\Z)"
    plain = r"'(?:[^']++|'')*+(?:'|\Z)"
    quoted = [rf"(?<![\w$])[eE]{escapes}", escapes if dialect in _BACKSLASHES else plain]
    quoted += [r'"(?:[^"]++|"")*+(?:"|\Z)', r"`(?:[^`]++|``)*+(?:`|\Z)"]
    if dialect in _BRACKET_NAMES:
        quoted.append(r"\[[^\]]*+(?:\]|\Z)")
    if dialect not in _NO_DOLLAR_QUOTES:
        quoted.append(r"(?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)")
    line = r"(?:--|\#)[^\n]*" if dialect in _HASH_COMMENTS else r"--[^\n]*"
    parameter = rf"(?<![\w$:\\)\]\"'`]):(?:{'|'.join(NEEDS)})(?![\w$])"
    return re.compile(
        rf"(?P<quoted>{'|'.join(quoted)})|(?P<line>{line})|(?P<block>/\*)|(?P<parameter>{parameter})|(?P<semicolon>;)",
        re.DOTALL,
    )


def _tokens(sql: str, dialect: str) -> Iterator[_Token]:
    pattern, position = _pattern(dialect), 0
    while match := pattern.search(sql, position):
        kind = match.lastgroup or ""
        position = match.end() if kind != "block" else _block_end(sql, match.start(), dialect in _NESTED_COMMENTS)
        yield _Token(kind, match.start(), position)


def _block_end(sql: str, start: int, nested: bool) -> int:
    depth = 0
    for mark in re.compile(r"/\*|\*/").finditer(sql, start):
        opens = mark.group() == "/*"
        if opens and (nested or depth == 0):
            depth += 1
        elif not opens:
            depth -= 1
        if depth == 0:
            return mark.end()
    return len(sql)


def parameters_in(sql: str, dialect: str = "") -> frozenset[str]:
    """The names, without the colon, of our parameters that the SQL really uses."""
    return frozenset(sql[token.start + 1 : token.end] for token in _tokens(sql, dialect) if token.kind == "parameter")


def bindable(sql: str, dialect: str = "") -> str:
    """The SQL for ``sqlalchemy.text()``: our parameters as they are, every other colon escaped."""
    return placed(sql, dialect, lambda name: f":{name}", colon=r"\:")


def dollar_parameters(sql: str, dialect: str = "") -> str:
    """The SQL with our parameters as ``$name``, the form that DuckDB binds itself; nothing else changes."""
    return placed(sql, dialect, lambda name: f"${name}")


def placed(sql: str, dialect: str, place: Callable[[str], str], *, colon: str = ":") -> str:
    """The SQL with ``place(name)`` in place of each parameter: a placeholder, or a literal that the driver has quoted.

    ``colon`` replaces any other colon.
    """
    parts, position = [], 0
    for token in _tokens(sql, dialect):
        if token.kind == "parameter":
            parts += [sql[position : token.start].replace(":", colon), place(sql[token.start + 1 : token.end])]
            position = token.end
    return "".join([*parts, sql[position:].replace(":", colon)])


def one_query(sql: str, dialect: str = "") -> str:
    """The SQL without a closing semicolon.

    Raises ``ModelError`` when there is nothing in it, or more than one statement, and ``WarehouseError`` when it begins
    with a word that writes: the databases refuse that too, but not each of them says why.
    """
    code = blanked(sql, dialect)
    end = code.find(";")
    if end >= 0 and code[end:].replace(";", "").strip():
        raise ModelError("the SQL holds more than one statement; a model is one SELECT")
    head = sql if end < 0 else sql[:end]
    if not code[: len(head)].strip():
        raise ModelError("the SQL is empty; a model is one SELECT")
    if write := _WRITES.match(code):
        raise WarehouseError(
            f"the SQL begins with {write.group(1).upper()}; a model is one SELECT, and the warehouse is only read"
        )
    return head


def blanked(sql: str, dialect: str) -> str:
    """The SQL at its own length, with comments as spaces and all quoted text as ``x``."""
    parts, position = [], 0
    for token in _tokens(sql, dialect):
        if token.kind in ("quoted", "line", "block"):
            fill = "x" if token.kind == "quoted" else " "
            parts += [sql[position : token.start], fill * (token.end - token.start)]
            position = token.end
    return "".join([*parts, sql[position:]])


def used_values(sql: str, parameters: Mapping[str, Value], dialect: str = "") -> dict[str, Value]:
    """The values of the parameters that the SQL uses; others are left out.

    Raises ``ModelError`` when one of them has no value, with the setting that gives it.
    """
    used = parameters_in(sql, dialect)
    missing = sorted(used - parameters.keys())
    if missing:
        raise ModelError(f"the SQL uses :{missing[0]}, which has no value here; it needs {NEEDS[missing[0]]}")
    return {name: parameters[name] for name in sorted(used)}
