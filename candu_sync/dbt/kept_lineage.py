"""The lineage of a sync's traits, kept until what it was worked out from changes."""

from __future__ import annotations

import hashlib
import json
import pkgutil
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

from candu_sync.dbt.nodes import Node

__all__ = ["DbtColumn", "LineageFile", "kept_lineage"]

DbtColumn = tuple[tuple[str, ...], str]
"""The key of a dbt model's Dagster asset, and a column's name."""

Lineage = dict[str, tuple[DbtColumn, ...]]
Source = tuple[str, Mapping[str, str], str, tuple[Node, ...]]
"""The SQL, trait → column, dbt's adapter, and the nodes that the SQL reads."""


class LineageFile(Protocol):
    """Where the lineage of one sync is kept. Names of columns are in it, and no values."""

    def read(self) -> dict[str, Any]:
        """What was written last; empty: nothing was."""

    def write(self, body: dict[str, Any]) -> None:
        """Write it, in place of what was there."""


def kept_lineage(kept: LineageFile | None, source: Source, work_out: Callable[[], Lineage]) -> Lineage:
    """The lineage that was kept for this source, otherwise the one that ``work_out`` gives, which is kept."""
    if kept is None:
        return work_out()
    digest = _digest(source)
    body = kept.read()
    if body.get("of") == digest:
        return {trait: tuple((tuple(key), column) for key, column in columns)
                for trait, columns in body["traits"].items()}
    found = work_out()
    kept.write({"of": digest, "traits": found})
    return found


def _digest(source: Source) -> str:
    """Digits of all that the lineage depends on: what it is worked out from, and the code that does it."""
    sql, traits, adapter, nodes = source
    of_nodes = [(node.relation, node.asset_key, node.columns) for node in nodes]
    text = json.dumps([_code(), sql, list(traits.items()), adapter, of_nodes])
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=1)
def _code() -> list[str]:
    """The version of sqlglot, and digits of the modules that use it."""
    try:
        sqlglot = version("sqlglot")
    except PackageNotFoundError:
        sqlglot = ""
    modules = [pkgutil.get_data("candu_sync.dbt", f"{name}.py") or b"" for name in ("lineage", "query_shapes")]
    return [sqlglot, *(hashlib.sha256(module).hexdigest() for module in modules)]
