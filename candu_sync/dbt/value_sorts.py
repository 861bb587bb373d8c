"""SQL types by what they are in Candu: a change within one sort sends nothing again."""

from __future__ import annotations

__all__ = ["sort_of"]


def sort_of(type_: str | None, dialect: str) -> str | None:
    """text, number, boolean, date or timestamp; None: the type is not known, or of no such sort.

    Example:
        >>> sort_of("varchar(20)", "duckdb"), sort_of("numeric(10, 2)", "postgres"), sort_of(None, "duckdb")
        ('text', 'number', None)
    """
    from sqlglot import exp

    if not type_:
        return None
    try:
        found = exp.DataType.build(type_, dialect=dialect).this
    except Exception:
        # sqlglot's own errors are of many types.
        return None
    if found in exp.DataType.TEXT_TYPES:
        return "text"
    if found in exp.DataType.NUMERIC_TYPES:
        return "number"
    if found == exp.DataType.Type.BOOLEAN:
        return "boolean"
    if found in (exp.DataType.Type.DATE, exp.DataType.Type.DATE32):
        return "date"
    return "timestamp" if found in exp.DataType.TEMPORAL_TYPES else None
