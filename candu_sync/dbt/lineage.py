"""Which columns of dbt's models a sync's traits are made of, by sqlglot.

What cannot be told for certain is left out: a column of which nobody knows the table, a ``*`` over a table whose
columns dbt's YAML files do not describe.
"""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from candu_sync.dbt.manifest import ManifestError, Node, read_manifest
from candu_sync.dbt.references import resolve_sync
from candu_sync.errors import SpecError
from candu_sync.syncs import Sync

if TYPE_CHECKING:
    from pathlib import Path

    from sqlglot import MappingSchema, exp
    from sqlglot.lineage import Node as Step

__all__ = ["Column", "trait_lineage"]

Column = tuple[tuple[str, ...], str]
"""The key of a dbt model's Dagster asset, and a column's name."""

_log = logging.getLogger(__name__)

# sqlglot's names of the adapters that it calls otherwise.
_DIALECTS = {"sqlserver": "tsql", "synapse": "tsql"}


def trait_lineage(sync: Sync, traits: Iterable[str], manifest: Path | None) -> dict[str, tuple[Column, ...]]:
    """Trait → the columns that it is made of; traits of which none is known are left out.

    SQL that sqlglot cannot read has no lineage, and is no error.

    Args:
        traits: the names of the traits that the model's result really has.
        manifest: ``CANDU_DBT_MANIFEST``.
    """
    try:
        resolved = resolve_sync(sync, manifest)
        if not resolved.nodes:
            return {}
        columns = {trait: column for column, trait in sync.rename.items()}
        return _made_of(resolved.sql, {trait: columns.get(trait, trait) for trait in traits},
                        read_manifest(manifest).adapter, resolved.nodes)
    except (SpecError, ManifestError):
        return {}


def _made_of(sql: str, traits: dict[str, str], adapter: str, nodes: tuple[Node, ...]) -> dict[str, tuple[Column, ...]]:
    """With the described columns first, which tell the table of a column in a join; then without them, since they may
    be fewer than a ``*`` brings."""
    dialect = _DIALECTS.get(adapter, adapter)
    # sqlglot would take a column for that of the only table it knows: it is told of all of them, or of none.
    described = nodes if all(node.columns for node in nodes) else ()
    found: dict[str, tuple[Column, ...]] = {}
    for known in dict.fromkeys((described, ())):
        try:
            steps = _steps(sql, dialect, known)
            relations = {_relation(str(node.relation), dialect): node for node in nodes}
            made_of = {trait: tuple(sorted(set(_leaves(steps, column, dialect, relations))))
                       for trait, column in traits.items()}
        except Exception as error:
            # What sqlglot does not know of a dialect ends in errors of many types, and must not end a run.
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
    if _counts_columns_of_a_star(query) or (not nodes and _reads_its_own_names(query)):
        return {}
    _put_tables_for_their_ctes(query)
    steps = lineage(None, query, _schema(dialect, nodes), dialect=dialect)
    stars = [column for column in query.selects if column.is_star] if isinstance(query, exp.Select) else []
    if "*" in steps and (len(stars) != 1 or len(steps["*"].downstream) != 1 or _changes_columns(stars[0])):
        del steps["*"]
    folded = {name.casefold(): step for name, step in steps.items()}
    return folded if len(folded) == len(steps) else {}


def _counts_columns_of_a_star(query: exp.Expr) -> bool:
    """Whether columns of a ``*`` are known by their position, as in a union: nobody knows how many it brings."""
    from sqlglot import exp

    named = [table.this for table in query.find_all(exp.CTE, exp.Subquery) if table.alias_column_names]
    return any(isinstance(part, exp.Query) and part.is_star for part in (*named, *query.find_all(exp.SetOperation)))


def _reads_its_own_names(query: exp.Expr) -> bool:
    """Whether ``select tier as k, k as plan``: k is the name given here, or a column of the table, if it has one."""
    from sqlglot import exp

    for select in query.find_all(exp.Select):
        given = {part.alias.casefold() for part in select.selects if isinstance(part, exp.Alias)}
        for part in select.selects:
            read = {column.name.casefold() for column in part.find_all(exp.Column) if not column.table}
            if read & (given - {part.alias_or_name.casefold()}):
                return True
    return False


def _put_tables_for_their_ctes(query: exp.Expr) -> None:
    """``with users as (select * from t)``, as dbt's style begins a model, makes users another name of t."""
    from sqlglot import exp

    names = Counter(cte.alias.casefold() for cte in query.find_all(exp.CTE))
    for cte in list(query.find_all(exp.CTE)):
        table = _all_of(cte)
        if table is None or names[cte.alias.casefold()] > 1:
            continue
        for use in list(query.find_all(exp.Table)):
            if use.name.casefold() == cte.alias.casefold() and not use.db:
                put = exp.alias_(table.copy(), use.alias or cte.alias, table=True)
                put.set("joins", use.args.get("joins"))
                use.replace(put)


def _all_of(cte: exp.CTE) -> exp.Table | None:
    """The table of which a CTE is all columns, under their own names; None: it is something else."""
    from sqlglot import exp

    select = cte.this
    if not isinstance(select, exp.Select) or len(select.selects) != 1 or cte.alias_column_names:
        return None
    table = select.args["from_"].this if select.args.get("from_") else None
    if not isinstance(select.selects[0], exp.Star) or _changes_columns(select.selects[0]):
        return None
    more = any(part.args.get(name) for part in (select, table) if part for name in ("joins", "laterals", "pivots"))
    return table if isinstance(table, exp.Table) and not more else None


def _changes_columns(star: exp.Expr) -> bool:
    """Whether something like ``exclude`` or ``replace`` follows the star."""
    from sqlglot import exp

    found = star.find(exp.Star)
    return found is None or any(found.args.values())


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
            ) -> Iterator[Column]:
    """The columns of dbt's at the end of a result's column."""
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
