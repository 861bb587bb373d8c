"""What a sync reads of dbt, and the columns of its result, by a manifest alone."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from candu_sync.dbt.column_origins import digest
from candu_sync.dbt.columns import Columns, Read, unknown
from candu_sync.dbt.model_columns import ModelColumns
from candu_sync.dbt.model_sql import is_query, parsed, placed_name
from candu_sync.dbt.nodes import Node
from candu_sync.dbt.references import with_nodes
from candu_sync.errors import SpecError
from candu_sync.syncs import Sync

if TYPE_CHECKING:
    from sqlglot import exp

_log = logging.getLogger(__name__)

__all__ = ["SyncColumns", "columns_of_sync"]


@dataclass(frozen=True, kw_only=True)
class SyncColumns:
    """What a sync reads, by one manifest.

    Attributes:
        nodes: the dbt nodes that its SQL reads, and the SQL that finds its partitions.
        strangers: the tables that it reads and the manifest does not have.
        columns: those of its result.
        doubtful: the columns that it reads and that are missing, or not known to be there.
        of_outer: names in a query within an expression that mean a column of the query around it.
        error: why a ref or a source means nothing; None: all do.
        unread: why it is not known what the SQL reads; None: it is.
    """

    nodes: tuple[Node, ...] = ()
    strangers: tuple[str, ...] = ()
    columns: Columns
    doubtful: tuple[Read, ...] = ()
    of_outer: frozenset[str] = frozenset()
    error: str | None = None
    unread: str | None = None


def columns_of_sync(sync: Sync, models: ModelColumns, other: ModelColumns | None = None) -> SyncColumns:
    """What a sync reads of the nodes of a manifest.

    Args:
        other: those of another manifest of the project, which may be of another environment: a table that is written
            with its schema may be known to that one only.
    """
    reading = _Reading(sync, models, other)
    try:
        columns = reading.read(sync.sql, str(sync.path))
        values = sync.partitions.values if sync.partitions else None
        if values:
            keys = reading.read(values, f"{sync.path} (partitions.values)")
            origins = (column.origin for column in keys.known.values())
            columns = replace(columns, frame=digest(columns.frame, keys.frame, *origins))
    except SpecError as error:
        return SyncColumns(columns=unknown("a ref or a source means nothing"), error=error.detail)
    return SyncColumns(nodes=tuple(reading.nodes), strangers=tuple(reading.strangers), columns=columns,
                       doubtful=tuple(reading.doubtful), of_outer=frozenset(reading.of_outer),
                       unread=reading.unread)


class _Reading:
    def __init__(self, sync: Sync, models: ModelColumns, other: ModelColumns | None) -> None:
        self._sync = sync
        self._models = models
        self._other = other
        self.nodes: dict[Node, None] = {}
        self.strangers: dict[str, None] = {}
        self.doubtful: list[Read] = []
        self.of_outer: set[str] = set()
        self.unread: str | None = None

    def read(self, sql: str, path: str) -> Columns:
        """The columns of a query. Raises SpecError for a ref or a source that means nothing."""
        dialect = self._models.dialect
        resolved = with_nodes(sql, self._models.manifest, lambda node: placed_name(node, dialect), path=path,
                              sync=self._sync.name)
        self.nodes |= dict.fromkeys(resolved.nodes)
        query = parsed(resolved.sql, dialect)
        reader = self._models.reader(self._table)
        try:
            if query is not None and is_query(query):
                found = reader.read(query)
                self.doubtful += reader.doubtful
                self.of_outer |= reader.of_outer
                return found
        except Exception as error:
            # sqlglot's own errors are of many types.
            _log.debug("the SQL of %s is not read: %s", self._sync.name, type(error).__name__)
        self.unread = f"sqlglot cannot read the SQL of {self._sync.name}"
        return unknown(self.unread)

    def _table(self, table: exp.Table) -> Columns:
        node = self._models.node(table) or self._of_other(table) or self._of_deps(table)
        if node is None:
            self.strangers[".".join(part.name for part in table.parts)] = None
            return self._models.of_table(table)
        self.nodes[node] = None
        return self._models.of(node)

    def _of_other(self, table: exp.Table) -> Node | None:
        found = self._other.node(table) if self._other else None
        return self._models.manifest.by_id.get(found.id) if found else None

    def _of_deps(self, table: exp.Table) -> Node | None:
        """A model that ``deps`` names, where the table has its name."""
        keys = {self._models.manifest.asset_key(dep) for dep in self._sync.deps}
        found = [node for node in self._models.manifest.nodes
                 if "/".join(node.asset_key) in keys and node.name.casefold() == table.name.casefold()]
        return found[0] if len(found) == 1 else None
