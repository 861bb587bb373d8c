"""A driver's error -> a ``WarehouseError`` that a person can read: the database's own words, without values or secrets.

Databases put row values in messages when a value itself is at fault (``invalid input syntax for type integer: "…"``).
In such messages all quoted text and all numbers are left out. PostgreSQL's DETAIL lines may hold values in any error,
and are always left out.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeGuard

from candu_sync.errors import WarehouseError, WarehouseUnreachable

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

Errors = tuple[type[Exception], ...]

_MAX_LINES = 4
_VALUE = re.compile(r"""'[^']*'|"[^"]*"|(?<!\w)-?\d[\d.:+-]*(?!\w)""")
_VALUE_FAULTS = re.compile(r"(Conversion|Out of Range|Invalid Input|Constraint) Error", re.IGNORECASE)
_POSTGRES_LEVEL = re.compile(r"^.*?(?:ERROR|FATAL|PANIC):\s+")
_LOST = ("08", "57P")
"""SQLSTATE classes of a lost connection: connection exceptions, and a connection that the server ended."""
_GONE = re.compile("terminating connection|server closed the connection|connection not open")
"""libpq's messages about a lost connection, in English: errors in the middle of an Arrow stream have no class."""
_POSTGRES_MORE = re.compile(r"^(?:DETAIL|CONTEXT|STATEMENT|Query was):", re.MULTILINE)


@contextmanager
def translated(*errors: type[Exception], doing: str = "the warehouse refused the query",
               into: type[WarehouseError] = WarehouseError) -> Iterator[None]:
    """Turns SQLAlchemy's errors, and the given ones, into a ``WarehouseError`` (or the leaf ``into``) that starts with
    ``doing``; a lost connection always is a ``WarehouseUnreachable``."""
    try:
        yield
    except (*sqlalchemy_errors(), *errors) as error:
        kind = WarehouseUnreachable if _is_lost(error) else into
        raise kind(f"{doing}: {described(error)}") from None


def sqlalchemy_errors() -> Errors:
    """SQLAlchemy's errors; none where it has not been loaded: then it raised none."""
    if "sqlalchemy.exc" not in sys.modules:
        return ()
    # It waits where another thread is importing it.
    from sqlalchemy.exc import SQLAlchemyError

    return (SQLAlchemyError,)


def _is_drivers(error: Exception) -> TypeGuard[DBAPIError]:
    """Whether it is a driver's error that SQLAlchemy wrapped."""
    if "sqlalchemy.exc" not in sys.modules:
        return False
    from sqlalchemy.exc import DBAPIError

    return isinstance(error, DBAPIError)


def described(error: Exception) -> str:
    """The first lines of what the database said, without row values."""
    original = error.orig if _is_drivers(error) and isinstance(error.orig, Exception) else error
    text = _text(original)
    if _is_about_values(original, text):
        text = _VALUE.sub("…", text.split("\n", 1)[0])
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(lines[:_MAX_LINES]) or type(original).__name__


def _is_lost(error: Exception) -> bool:
    """Whether the connection is gone, as opposed to a query that the database refuses."""
    if _is_drivers(error):
        return error.connection_invalidated
    if not hasattr(error, "sqlstate"):
        return isinstance(error, OSError) and bool(_GONE.search(str(error)))
    # A server gives each of its errors a state. An error without one is the driver's, about the connection.
    state = str(getattr(error, "sqlstate", None) or "")
    return state.startswith(_LOST) if state else type(error).__name__ == "OperationalError"


def _is_about_values(error: Exception, text: str) -> bool:
    """Whether the text may contain a value of a row: SQLSTATE class 22, DuckDB's own words for the same, and an error
    in the middle of an Arrow stream, an OSError without a class."""
    state = getattr(error, "sqlstate", None) or ""
    return state.startswith("22") or isinstance(error, OSError) or bool(_VALUE_FAULTS.match(text))


def _text(error: Exception) -> str:
    """psycopg's ``diag`` has the message without DETAIL and CONTEXT. ADBC puts words before it and the query after
    it."""
    diagnosis = getattr(error, "diag", None)
    primary = getattr(diagnosis, "message_primary", None)
    if not primary:
        return _POSTGRES_LEVEL.sub("", _POSTGRES_MORE.split(str(error))[0].strip())
    hint = getattr(diagnosis, "message_hint", None)
    return f"{primary}\n{hint}" if hint else str(primary)
