"""SQL types by what they are in Candu: a change within one sort sends nothing again."""

from __future__ import annotations

__all__ = ["sort_of"]


def sort_of(type_: str | None, dialect: str) -> str | None:
    """text, whole, number, boolean, date or timestamp, with the length or precision that cuts values; None: the type is
    not known, or of no such sort.

    Example:
        >>> sort_of("text", "duckdb"), sort_of("char(20)", "postgres"), sort_of("bigint", "duckdb")
        ('text', 'text(20)', 'whole')
        >>> sort_of("numeric(10, 2)", "postgres"), sort_of(None, "duckdb")
        ('number(10,2)', None)
    """
    from sqlglot import exp

    if not type_:
        return None
    try:
        found = exp.DataType.build(type_, dialect=dialect)
    except Exception:
        # sqlglot's own errors are of many types.
        return None
    known = exp.DataType.Type
    sort = ("text" if found.this in exp.DataType.TEXT_TYPES else "whole" if found.this in exp.DataType.INTEGER_TYPES
            else "number" if found.this in exp.DataType.NUMERIC_TYPES else "boolean" if found.this == known.BOOLEAN
            else "date" if found.this in (known.DATE, known.DATE32)
            else "timestamp" if found.this in exp.DataType.TEMPORAL_TYPES else None)
    limits = ",".join(part.sql() for part in found.expressions) if sort in ("text", "number", "timestamp") else ""
    return f"{sort}({limits})" if limits else sort
