"""Which columns of dbt's models a sync's traits are made of, by sqlglot.

What is not certain is left out: a column whose table is not known, a ``*`` over a table whose columns dbt's YAML files
do not describe.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from candu_sync.dbt.kept_lineage import DbtColumn, LineageFile, kept_lineage
from candu_sync.dbt.manifest import ManifestError, read_manifest
from candu_sync.dbt.nodes import Node
from candu_sync.dbt.query_shapes import (
    changes_columns,
    counts_columns_of_a_star,
    put_tables_for_their_ctes,
    reads_its_own_names,
    rewrite_laterals,
    rewrite_set_operations,
    void_correlated,
)
from candu_sync.dbt.references import resolve_sync
from candu_sync.errors import SpecError
from candu_sync.syncs import Sync

if TYPE_CHECKING:
    from pathlib import Path

    from sqlglot import MappingSchema, exp
    from sqlglot.lineage import Node as Step

__all__ = ["trait_lineage"]

_log = logging.getLogger(__name__)

# dbt's adapters that have another name in sqlglot.
_DIALECTS = {"sqlserver": "tsql", "synapse": "tsql"}


def trait_lineage(sync: Sync, traits: Iterable[str], manifest: Path | None, kept: LineageFile | None = None
                  ) -> dict[str, tuple[DbtColumn, ...]]:
    """Trait → the columns that it is made of. Traits without a known column are left out.

    SQL that sqlglot cannot read has no lineage; that is no error.

    Args:
        traits: the names of the traits that the model's result has.
        manifest: ``CANDU_DBT_MANIFEST``.
        kept: where the lineage is kept: while the SQL, the traits and the dbt nodes that it reads stay the same, it is
            read from there. None: it is worked out each time, which takes seconds for a hundred traits.

    Example:
        >>> trait_lineage(sync, ["plan"], manifest=None)  # the model reads nothing by ref or source
        {}
    """
    try:
        resolved = resolve_sync(sync, manifest)
        if not resolved.nodes:
            return {}
        columns = {trait: column for column, trait in sync.rename.items()}
        named = {trait: columns.get(trait, trait) for trait in traits}
        adapter = read_manifest(manifest).adapter
    except (SpecError, ManifestError):
        return {}
    return kept_lineage(kept, (resolved.sql, named, adapter, resolved.nodes),
                        lambda: _made_of(resolved.sql, named, adapter, resolved.nodes))


def _made_of(sql: str, traits: dict[str, str], adapter: str, nodes: tuple[Node, ...]
             ) -> dict[str, tuple[DbtColumn, ...]]:
    """First with the described columns: they show which table of a join has a column. Then without them: a ``*`` may
    bring columns that are not described."""
    dialect = _DIALECTS.get(adapter, adapter)
    # sqlglot attributes a column to the only table that it knows: it must know all tables, or none.
    described = nodes if all(node.columns for node in nodes) else ()
    found: dict[str, tuple[DbtColumn, ...]] = {}
    for known in dict.fromkeys((described, ())):
        try:
            steps = _steps(sql, dialect, known)
            relations = {_relation(str(node.relation), dialect): node for node in nodes}
            made_of = {trait: tuple(sorted(set(_leaves(steps, column, dialect, relations))))
                       for trait, column in traits.items()}
        except Exception as error:
            # What sqlglot does not know of a dialect raises errors of many types. They must not end a run.
            _log.debug("no column lineage: %s", type(error).__name__)
            continue
        found = {trait: columns for trait, columns in made_of.items() if columns} | found
    return {trait: found[trait] for trait in traits if trait in found}


def _steps(sql: str, dialect: str, nodes: tuple[Node, ...]) -> dict[str, Step]:
    """The result's columns, their letter case aside → how they are made; ``*`` is what a star brings that may be any
    column of one table."""
    with warnings.catch_warnings():
        # sqlglot imports an extension that is deprecated, where dagster-dbt has installed it.
        warnings.simplefilter("ignore")
        from sqlglot import exp, parse_one
        from sqlglot.lineage import lineage

    query = parse_one(sql, dialect=dialect)
    if counts_columns_of_a_star(query) or (not nodes and reads_its_own_names(query)):
        return {}
    if not rewrite_set_operations(query):
        return {}
    if not nodes:
        void_correlated(query)
    rewrite_laterals(query)
    put_tables_for_their_ctes(query)
    steps = lineage(None, query, _schema(dialect, nodes), dialect=dialect)
    stars = [column for column in query.selects if column.is_star] if isinstance(query, exp.Select) else []
    if "*" in steps and (len(stars) != 1 or len(steps["*"].downstream) != 1 or changes_columns(stars[0])):
        del steps["*"]
    folded = {name.casefold(): step for name, step in steps.items()}
    return folded if len(folded) == len(steps) else {}


def _schema(dialect: str, nodes: tuple[Node, ...]) -> MappingSchema:
    """The tables with their described columns."""
    from sqlglot import MappingSchema, exp

    schema = MappingSchema(dialect=dialect)
    for node in nodes:
        schema.add_table(exp.to_table(str(node.relation), dialect=dialect),
                         {column: "text" for column in node.columns}, dialect=dialect)
    return schema


def _relation(name: str | exp.Table, dialect: str) -> tuple[str, ...]:
    """A table's name in parts, their letter case aside."""
    from sqlglot import exp

    return tuple(part.name.casefold() for part in exp.to_table(name, dialect=dialect).parts)


def _leaves(steps: dict[str, Step], column: str, dialect: str, relations: dict[tuple[str, ...], Node]
            ) -> Iterator[DbtColumn]:
    """The dbt columns that a result's column is made of."""
    from sqlglot import exp

    step = steps.get(column.casefold(), steps.get("*"))
    for leaf in step.walk() if step else ():
        if leaf.downstream or not isinstance(leaf.expression, exp.Table):
            continue
        node = relations.get(_relation(leaf.expression, dialect))
        name = leaf.name.rpartition(".")[2]
        if name == "*" and column.casefold() in steps:
            continue
        name = column if name == "*" else exp.to_column(leaf.name, dialect=dialect).name
        if node is not None:
            described = {known.casefold(): known for known in node.columns}
            yield node.asset_key, described.get(name.casefold(), name.lower())
