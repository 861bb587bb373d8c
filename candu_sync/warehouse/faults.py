"""A driver's error -> a ``WarehouseError`` that a person can read: the database's own words, without values or secrets.

Databases put row values in messages when a value itself is at fault (``invalid input syntax for type integer: "…"``).
There everything quoted and every number is left out. PostgreSQL's DETAIL lines may hold values in any error, and are
never taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from candu_sync.errors import WarehouseError

Errors = tuple[type[Exception], ...]

_MAX_LINES = 4
_VALUE = re.compile(r"""'[^']*'|"[^"]*"|(?<!\w)-?\d[\d.:+-]*(?!\w)""")
_VALUE_FAULTS = re.compile(r"^(Conversion|Out of Range|Invalid Input|Constraint) Error|DataError|^22", re.IGNORECASE)


@contextmanager
def translated(*errors: type[Exception], doing: str = "the warehouse refused the query") -> Iterator[None]:
    """Turns SQLAlchemy's errors, and those given, into a ``WarehouseError`` that starts with ``doing``."""
    expected: Errors = (SQLAlchemyError, *errors)
    try:
        yield
    except expected as error:
        raise WarehouseError(f"{doing}: {described(error)}") from None


def described(error: Exception) -> str:
    """The first lines of what the database said, without row values."""
    original = error.orig if isinstance(error, DBAPIError) and isinstance(error.orig, Exception) else error
    text = _text(original)
    about_values = _VALUE_FAULTS.search(getattr(original, "sqlstate", None) or "") or _VALUE_FAULTS.search(
        f"{text}\n{type(original).__name__}"
    )
    if about_values:
        text = _VALUE.sub("…", text.split("\n", 1)[0])
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(lines[:_MAX_LINES]) or type(original).__name__


def _text(error: Exception) -> str:
    """psycopg's ``diag`` has the message apart from DETAIL and CONTEXT; with others the text is all there is."""
    diagnosis = getattr(error, "diag", None)
    primary = getattr(diagnosis, "message_primary", None)
    if not primary:
        return re.split(r"^\s*(?:DETAIL|CONTEXT):", str(error), maxsplit=1, flags=re.MULTILINE)[0].strip()
    hint = getattr(diagnosis, "message_hint", None)
    return f"{primary}\n{hint}" if hint else str(primary)
