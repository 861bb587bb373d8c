"""Some rows of each sort of a change set, in the form in which they would be sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb

from candu_sync.changes.change_set import ChangeSet
from candu_sync.changes.messages import Encoding
from candu_sync.changes.summary import redacted_key
from candu_sync.embedded import Embedded, arrow_file, literal

SORTS = ("added", "changed", "removed", "unchanged", "refreshed", "invalid")


def example_rows(changes: ChangeSet, invalid: Path | None, engine: Embedded, namespace: UUID | None, *,
                 sorts: Sequence[str] = SORTS, limit: int = 5, values: bool = False) -> list[dict[str, Any]]:
    """The first rows of each sort.

    Args:
        invalid: the file of the invalid rows; None: they are not known.
        engine: to work in.
        namespace: of the messages' ids; None: they carry none.
        sorts: some of ``SORTS``, in the order in which they are wanted.
        limit: rows of each sort.
        values: whole keys, and the messages with their values; personal data, for a person who asked for it.

    Returns:
        Dictionaries of key, op (the sort), and: reason, of invalid rows; message, the JSON object that is sent, with
        ``values``; traits, the names of those that it carries, without. Nothing is sent for a row whose message or
        traits are null.

    Example:
        >>> from candu_sync import plan
        >>> changes = plan(Target(project, sync), keep=False)
        >>> [row] = example_rows(changes, None, project.engine, None, sorts=["added"], limit=1, values=True)
        >>> row["message"]
        {'type': 'identify', 'userId': 'u1', 'traits': {'plan': 'pro'}}
    """
    if changes.folder is None:
        return []
    with engine.use() as connection:
        connection.register("changes", arrow_file(changes.file("changes.arrow")))
        connection.register("outgoing", arrow_file(changes.outgoing))
        if invalid is not None:
            connection.register("invalid", arrow_file(invalid))
        found: list[dict[str, Any]] = []
        for sort in sorts:
            if sort == "invalid":
                found += _invalid(connection, limit) if invalid is not None else []
            else:
                found += _rows(connection, changes.encoding(namespace), sort, limit)
    return found if values else [_without_values(row) for row in found]


def _rows(connection: duckdb.DuckDBPyConnection, encoding: Encoding, sort: str, limit: int,
          ) -> Iterator[dict[str, Any]]:
    rows = connection.execute(f"""
        SELECT key, message
        FROM changes
        WHERE op = {literal(sort)}
        ORDER BY message, key
        LIMIT {limit}""").fetchall()
    numbers = ", ".join(str(message) for _, message in rows if message is not None) or "NULL"
    bodies = dict(connection.execute(f"""
        SELECT message, body
        FROM ({encoding.messages(f"(FROM outgoing WHERE message IN ({numbers}))")}
        )""").fetchall())
    for key, message in rows:
        yield {"key": key, "op": sort, "message": None if message is None else json.loads(bodies[message])}


def _invalid(connection: duckdb.DuckDBPyConnection, limit: int) -> Iterator[dict[str, Any]]:
    for key, reason in connection.execute(f"SELECT key, reason FROM invalid LIMIT {limit}").fetchall():
        yield {"key": key, "op": "invalid", "reason": reason}


def _without_values(row: dict[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in row.items() if name != "message"}
    shown["key"] = None if row["key"] is None else redacted_key(row["key"])
    if "message" in row:
        message = row["message"]
        shown["traits"] = None if message is None else list(message.get("traits", message.get("properties")))
    return shown
