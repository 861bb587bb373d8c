"""How ``:since``, ``:window_start`` and ``:window_end`` are bound, so that they mean the instants of the columns that
they are compared with.

A column without a zone holds local times of the sync's ``timezone``. Most dialects compare such a column with an
instant by the session's zone, which is set to that ``timezone``. The others have no instants to bind:

- SQLite compares text. The bounds have a collation of ours, which reads both sides as instants.
- MySQL and MariaDB compare ``datetime`` with local times and ``timestamp`` with times of the session, which is in UTC.
  The bounds take the form of the column of the result that they are compared with.
- Elsewhere a ``timezone`` other than UTC is refused together with a bound.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from candu_sync.errors import ModelError
from candu_sync.local_time import first_local, offset_of, read_time
from candu_sync.sql_text import Value, bindable, placed

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from candu_sync.warehouse.query import Query

BOUNDS = ("since", "window_start", "window_end")

COLLATION = "candu_time"
"""The name of our collation in SQLite."""

_DAY = dt.timedelta(days=1)

_WITH_ZONES = {"duckdb", "postgresql", "redshift", "snowflake", "databricks", "trino", "bigquery"}
"""Dialects that compare an instant with columns of either kind, by the zone of the session; BigQuery refuses one."""

_MYSQL = {"mysql", "mariadb"}
_TIMESTAMP, _DATE, _DATETIME = 7, 10, 12
"""Codes of MySQL's protocol (``enum_field_types``)."""


def refuse_bounds(dialect: str, timezone: str, used: set[str]) -> None:
    """Raises ``ModelError`` where a dialect cannot compare a bound with local times of the zone."""
    if timezone == "UTC" or not used & set(BOUNDS) or dialect in _WITH_ZONES | _MYSQL | {"sqlite"}:
        return
    right = "`seen at time zone 'Eastern Standard Time'`" if dialect == "mssql" else "`seen` converted to UTC"
    raise ModelError(
        f"{dialect} cannot compare :{min(used & set(BOUNDS))} with columns of local time in {timezone}: select and "
        f"compare the column as an instant in the SQL ({right}), and leave `timezone` out of the YAML")


def refuse_numbers(connection: Connection, query: Query) -> None:
    """Raises ``ModelError`` when a query of SQLite compares a bound with numbers: every text is larger than they are,
    so that no window would find them.

    The query is run until its first row with bounds around all text, and then, without a row, around all numbers.
    """
    from sqlalchemy import text

    if not set(query.values) & set(BOUNDS):
        return
    model = bindable(placed_bounds(query.sql, "sqlite"), "sqlite")
    statement = text(f"select 1 from (\n{model}\n) as model limit 1")

    def finds(first: str | float, last: str | float) -> bool:
        values = {name: last if name == "window_end" else first if name in BOUNDS else value
                  for name, value in query.values.items()}
        return connection.execute(statement, values).first() is not None

    if not finds("", chr(0x10FFFF)) and finds(float("-inf"), float("inf")):
        raise ModelError("the SQL compares a bound with numbers, which SQLite never finds: write seconds since 1970 as "
                         "`datetime(seen, 'unixepoch')`, and days of a Julian date as `datetime(seen)`")


def bigquery_advice(problem: str, timezone: str) -> str:
    """What to write where BigQuery refuses to compare a bound with a ``DATETIME``; empty for other problems."""
    if not ("DATETIME" in problem and "TIMESTAMP" in problem):
        return ""
    return f"; a bound is a TIMESTAMP, so write the column of local time as `timestamp(seen, '{timezone}')`"


def placeholder(name: str, dialect: str, mark: str) -> str:
    """The SQL for a parameter whose placeholder is ``mark``."""
    if name in BOUNDS and dialect == "sqlite":
        return f"({mark} collate {COLLATION})"
    # Snowflake's connector binds text. As LTZ it is an instant, and its cast to NTZ is the sync's local time.
    return f"({mark}::timestamp_ltz)" if name in BOUNDS and dialect == "snowflake" else mark


