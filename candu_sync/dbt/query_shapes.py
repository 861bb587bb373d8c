"""Queries in a form that sqlglot's lineage reads correctly: shapes that it misreads are rewritten.

Each function works on a query of sqlglot's, in place. None is run: the rewritten query only has the same columns, made
of the same columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["changes_columns", "counts_columns_of_a_star", "put_tables_for_their_ctes", "reads_its_own_names",
           "rewrite_laterals", "rewrite_set_operations", "void_correlated"]


def counts_columns_of_a_star(query: exp.Expr) -> bool:
    """Whether columns of a ``*`` are known by their position, as in a union: nobody knows how many there are."""
    from sqlglot import exp

    named = [table.this for table in query.find_all(exp.CTE, exp.Subquery, exp.Lateral) if table.alias_column_names]
    parts = (part.unnest() for part in (*named, *query.find_all(exp.SetOperation)))
    return any(isinstance(part, exp.Query) and part.is_star for part in parts)


def reads_its_own_names(query: exp.Expr) -> bool:
    """Whether ``select tier as k, k as plan``: k is the name given here, or a column of the table, if it has one."""
    from sqlglot import exp

    for select in query.find_all(exp.Select):
        given = {part.alias.casefold() for part in select.selects if isinstance(part, exp.Alias)}
        for part in select.selects:
            read = {column.name.casefold() for column in part.find_all(exp.Column) if not column.table}
            if read & (given - {part.alias_or_name.casefold()}):
                return True
    return False


def rewrite_set_operations(query: exp.Expr) -> bool:
    """Put the columns of ``union by name`` into one order, and leave what ``except`` takes away out of the lineage.

    sqlglot pairs the columns of both by position, and takes the second query of ``except`` for a source of values.

    Returns:
        False: the columns cannot be paired.
    """
    from sqlglot import exp

    # The inner operations first: an outer one pairs the columns that they give.
    for operation in reversed(list(query.find_all(exp.SetOperation))):
        if operation.args.get("by_name") and not _pair_by_name(operation):
            return False
        if isinstance(operation, exp.Except):
            width = len(_leaf_names(operation.this) or ())
            for leaf in _leaves(operation.expression):
                leaf.set("expressions", [exp.null() for _ in range(width)])
    return True


def _pair_by_name(operation: exp.SetOperation) -> bool:
    left, right = _leaf_names(operation.this), _leaf_names(operation.expression)
    if left is None or right is None or any(operation.args.get(word) for word in ("on", "side", "kind")):
        return False
    order = [*left, *(name for name in right if name not in left)]
    for side, names in (operation.this, left), (operation.expression, right):
        for leaf in _leaves(side):
            if len(leaf.selects) != len(names):
                return False
            _reorder(leaf, names, order)
    operation.set("by_name", False)
    return True


def _reorder(leaf: exp.Select, names: Sequence[str], order: Sequence[str]) -> None:
    from sqlglot import exp

    there = dict(zip(names, leaf.selects, strict=True))
    leaf.set("expressions", [there[name] if name in there else exp.alias_(exp.null(), name) for name in order])


def _leaves(query: exp.Expr) -> Iterator[exp.Select]:
    """The selects whose columns, one after the other, are the query's."""
    from sqlglot import exp

    query = query.unnest()
    if isinstance(query, exp.SetOperation):
        yield from _leaves(query.this)
        yield from _leaves(query.expression)
    elif isinstance(query, exp.Select):
        yield query


def _leaf_names(query: exp.Expr) -> list[str] | None:
    """The names of a query's columns, their letter case aside; None: there is a star, or a column without a name."""
    first = next(_leaves(query), None)
    columns = [] if first is None else first.selects
    names = [part.alias_or_name.casefold() for part in columns]
    known = all(names) and len(set(names)) == len(names) and not any(part.is_star for part in columns)
    return names if names and known else None


def rewrite_laterals(query: exp.Expr) -> None:
    """``lateral (select …) l`` becomes a subquery: sqlglot attributes the lateral's columns to the table before it.

    A column of an outer table then has no table, and no lineage. One without a table may be an outer table's: it has
    none either.
    """
    from sqlglot import exp

    for lateral in list(query.find_all(exp.Lateral)):
        if not isinstance(lateral.this, exp.Subquery):
            continue
        for leaf in _leaves(lateral.this):
            for part in list(leaf.selects):
                if _reads_without_a_table(part):
                    _void(part)
        lateral.replace(exp.Subquery(this=lateral.this.this.copy(), alias=lateral.args.get("alias")))


def void_correlated(query: exp.Expr) -> None:
    """Remove the lineage of columns that may be an inner or an outer table's.

    In a subquery within an expression, a column without a table is the inner table's if that has it, else the outer
    one's. Where no columns are described, both are possible.
    """
    from sqlglot import exp

    for select in list(query.find_all(exp.Select)):
        for part in list(select.selects):
            if any(_reads_without_a_table(inner) for inner in part.find_all(exp.Select)):
                _void(part)


def _reads_without_a_table(part: exp.Expr) -> bool:
    from sqlglot import exp

    return any(not column.table for column in part.find_all(exp.Column))


def _void(part: exp.Expr) -> None:
    """Put a null of the same name in the place of a query's column."""
    from sqlglot import exp

    part.replace(exp.alias_(exp.null(), part.alias_or_name or "_"))


def put_tables_for_their_ctes(query: exp.Expr) -> None:
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
    """The table whose columns, all and under their own names, are a CTE; None: it is something else."""
    from sqlglot import exp

    select = cte.this
    if not isinstance(select, exp.Select) or len(select.selects) != 1 or cte.alias_column_names:
        return None
    table = select.args["from_"].this if select.args.get("from_") else None
    if not isinstance(select.selects[0], exp.Star) or changes_columns(select.selects[0]):
        return None
    more = any(part.args.get(name) for part in (select, table) if part for name in ("joins", "laterals", "pivots"))
    return table if isinstance(table, exp.Table) and not more else None


def changes_columns(star: exp.Expr) -> bool:
    """Whether something like ``exclude`` or ``replace`` follows the star."""
    from sqlglot import exp

    found = star.find(exp.Star)
    return found is None or any(found.args.values())
