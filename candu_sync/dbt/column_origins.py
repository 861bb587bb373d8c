"""Digits that change with how a column of a query is made, and with what rows there are.

Two queries whose digits are equal give equal values from equal tables, whatever their layout, their comments and the
names of their CTEs. Where a part is not understood there are no digits (None), and nothing is claimed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["digest", "expression_digest", "frame_of"]

Resolve = Callable[["exp.Column"], str | None]
"""The digits of the column that a name means; None: they are not known."""

# Parts of a select that do not choose its rows. The order does where there is a limit as well.
_NOT_CHOOSING = {"expressions", "from_", "joins", "with_", "hint", "kind", "order", "operation_modifiers"}
_LIMITS = ("limit", "offset", "distinct", "top")


def digest(*parts: str | None) -> str | None:
    """Digits of several texts; None where one of them is not known."""
    if any(part is None for part in parts):
        return None
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]


def expression_digest(made: exp.Expr, resolve: Resolve, dialect: str) -> str | None:
    """Digits of an expression; None where it has a query within it, or a column that is not known."""
    from sqlglot import exp

    if isinstance(made, exp.Column) and not made.is_star:
        return resolve(made)
    if made.find(exp.Query):
        return None
    copy = made.copy()
    for column in list(copy.find_all(exp.Column)):
        origin = resolve(column)
        if origin is None:
            return None
        column.replace(exp.to_identifier(f"c{origin}"))
    return digest(copy.sql(dialect=dialect, comments=False, normalize_functions="upper"))


def frame_of(query: exp.Select, sources: Sequence[str | None], resolve: Resolve, dialect: str,
             projected: Sequence[str | None]) -> str | None:
    """Digits of what a select reads, and of how it chooses rows.

    Args:
        sources: the frames of the tables and queries that it reads from, in their order.
        projected: the origins of its columns.
    """
    from sqlglot import exp

    parts: list[str | None] = [*_joins(query, resolve, dialect), *_multiplying(query, resolve, dialect)]
    limited = any(query.args.get(key) for key in _LIMITS)
    for key, part in query.args.items():
        if not part or (key in _NOT_CHOOSING and not (key == "order" and limited)):
            continue
        for one in part if isinstance(part, list) else [part]:
            parts += [key, expression_digest(one, resolve, dialect) if isinstance(one, exp.Expr) else str(one)]
    if query.args.get("distinct") or _by_position(query):
        parts += projected
    # A select that takes all rows of one table or query changes nothing: a CTE more or less is no other frame.
    return sources[0] if len(sources) == 1 and not parts else digest("select", *sources, *parts)


def _multiplying(query: exp.Select, resolve: Resolve, dialect: str) -> Iterator[str | None]:
    """The columns that decide how many rows there are: an aggregate, or a function that may give several rows."""
    from sqlglot import exp

    for part in query.expressions:
        aggregates = (found.find_ancestor(exp.Window, exp.Select) for found in part.find_all(exp.AggFunc))
        if not query.args.get("group") and any(above is query for above in aggregates):
            yield "aggregate"
        if part.find(exp.UDTF, exp.Explode, exp.GenerateSeries, exp.Anonymous):
            yield expression_digest(part, resolve, dialect)


def _joins(query: exp.Select, resolve: Resolve, dialect: str) -> Iterator[str | None]:
    from sqlglot import exp

    clause = query.args.get("from_")
    aliases = [clause.this.alias_or_name] if clause else []
    for join in query.args.get("joins") or ():
        method = str(join.args.get("method") or "")
        yield None if method.upper() == "NATURAL" else method
        yield " ".join(str(join.args.get(key) or "") for key in ("side", "kind"))
        for name in join.args.get("using") or ():
            yield resolve(exp.column(name.name, table=join.this.alias_or_name))
            # Of what is before, whichever has it.
            yield "/".join(resolve(exp.column(name.name, table=alias)) or "" for alias in aliases)
        condition = join.args.get("on")
        yield expression_digest(condition, resolve, dialect) if condition is not None else ""
        aliases.append(join.this.alias_or_name)


def _by_position(query: exp.Select) -> bool:
    """``group by 1``: what the rows are depends on the columns."""
    from sqlglot import exp

    group = query.args.get("group")
    return group is not None and (bool(group.args.get("all")) or group.find(exp.Literal) is not None)
