"""What columns a query gives, by its text: their names, types as far as the text says them, and how each is made; and
which columns of its tables it reads.

What the text cannot say (a ``*`` over a table whose columns are not known, a column without a name) makes the columns
incomplete, with the reason. Nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from candu_sync.dbt.column_origins import digest, expression_digest, frame_of
from candu_sync.dbt.columns import Column, Columns, Read, columns_of, paired, renamed, starred, unknown

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["QueryReader"]

# Arguments of a table in sqlglot that do not change what is read.
_PLAIN_TABLE = {"this", "db", "catalog", "alias", "hints"}

# Parts of a select in which only some warehouses know the names that the select gives.
_BEFORE_SELECT = ("where", "from_", "joins", "laterals")


class QueryReader:
    """Reads a query of one dialect.

    Args:
        table: the columns of a table that no CTE is.
        folds: whether the warehouse turns the letters of names without quotes into one case; they are then lower case
            here.

    Attributes:
        doubtful: the columns that the query reads and that are missing, or not known to be there.
        of_outer: names without a table, in a query within an expression, that mean a column of the query around it.
    """

    def __init__(self, dialect: str, table: Callable[[exp.Table], Columns], *, folds: bool) -> None:
        self._dialect = dialect
        self._table = table
        self._folds = folds
        self.doubtful: list[Read] = []
        self.of_outer: set[str] = set()

    def read(self, query: exp.Expr, ctes: Mapping[str, Columns] | None = None,
             outer: Mapping[str, Columns] | None = None) -> Columns:
        """The columns of a query.

        Args:
            ctes: those of the queries around it, by name in small letters.
            outer: what the queries around it read from, where it stands within an expression.
        """
        from sqlglot import exp

        query = query.unnest()
        known = {**(ctes or {}), **self._ctes(query, ctes or {})}
        if isinstance(query, exp.SetOperation):
            return self._both(query, known, outer or {})
        if isinstance(query, exp.Select):
            return self._select(query, known, outer or {})
        return unknown("a part of the SQL is no select")

    def _ctes(self, query: exp.Expr, around: Mapping[str, Columns]) -> dict[str, Columns]:
        found: dict[str, Columns] = {}
        clause = query.args.get("with_")
        for cte in clause.expressions if clause else ():
            name = cte.alias.casefold()
            if clause and clause.args.get("recursive"):
                found[name] = unknown(f"{cte.alias} is recursive")
            found[name] = renamed(self.read(cte.this, {**around, **found}), cte.alias_column_names)
        return found

    def _both(self, query: exp.SetOperation, ctes: Mapping[str, Columns], outer: Mapping[str, Columns]) -> Columns:
        left, right = self.read(query.this, ctes, outer), self.read(query.expression, ctes, outer)
        kind, frames = f"{type(query).__name__} {query.args.get('distinct')}", (left.frame, right.frame)
        if query.args.get("by_name"):
            pairs = [(left.known.get(name), right.known.get(name)) for name in {**left.known, **right.known}]
        elif left.why or right.why or len(left.known) != len(right.known):
            # Paired by position: which belong together is not known. The names are those of the first.
            return columns_of((Column(column.name, None, None) for column in left.known.values()), left.why, None)
        else:
            pairs = list(zip(left.known.values(), right.known.values(), strict=True))
        found = list(paired(pairs))
        # Which rows are equal depends on all columns.
        rows = digest(kind, *frames, *(column.origin for column in found))
        return columns_of(found, left.why or right.why, rows)

    def _select(self, query: exp.Select, ctes: Mapping[str, Columns], outer: Mapping[str, Columns]) -> Columns:
        sources = self._sources(query, ctes)
        self._read_inner(query, sources, ctes, outer)
        found: list[Column] = []
        why: str | None = None
        opened: list[str | None] = []
        for part in query.expressions:
            columns, reason, begin = self._projected(part, sources)
            found += columns
            why = why or reason
            opened += [begin] if reason else []
        frame = frame_of(query, [source.frame for source in sources.values()], self._resolver(sources), self._dialect,
                         [column.origin for column in found] if not why else [None])
        return columns_of(found, why, frame, opened[0] if len(opened) == 1 else None)

    def _sources(self, query: exp.Select, ctes: Mapping[str, Columns]) -> dict[str, Columns]:
        """What the query reads from, by alias; each column's origin says which of them it is of."""
        clause = query.args.get("from_")
        joins = [join.this for join in query.args.get("joins") or ()]
        read = [*([clause.this] if clause else []), *joins, *(query.args.get("laterals") or [])]
        found: dict[str, Columns] = {}
        for number, source in enumerate(read):
            columns = self._source(source, ctes, found)
            if len(read) > 1:
                placed = {name: replace(column, origin=digest(str(number), column.origin))
                          for name, column in columns.known.items()}
                columns = replace(columns, known=placed, open=digest(str(number), columns.open))
            found[source.alias_or_name.casefold() or f"?{number}"] = columns
        return found

    def _source(self, source: exp.Expr, ctes: Mapping[str, Columns], before: Mapping[str, Columns]) -> Columns:
        from sqlglot import exp

        if source.args.get("pivots") or source.args.get("joins"):
            return unknown("a pivot, or a join in brackets, is not read")
        if isinstance(source, exp.Subquery):
            return renamed(self.read(source.this, ctes), source.alias_column_names)
        if isinstance(source, exp.Lateral) and isinstance(source.this, exp.Subquery):
            return renamed(self.read(source.this, ctes, before), source.alias_column_names)
        if not isinstance(source, exp.Table) or not source.name:
            return unknown("a function in the place of a table is not read")
        found = (None if source.db else ctes.get(source.name.casefold())) or self._table(source)
        if any(value for name, value in source.args.items() if name not in _PLAIN_TABLE):
            found = replace(found, frame=None)
        return renamed(found, source.alias_column_names)

    def _read_inner(self, query: exp.Select, sources: Mapping[str, Columns], ctes: Mapping[str, Columns],
                    outer: Mapping[str, Columns]) -> None:
        """Note the columns that the query itself reads, and read the queries within its expressions."""
        from sqlglot import exp

        given = [part.alias.casefold() for part in query.expressions]
        for key, value in query.args.items():
            for number, part in enumerate(value if isinstance(value, list) else [value]):
                # A name that is given before may be meant: of a column before this one, or by `group by` and the like.
                names = given[:number] if key == "expressions" else given
                for inner in part.walk(prune=lambda one: isinstance(one, exp.Query)) if (
                        isinstance(part, exp.Expr) and key != "with_") else ():
                    if isinstance(inner, exp.Column) and not inner.is_star:
                        self._note(inner, sources, outer, names, sure=key not in _BEFORE_SELECT)
                    elif isinstance(inner, exp.Query) and _within_expression(inner):
                        self.read(inner, ctes, {**outer, **sources})
        self._note_using(query, sources)

    def _note_using(self, query: exp.Select, sources: Mapping[str, Columns]) -> None:
        """``using (k)``: a column of what is joined, and of something before it."""
        from sqlglot import exp

        aliases = list(sources)
        for number, join in enumerate(query.args.get("joins") or ()):
            at = number + (1 if query.args.get("from_") else 0)
            for name in join.args.get("using") or ():
                self._note(exp.column(name.name), {alias: sources[alias] for alias in aliases[:at]}, {}, ())
                self._note(exp.column(name.name), {alias: sources[alias] for alias in aliases[at : at + 1]}, {}, ())

    def _note(self, column: exp.Column, sources: Mapping[str, Columns], outer: Mapping[str, Columns],
              given: Sequence[str], *, sure: bool = True) -> None:
        """Note a column if it is not certain that it is there.

        Args:
            given: names that the select gives, one of which may be meant.
            sure: whether one of those is meant for certain.
        """
        name, table = column.name, column.table.casefold()
        owner = sources.get(table) or outer.get(table)
        if table and owner is None:
            # No alias: a column with parts, like payload.plan.
            name, table = column.parts[0].name, ""
        read = [owner] if owner is not None else [*sources.values(), *outer.values()]
        if any(name.casefold() in source.known for source in read):
            if not table and not any(name.casefold() in source.known for source in sources.values()):
                self.of_outer.add(name.casefold())
            return
        why = next((source.why for source in read if source.why), None)
        if not table and name.casefold() in given:
            if sure:
                return
            why = why or f"{name} is also a name that the select gives"
        self.doubtful.append(Read(name, column.table if owner is not None else "", why))

    def _projected(self, part: exp.Expr, sources: Mapping[str, Columns]
                   ) -> tuple[list[Column], str | None, str | None]:
        """The columns of one expression after ``select``; why there may be more, and where those begin."""
        from sqlglot import exp

        if isinstance(part, exp.Columns) or (part.is_star and not isinstance(part, (exp.Star, exp.Column))):
            return [], "the SQL chooses columns by a pattern", None
        if part.is_star:
            return starred(part, sources)
        name = part.alias_or_name
        if not name:
            return [], "a column of the SQL has no name", None
        made = part.this if isinstance(part, exp.Alias) else part
        named = part.args.get("alias" if isinstance(part, exp.Alias) else "this")
        origin = expression_digest(made, self._resolver(sources), self._dialect)
        spelled = self._spelled(name, named)
        if isinstance(part, exp.Column) and (passed := _resolve(part, sources)) and not self._folds:
            # Without an alias the name is the table's, in its letters.
            spelled = passed.name
        return [Column(spelled, self._type(made, sources), origin)], None, None

    def _resolver(self, sources: Mapping[str, Columns]) -> Callable[[exp.Column], str | None]:
        def origin(column: exp.Column) -> str | None:
            found = _resolve(column, sources)
            return found.origin if found else None

        return origin

    def _type(self, made: exp.Expr, sources: Mapping[str, Columns]) -> str | None:
        from sqlglot import exp

        while isinstance(made, exp.Paren):
            made = made.this
        if isinstance(made, exp.Cast):
            return made.to.sql(dialect=self._dialect).lower()
        found = _resolve(made, sources) if isinstance(made, exp.Column) else None
        return found.type if found else None

    def _spelled(self, name: str, identifier: object) -> str:
        quoted = bool(getattr(identifier, "args", {}).get("quoted"))
        return name.lower() if self._folds and not quoted else name


def _within_expression(part: exp.Expr) -> bool:
    """Whether a query is part of an expression, and not what the outer one reads from."""
    from sqlglot import exp

    return not isinstance(part.parent, (exp.From, exp.Join, exp.Lateral))


def _resolve(column: exp.Column, sources: Mapping[str, Columns]) -> Column | None:
    """The column of a table that a name in the SQL means; None: that is not certain."""
    if column.table:
        source = sources.get(column.table.casefold())
        return source.get(column.name) if source else None
    having = [found for source in sources.values() if (found := source.get(column.name))]
    certain = len(sources) == 1 or all(source.why is None for source in sources.values())
    return having[0] if len(having) == 1 and certain else None
