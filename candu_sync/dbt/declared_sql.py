"""The SQL of a sync that a dbt model declares: all columns of its relation, or those that are listed."""

from __future__ import annotations

import re
from typing import Any

from candu_sync.dbt.manifest import Manifest
from candu_sync.dbt.nodes import Node
from candu_sync.dbt.references import reference
from candu_sync.syncs import Kind, Spec

__all__ = ["CannotSelect", "sql_of"]

# A name that no warehouse wants in quotes, reserved words aside.
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# How dbt's adapters quote a name, where it is not "name".
_QUOTES = {**dict.fromkeys(("bigquery", "databricks", "spark", "mysql", "mariadb", "clickhouse"), ("`", "`")),
           **dict.fromkeys(("sqlserver", "synapse", "fabric"), ("[", "]"))}


class CannotSelect(Exception):
    """What the YAML asks for needs a SQL file. The message begins with the key."""


def sql_of(node: Node, manifest: Manifest, kind: Kind, spec: Spec, columns: Any) -> str:
    """``select user_id, plan from {{ ref('dim_users') }}``; for events, with the bounds of its windows or its cursor.

    Args:
        columns: what the meta gives as ``columns``; None: all columns.

    Raises:
        CannotSelect: ``columns`` is no list of names, the model is ephemeral, or its partitions need SQL of their own.
    """
    if node.relation is None:
        raise CannotSelect("kind: the model is ephemeral: dbt builds nothing of it in the warehouse; materialize it as "
                           "a view")
    chosen = ", ".join(_quoted(node, manifest, name) for name in _names(columns)) or "*"
    where = _bounds(kind, spec, node, manifest)
    return f"select {chosen}\nfrom {reference(node, manifest)}" + (f"\nwhere {where}" if where else "")


def _names(columns: Any) -> list[str]:
    if columns is None:
        return []
    if not isinstance(columns, list) or not columns or not all(isinstance(name, str) and name for name in columns):
        raise CannotSelect("columns: must be a list of columns of the model, like [user_id, plan]; without it all are "
                           "read")
    return columns


def _quoted(node: Node, manifest: Manifest, name: str) -> str:
    """In quotes where dbt has it in quotes, or where it is no plain word."""
    if _PLAIN.fullmatch(name) and name not in node.quoted:
        return name
    begin, end = _QUOTES.get(manifest.adapter, ('"', '"'))
    return f"{begin}{name.replace(end, end * 2)}{end}"


def _bounds(kind: Kind, spec: Spec, node: Node, manifest: Manifest) -> str:
    """What limits a run to its window, or to what is newer than the cursor."""
    if spec.cursor is not None:
        return f"{_quoted(node, manifest, spec.cursor.column)} >= :since"
    if spec.partitions is None:
        return ""
    if spec.partitions.segments is not None or kind != "events":
        raise CannotSelect("partitions: these need a SQL file that says which rows belong to a partition; windows of "
                           "events do not")
    column = _quoted(node, manifest, "timestamp")
    return f"{column} >= :window_start and {column} < :window_end"
