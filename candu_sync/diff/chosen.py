"""Rows that a person named: a run sends only these. The next run finds all others."""

from __future__ import annotations

from collections.abc import Collection

import duckdb

from candu_sync.embedded import literal

# The columns that a name is looked for in. Two syncs of events may know the same user; there only the event's id
# counts.
_COLUMNS = {"users": ("key", "user_id"), "groups": ("key", "group_id"), "events": ("key",)}


def chosen_rows(kind: str, keys: Collection[str]) -> str:
    """SQL of the condition that a row is one of those named: by its key, or by its user's or its group's id.

    Args:
        keys: at least one.

    Example:
        >>> chosen_rows("groups", ["g1"])
        "(key IN ('g1') OR group_id IN ('g1'))"
    """
    listed = ", ".join(map(literal, keys))
    return "(" + " OR ".join(f"{column} IN ({listed})" for column in _COLUMNS[kind]) + ")"


def missing_keys(connection: duckdb.DuckDBPyConnection, kind: str, keys: Collection[str]) -> list[str]:
    """Those of the keys that are in neither ``result`` nor ``changes``, in their order."""
    found = [f"SELECT {column} AS name FROM {table}" for table in ("result", "changes") for column in _COLUMNS[kind]]
    known = {name for (name,) in connection.execute(
        f"SELECT DISTINCT name FROM ({' UNION ALL '.join(found)}) WHERE name IN ({', '.join(map(literal, keys))})",
    ).fetchall()}
    return [key for key in keys if key not in known]
