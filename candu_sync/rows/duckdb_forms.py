"""The canonical form of a column, as SQL of DuckDB: what ``values.py`` and ``keys.py`` make of its Arrow values.

| DuckDB's type                              | hashed as           | read by value                                     |
|--------------------------------------------|---------------------|---------------------------------------------------|
| VARCHAR, ENUM, UUID, BIT, times            | VARCHAR             | a text over 32,000 bytes                          |
| integers                                   | DOUBLE              | beyond 2^53                                       |
| DECIMAL                                    | the nearest DOUBLE  | beyond 2^53, where the type has such numbers      |
| DOUBLE                                     | DOUBLE              | NaN and infinity                                  |
| BOOLEAN                                    | BOOLEAN             |                                                   |
| DATE, TIMESTAMP, TIMESTAMP_NS, with a zone | BIGINT, the seconds | outside the years 1 to 9999                       |

A column of another type has no such SQL, nor has a timestamp without a zone where the sync's ``timezone`` is not UTC.
FLOAT has none since DuckDB's text of one is not always the shortest, which Arrow gives: -386626.625 and -386626.62.
DuckDB hashes seconds as the TIMESTAMP_S that they are. No text is compared here: a collation would have its say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from candu_sync.rows.columns import LARGEST_MESSAGE
from candu_sync.rows.kinds import LARGEST_INTEGER, ValueKind


@dataclass(frozen=True)
class SqlForm:
    """A column in canonical form.

    Attributes:
        kind: of its values; ``EMPTY``: it has none.
        value: SQL of its values.
        aside: SQL of a condition: such a row has to be looked at by value. It holds for each row that ``values.py``
            and ``keys.py`` give a reason, and perhaps for others. None: there are no such rows.
    """

    kind: ValueKind
    value: str
    aside: str | None = None


_INTEGERS = {f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER")}
_LONG_INTEGERS = {"BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT"}
_TEXTS = {"VARCHAR", "UUID", "BIT", "TIME", "TIME_NS"}

# DuckDB writes +02 of an offset without minutes.
_TIME_WITH_ZONE = r"regexp_replace({0}::VARCHAR, '([+-]\d\d)$', '\1:00')"

_FIRST, _LAST = -62_135_596_800, 253_402_300_799

# Type → SQL of an integer, how many of it are a second, and the least and the greatest of it.
_TIMES = {
    "TIMESTAMP": ("epoch_us({0})", 10**6, _FIRST, _LAST),
    "TIMESTAMP WITH TIME ZONE": ("epoch_us({0})", 10**6, _FIRST, _LAST),
    # Beyond these years it is left to Arrow, which has the exact limits.
    "TIMESTAMP_NS": ("epoch_ns({0})", 10**9, -9_000_000_000, 9_000_000_000),
}
_LOCAL = {"TIMESTAMP", "TIMESTAMP_NS"}

# All that Unicode takes as white space, and more.
_BLANK = r"[\s\p{Z}\p{C}]*"


def sql_form(column: str, type_: str, timezone: str = "UTC") -> SqlForm | None:
    """A column of trait values.

    Args:
        column: SQL of it.
        type_: DuckDB's name of its type.
        timezone: IANA name of the zone that timestamps without one are in.

    Returns:
        None: it has to be read.

    Example:
        >>> sql_form("#2", "BIGINT").aside
        '#2 NOT BETWEEN -9007199254740992 AND 9007199254740992'
    """
    if type_ == '"NULL"':
        return SqlForm(ValueKind.EMPTY, "NULL")
    if type_ == "BOOLEAN":
        return SqlForm(ValueKind.BOOLEAN, column)
    return _text(column, type_) or _number(column, type_) or _instant(column, type_, timezone)


def sql_id(column: str, type_: str) -> SqlForm | None:
    """A column of ids, or of parts of a key, as text. Takes and returns what ``sql_form`` does.

    Example:
        >>> sql_id("#1", "BIGINT").value
        '#1::VARCHAR'
    """
    if type_ in _INTEGERS | {"BIGINT", "UBIGINT"} or type_ == "UUID":
        return SqlForm(ValueKind.TEXT, f"{column}::VARCHAR", f"{column} IS NULL")
    form = _text(column, type_)
    if form is None or form.aside is None:
        return None
    # A text that begins with a letter, a digit or a sign of ASCII is not blank.
    blank = (f"CASE WHEN unicode({form.value}) BETWEEN 33 AND 126 THEN false "
             f"ELSE regexp_full_match({form.value}, '{_BLANK}') END")
    return SqlForm(ValueKind.TEXT, form.value, f"{form.value} IS NULL OR {form.aside} OR {blank}")


def sql_key_part(column: str, type_: str) -> SqlForm | None:
    """A column of a key that has several, and that is not an id. Takes and returns what ``sql_form`` does."""
    if type_ == "BOOLEAN":
        return SqlForm(ValueKind.TEXT, f"{column}::VARCHAR", f"{column} IS NULL")
    return sql_id(column, type_)


def sql_joined_key(parts: list[str]) -> str:
    """SQL of a key of several columns (``keys.joined_key``).

    Example:
        >>> print(sql_joined_key(["a", "b"]))
        replace(replace(a, '\\', '\\\\'), '|', '\\|') || '|' || replace(replace(b, '\\', '\\\\'), '|', '\\|')
    """
    return " || '|' || ".join(rf"replace(replace({part}, '\', '\\'), '|', '\|')" for part in parts)


def _text(column: str, type_: str) -> SqlForm | None:
    if type_ == "TIME WITH TIME ZONE":
        return SqlForm(ValueKind.TEXT, _TIME_WITH_ZONE.format(column))
    if type_ not in _TEXTS and not type_.startswith("ENUM("):
        return None
    value = column if type_ == "VARCHAR" else f"{column}::VARCHAR"
    return SqlForm(ValueKind.TEXT, value, f"strlen({value}) > {LARGEST_MESSAGE}")


def _number(column: str, type_: str) -> SqlForm | None:
    if type_ in _INTEGERS:
        return SqlForm(ValueKind.NUMBER, f"{column}::DOUBLE")
    if type_ in _LONG_INTEGERS:
        least = 0 if type_.startswith("U") else -LARGEST_INTEGER
        return SqlForm(ValueKind.NUMBER, f"{column}::DOUBLE",
                       f"{column} NOT BETWEEN {least} AND {LARGEST_INTEGER}")
    if type_ == "DOUBLE":
        # The hash of -0.0 is that of 0.0.
        return SqlForm(ValueKind.NUMBER, column, f"NOT isfinite({column})")
    found = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", type_)
    return None if found is None else _decimal(column, *map(int, found.groups()))


def _decimal(column: str, width: int, scale: int) -> SqlForm:
    if width <= 15:
        return SqlForm(ValueKind.NUMBER, f"{column}::DOUBLE")
    beyond = f"{column} NOT BETWEEN -{LARGEST_INTEGER} AND {LARGEST_INTEGER}" if width - scale > 15 else None
    return SqlForm(ValueKind.NUMBER, f"{column}::VARCHAR::DOUBLE", beyond)


def _instant(column: str, type_: str, timezone: str) -> SqlForm | None:
    if type_ == "DATE":
        inside = f"{column} BETWEEN DATE '0001-01-01' AND DATE '9999-12-31'"
        return SqlForm(ValueKind.INSTANT,
                       f"CASE WHEN {inside} THEN ({column} - DATE '1970-01-01') * 86400 END", f"NOT ({inside})")
    if type_ not in _TIMES or (type_ in _LOCAL and timezone != "UTC"):
        return None
    form, unit, first, last = _TIMES[type_]
    # Null of infinity, too.
    number = form.format(column)
    inside = f"coalesce({number} BETWEEN {first * unit} AND {last * unit + unit - 1}, false)"
    # DuckDB divides towards zero; seconds are rounded down.
    return SqlForm(ValueKind.INSTANT, f"{number} // {unit} - ({number} % {unit} < 0)::BIGINT",
                   f"{column} IS NOT NULL AND NOT {inside}")
