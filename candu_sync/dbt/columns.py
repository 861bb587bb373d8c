"""The columns of a query or of a table, as far as they are known, and what a select makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from candu_sync.dbt.column_origins import digest

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["Column", "Columns", "Read", "columns_of", "paired", "renamed", "starred", "unknown"]


@dataclass(frozen=True)
class Column:
    """A column of a query or of a table.

    Attributes:
        name: as the warehouse gives it.
        type: the SQL type; None: the text does not say it.
        origin: digits that change with how the values are made; None: that is not known.
    """

    name: str
    type: str | None
    origin: str | None


@dataclass(frozen=True)
class Columns:
    """The columns of a query or of a table.

    Attributes:
        known: by name, letter case aside.
        why: why there may be more of them; None: these are all.
        frame: digits that change with what rows there are; None: that is not known.
        open: the digits that the origin of a column begins with which is not known by name; None: it has no origin.
    """

    known: Mapping[str, Column]
    why: str | None
    frame: str | None
    open: str | None = None

    def get(self, name: str) -> Column | None:
        """The column of a name, letter case aside; also one that is not known, where its origin is."""
        found = self.known.get(name.casefold())
        if found is None and self.open is not None:
            return Column(name, None, digest(self.open, name.casefold()))
        return found


@dataclass(frozen=True)
class Read:
    """A column that the SQL reads of a table or of a query within it.

    Attributes:
        column: its name.
        source: the alias that it is read of; "": the SQL does not say which, and all are meant.
        why: why it is not known whether it is there; None: it is certainly missing.
    """

    column: str
    source: str
    why: str | None


def unknown(why: str) -> Columns:
    """A table or a query of which nothing is known."""
    return Columns({}, why, None)


def columns_of(found: Iterable[Column], why: str | None, frame: str | None, open_: str | None = None) -> Columns:
    """Columns by their names; of two of one name the first."""
    by_name: dict[str, Column] = {}
    for column in found:
        by_name.setdefault(column.name.casefold(), column)
    return Columns(by_name, why, frame, open_)


def starred(part: exp.Expr, sources: Mapping[str, Columns]) -> tuple[list[Column], str | None, str | None]:
    """The columns that a ``*`` brings; why there may be more, and where the origins of those begin."""
    from sqlglot import exp

    star = part if isinstance(part, exp.Star) else part.this
    table = part.args.get("table") if isinstance(part, exp.Column) else None
    if table is not None and table.name.casefold() not in sources:
        return [], f"{table.name}.* is of no table that is known", None
    read = [sources[table.name.casefold()]] if table is not None else list(sources.values())
    found = {name: column for source in reversed(read) for name, column in source.known.items()}
    ordered = [found[name] for name in dict.fromkeys(name for source in read for name in source.known)]
    why = next((source.why for source in read if source.why), None)
    begin = read[0].open if len(read) == 1 and not any(star.args.values()) else None
    return _changed(ordered, star), why, begin


def renamed(columns: Columns, names: Sequence[str]) -> Columns:
    """``t(a, b)``: the columns by other names."""
    if not names:
        return columns
    if columns.why is not None or len(columns.known) < len(names):
        return unknown(columns.why or "an alias has more columns than its query")
    old = list(columns.known.values())
    return columns_of([*(replace(column, name=name) for column, name in zip(old, names, strict=False)),
                       *old[len(names):]], None, columns.frame)


def paired(pairs: Sequence[tuple[Column | None, Column | None]]) -> Iterator[Column]:
    """Columns of a union: of one type where both sides have it."""
    for left, right in pairs:
        one = left or right
        assert one is not None
        origin = digest("union", left.origin if left else "", right.origin if right else "")
        same = left is not None and right is not None and left.type == right.type
        yield Column(one.name, one.type if same else None, origin)


def _changed(columns: list[Column], star: exp.Expr) -> list[Column]:
    """``* exclude (a) replace (1 as b) rename (c as d)``."""
    gone = {part.name.casefold() for part in star.args.get("except_") or ()}
    replaced = {part.alias.casefold() for part in star.args.get("replace") or ()}
    renamed = {part.this.name.casefold(): part.alias for part in star.args.get("rename") or ()}
    found = []
    for column in columns:
        name = column.name.casefold()
        if name in replaced:
            found.append(Column(column.name, None, None))
        elif name not in gone:
            found.append(replace(column, name=renamed.get(name, column.name)))
    return found
