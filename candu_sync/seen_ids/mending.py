"""SQL that makes a model's ids equal to those that Candu sees, in the warehouse's dialect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from candu_sync.embedded import literal
from candu_sync.seen_ids.ways import COLUMN, SEVERAL, Way, number

_CONCAT = {"mysql", "mariadb", "mssql", "bigquery"}
_NFC = {"duckdb": "nfc_normalize({})", **dict.fromkeys(("postgresql", "bigquery", "trino"), "normalize({}, NFC)")}
_NFD = dict.fromkeys(("postgresql", "bigquery", "trino"), "normalize({}, NFD)")
_NO_ZEROS = {**dict.fromkeys(("mysql", "mariadb"), "trim(leading '0' from {})"), "mssql": None}
_NO_DECIMALS = {
    **dict.fromkeys(("mysql", "mariadb"), "substring_index({}, '.', 1)"),
    "sqlite": "substr({0}, 1, instr({0} || '.', '.') - 1)", "bigquery": "split({}, '.')[safe_offset(0)]",
    "mssql": "left({0}, charindex('.', {0} + '.') - 1)"}
_PADDED = {"sqlite": "substr('{1}' || {0}, -{2})", "mssql": "right('{1}' + {0}, {2})"}
_TEXT = dict.fromkeys(("mysql", "mariadb"), "char") | {"bigquery": "string", "databricks": "string"}


@dataclass(frozen=True)
class Mend:
    """An expression that may make ids equal.

    Attributes:
        test: of the embedded engine, over ``source``: what it would make of the model's id.
        sql: of the warehouse; None: its dialect has no such expression.
    """

    test: str
    sql: str | None


def mends_of(way: Way, column: str, dialect: str, *, prefixes: tuple[str, str] = ("", ""),
             digits: int = 0) -> Iterator[Mend]:
    """The expressions that may mend ids that differ in one way.

    Args:
        column: of the model, as its SQL writes it.
        dialect: SQLAlchemy's name of it.
        prefixes: of the ids that Candu sees, and of the model's.
        digits: how many the ids have that Candu sees, where that is one number.

    Example:
        >>> from candu_sync.seen_ids.ways import CASE, PREFIX
        >>> [mend.sql for mend in mends_of(CASE, "user_id", "duckdb")]
        ['lower(user_id)', 'upper(user_id)']
        >>> [mend.sql for mend in mends_of(PREFIX, "user_id", "mysql", prefixes=("usr_", ""))]
        ["concat('usr_', user_id)"]
    """
    if way.name == "prefix":
        yield _prefixed(column, dialect, *prefixes)
    elif way.name == "number":
        yield from _numbers(column, dialect, digits)
    elif way.name == "unicode":
        yield Mend("nfc_normalize(source)", _filled(_NFC.get(dialect), column))
        # DuckDB has no NFD: where the other side is NFC, this one is not.
        yield Mend("CASE WHEN source = nfc_normalize(id) THEN id END", _filled(_NFD.get(dialect), column))
    else:
        # DuckDB's trim() takes all of Unicode's spaces away; others only take that of ASCII.
        yield from (Mend(form.replace("trim({})", "trim({}, ' ')").replace("{}", "source"), form.replace("{}", column))
                    for form in _forms(way))


def _forms(way: Way) -> tuple[str, ...]:
    letters = ("lower({})", "upper({})")
    if way == COLUMN:
        return ("{}", "lower({})", "trim({})", "lower(trim({}))")
    if way == SEVERAL:
        return ("lower(trim({}))", "upper(trim({}))")
    return ("trim({})",) if way.name == "spaces" else letters


def _prefixed(column: str, dialect: str, seen: str, given: str) -> Mend:
    def rest(of: str) -> str:
        return f"substr({of}, {len(given) + 1})" if given else of

    if dialect == "bigquery":
        column = _as_text(column, dialect)  # its concat() takes no numbers
    shown = rest(column) if dialect != "mssql" or not given else f"substring({column}, {len(given) + 1}, 8000)"
    if not seen:
        return Mend(rest("source"), shown)
    joined = f"concat({literal(seen)}, {shown})" if dialect in _CONCAT else f"{literal(seen)} || {shown}"
    return Mend(f"{literal(seen)} || {rest('source')}", joined)


def _numbers(column: str, dialect: str, digits: int) -> Iterator[Mend]:
    yield Mend("ltrim(source, '0')", _filled(_NO_ZEROS.get(dialect, "ltrim({}, '0')"), column))
    yield Mend(r"regexp_replace(source, '\.0*$', '')",
               _filled(_NO_DECIMALS.get(dialect, "split_part({}, '.', 1)"), column))
    if digits:
        padded = _PADDED.get(dialect, "lpad({0}, {2}, '0')").format(_as_text(column, dialect), "0" * digits, digits)
        yield Mend(f"lpad(source, {digits}, '0')", padded)
    yield Mend(number("source"), _as_text(f"cast({column} as decimal(38, 0))", dialect))


def _as_text(column: str, dialect: str) -> str:
    """The model's id may be a number."""
    return f"cast({column} as {_TEXT.get(dialect, 'varchar')})"


def _filled(form: str | None, column: str) -> str | None:
    return None if form is None else form.format(column)
