"""The columns of dbt's models by a manifest alone: from the contract, else from the model's SQL, else from what the
YAML describes.

Sources and seeds are described at will, so their columns are never complete; a ``*`` over one makes a model's columns
incomplete, too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from candu_sync.dbt.column_origins import digest
from candu_sync.dbt.columns import Column, Columns, columns_of, unknown
from candu_sync.dbt.manifest import Manifest
from candu_sync.dbt.model_sql import NodeNames, dialect_of, incremental_filters, query_of
from candu_sync.dbt.nodes import Node
from candu_sync.dbt.query_columns import QueryReader

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["ModelColumns"]

_log = logging.getLogger(__name__)

# Materializations that keep rows of earlier runs; "": the manifest does not say it.
_MERGED = ("incremental", "snapshot", "")

# Warehouses that give a name without quotes back in one case; others keep its letters.
_FOLDING = ("postgres", "redshift", "snowflake", "trino", "athena", "oracle")


class ModelColumns:
    """The columns of each node of a manifest. What was found is kept.

    Example:
        >>> columns = ModelColumns(read_manifest(Path("target/manifest.json")))    # doctest: +SKIP
        >>> columns.of(columns.manifest.model("dim_users")).known["plan"].name     # doctest: +SKIP
        'plan'
    """

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.dialect = dialect_of(manifest)
        self.folds = manifest.adapter in _FOLDING
        self._names = NodeNames(manifest)
        self._found: dict[str, Columns] = {}

    def of(self, node: Node) -> Columns:
        """A node's columns."""
        if node.id not in self._found:
            self._found[node.id] = unknown(f"{node.label} reads itself")
            self._found[node.id] = self._columns(node)
        return self._found[node.id]

    def reader(self, table: Callable[[exp.Table], Columns] | None = None) -> QueryReader:
        """To read a query whose tables are this manifest's nodes, or what ``table`` says."""
        return QueryReader(self.dialect, table or self.of_table, folds=self.folds)

    def node(self, table: exp.Table) -> Node | None:
        """The node that a table in SQL is; None: none is, or several could be."""
        return self._names.find(table)

    def of_table(self, table: exp.Table) -> Columns:
        """The columns of a table in SQL."""
        node = self.node(table)
        if node is not None:
            return self.of(node)
        name = ".".join(part.name for part in table.parts)
        begin = digest("table", name.casefold())
        return Columns({}, f"{name} is no table that the manifest has", begin, begin)

    def _columns(self, node: Node) -> Columns:
        queried = self._of_query(node)
        if node.contract:
            # dbt refuses to build the model if its columns or types are others.
            return columns_of(self._described(node, queried), None, queried.frame if queried else None)
        if queried is None:
            return self._described_only(node)
        added = [Column(name, None, queried.frame) for name in node.added]
        typed = [replace(column, type=column.type or node.types.get(column.name)) for column in queried.known.values()]
        more = self._described(node, queried) if queried.why else []
        return columns_of([*typed, *added, *more], queried.why, queried.frame, queried.open)

    def _of_query(self, node: Node) -> Columns | None:
        if node.sort not in ("model", "snapshot") or node.language != "sql":
            return None
        query = query_of(node, self.manifest)
        if query is None:
            return None
        try:
            found = self.reader().read(query)
        except Exception as error:
            # sqlglot's own errors are of many types.
            _log.debug("the SQL of %s is not read: %s", node.id, type(error).__name__)
            return None
        # How a model is merged decides on its rows, too. Nothing is added for other models: one more is no other frame.
        merged = [incremental_filters(node), *node.unique_key] if node.materialized in _MERGED else []
        return replace(found, frame=digest(found.frame, *merged)) if any(merged) else found

    def _described_only(self, node: Node) -> Columns:
        if node.sort in ("model", "snapshot"):
            return columns_of(self._described(node, None), _by_yaml_only(node), None)
        begin = digest(node.id, node.checksum)
        return columns_of(self._described(node, None), f"dbt's YAML may describe only some columns of the {node.sort} "
                          f"{node.label}", begin, begin)

    def _described(self, node: Node, queried: Columns | None) -> Iterator[Column]:
        begin = digest(node.id, node.checksum) if node.sort in ("source", "seed") else None
        for name in node.columns:
            made = queried.get(name) if queried else None
            origin = made.origin if made else digest(begin, name.casefold())
            spelled = name.lower() if self.folds and name not in node.quoted else name
            yield Column(spelled, node.types.get(name) or (made.type if made else None), origin)


def _by_yaml_only(node: Node) -> str:
    why = "which is not written in SQL"
    if node.language == "sql":
        why = "whose SQL has templates that are not run (`dbt compile` puts what they become into the manifest)"
    return f"only dbt's YAML says which columns there are in {node.label}, {why}"