def placed_bounds(sql: str, dialect: str) -> str:
    """The SQL with our parameters as ``:name``, each bound with what it needs around it."""
    if dialect not in ("sqlite", "snowflake"):
        return sql
    return placed(sql, dialect, lambda name: placeholder(name, dialect, f":{name}"))


def row_values(connection: Connection, query: Query) -> dict[str, Value]:
    """The query's values as a driver of rows binds them. Raises ``ModelError`` where MySQL cannot know the form."""
    dialect = connection.dialect.name
    if dialect == "sqlite":
        # SQLite's own functions read an offset too; without one, text is in the zone of the sync.
        offset = "" if query.timezone == "UTC" else "+00:00"
        return _each(query, lambda _, at: at.replace(tzinfo=None).isoformat(sep=" ") + offset)
    if dialect == "snowflake":
        return _each(query, lambda _, at: at.isoformat(sep=" "))
    if dialect not in _MYSQL:
        return query.values
    if query.timezone == "UTC" or not _is_local(connection, query):
        return _each(query, lambda _, at: at.replace(tzinfo=None))
    return _each(query, lambda name, at: _local(name, at, query.timezone))


def comparison(timezone: str) -> Callable[[str, str], int]:
    """SQLite's collation of times in text: as instants where both can be read, else as text."""
    zone = ZoneInfo(timezone)

    @lru_cache(maxsize=1_000)
    def instant(written: str) -> dt.datetime | None:
        value = read_time(written)
        if value is None or value.tzinfo is not None:
            return value
        try:
            return (value - offset_of(value, zone)).replace(tzinfo=dt.UTC)
        except OverflowError:
            return None

    def compare(one: str, other: str) -> int:
        a, b = instant(one), instant(other)
        if a is None or b is None:
            return (one > other) - (one < other)
        return (a > b) - (a < b)

    return compare


def _each(query: Query, form: Callable[[str, dt.datetime], Value]) -> dict[str, Value]:
    return {name: value if isinstance(value, str) else form(name, value.astimezone(dt.UTC))
            for name, value in query.values.items()}


def _local(name: str, instant: dt.datetime, timezone: str) -> dt.datetime:
    if name != "since":
        return first_local(instant, timezone)
    # The smaller offset of the day, so the earlier time: a run may find sent events again, and misses none.
    zone = ZoneInfo(timezone)
    local = [at.astimezone(zone).replace(tzinfo=None) for at in (instant, instant - _DAY)]
    return min(first_local(instant, timezone), local[0], local[1] + _DAY)


def _is_local(connection: Connection, query: Query) -> bool:
    """Whether the bounds are compared with local times. The type of a column of the result shows it."""
    from sqlalchemy import text

    used = sorted(set(query.values) & set(BOUNDS))
    if not used:
        return False
    sql = bindable(f"select * from (\n{query.sql}\n) as model limit 0", connection.dialect.name)
    with connection.execute(text(sql), _each(query, lambda _, at: at.replace(tzinfo=None))) as result:
        description: Any = result.cursor.description if result.cursor is not None else []
        types = {column[0]: column[1] for column in description}
    compared = {types[query.clock]} if query.clock in types else set(types.values()) & {_TIMESTAMP, _DATETIME}
    if compared == {_DATETIME}:
        return True
    if compared <= {_TIMESTAMP, _DATE} and compared:
        return False
    raise ModelError(
        f"{connection.dialect.name} compares :{used[0]} with `datetime` columns as local time in {query.timezone} and "
        f"with `timestamp` columns as UTC, and the result does not show which is meant: select the column that is "
        f"compared{'' if query.clock is None else f' as `{query.clock}`'} and no time column of the other type, or "
        f"leave `timezone` out of the YAML and write the columns of local time as "
        f"`convert_tz(seen, '{query.timezone}', '+00:00')` (the server's time zone tables must be loaded)")
