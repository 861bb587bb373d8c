"""SQLite's declared column types: they are only a hint, since each row of a column may hold another type.

https://www.sqlite.org/datatype3.html, 3.1, has the rules by which a declared type becomes an affinity.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pyarrow as pa

from candu_sync.sql_text import placed

_VIEW = "temp.candu_sync_model"

_AFFINITIES: tuple[tuple[tuple[str, ...], pa.DataType], ...] = (
    (("INT",), pa.int64()),
    (("CHAR", "CLOB", "TEXT"), pa.string()),
    (("REAL", "FLOA", "DOUB", "NUM", "DEC"), pa.float64()),
)
"""Parts of a declared type → the Arrow type of the values that it is for, in SQLite's order."""


def sqlite_declared(connection: sqlite3.Connection, sql: str) -> dict[str, pa.DataType]:
    """The types that the columns of a query were declared with; others, such as those of expressions, are left out.

    Args:
        connection: not in the middle of another query.
        sql: the model, with parameters of ours.

    Example:
        >>> lite = sqlite3.connect(":memory:")
        >>> _ = lite.execute("create table people (user_id varchar(20), seats integer, other)")
        >>> sqlite_declared(lite, "select seats, other, 1 + 1 as two from people")
        {'seats': DataType(int64)}
    """
    found: dict[str, pa.DataType] = {}
    # SQLite gives the types of a view's columns, but not of a query's.
    with suppress(sqlite3.Error), _view(connection, placed(sql, "sqlite", lambda _: "null")):
        for _, name, declared, *_ in connection.execute("pragma temp.table_info(candu_sync_model)").fetchall():
            types = [type_ for parts, type_ in _AFFINITIES if any(part in declared.upper() for part in parts)]
            if types:
                found[name] = types[0]
    return found


@contextmanager
def _view(connection: sqlite3.Connection, sql: str) -> Iterator[None]:
    """A view that only this connection has; the database itself stays open for reading only."""
    [(only,)] = connection.execute("pragma query_only").fetchall()
    connection.execute("pragma query_only = off")
    try:
        connection.execute(f"create view {_VIEW} as\n{sql}")
        yield
        connection.execute(f"drop view {_VIEW}")
    finally:
        connection.execute(f"pragma query_only = {only}")
