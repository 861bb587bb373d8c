"""MySQL's and MariaDB's columns: what the type codes of the protocol show, and the drivers' Python values do not.

The codes are those of MySQL's client/server protocol (``enum_field_types``), as PyMySQL and mysqlclient give them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from candu_sync.warehouse.arrays import Odd

_TINY, _TIMESTAMP, _DATE, _TIME, _DATETIME, _BIT, _JSON = 1, 7, 10, 11, 12, 16, 245

_DAY = timedelta(days=1)

Convert = Callable[[Any], object]
Rows = Sequence[Sequence[Any]]
Description = Sequence[Sequence[Any]]


def mysql_values(description: Description) -> Callable[[Rows], Rows] | None:
    """A conversion of rows with the columns of a cursor's ``description``; None when no column needs one."""
    converts = [_conversion(column[1], column[3]) for column in description]
    if not any(converts):
        return None

    def converted(rows: Rows) -> Rows:
        columns = [
            column if convert is None else [None if value is None else convert(value) for value in column]
            for convert, column in zip(converts, zip(*rows, strict=True), strict=True)
        ]
        return list(zip(*columns, strict=True))

    return converted


def mysql_json(description: Description) -> list[int]:
    """The columns that hold JSON; MariaDB has no such type, and MySQL's drivers give its text."""
    return [index for index, column in enumerate(description) if column[1] == _JSON]


def mysql_declared(description: Description) -> dict[str, pa.DataType]:
    """The columns that were declared as booleans, though they hold any small number."""
    return {column[0]: pa.bool_() for column in description if _is_boolean(column[1], column[3])}


def _conversion(code: int, length: int | None) -> Convert | None:
    if _is_boolean(code, length):
        return _boolean
    return _bits(length or 1) if code == _BIT else _CONVERSIONS.get(code)


def _is_boolean(code: int, length: int | None) -> bool:
    """``boolean`` is a name of ``tinyint(1)``, the only integer that keeps its width."""
    return code in (_TINY, _BIT) and length == 1


def _boolean(value: int | bytes) -> object:
    """Numbers other than 0 and 1 stay numbers, so that their rows are set aside: they are not booleans."""
    number = int.from_bytes(value, "big") if isinstance(value, bytes) else value
    return bool(number) if number in (0, 1) else number


def _bits(length: int) -> Convert:
    """A ``bit(n)`` as its digits 0 and 1, as PostgreSQL and DuckDB write theirs."""
    return lambda value: f"{int.from_bytes(value, 'big'):0{length}b}"


def _instant(value: object) -> object:
    """A ``timestamp`` is an instant, shown in the zone of the session, which is UTC."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else _on_calendar(value)


def _on_calendar(value: object) -> object:
    """Drivers leave a date that no calendar has as text, such as ``0000-00-00``."""
    return Odd.OUT_OF_RANGE if isinstance(value, str) else value


def _time_of_day(value: timedelta) -> object:
    """A ``time`` is a length of time, to 838 hours; those of a day are its hours."""
    if not timedelta(0) <= value < _DAY:
        return value
    return (datetime.min + value).time()


_CONVERSIONS: dict[int, Convert] = {
    _TIMESTAMP: _instant, _DATETIME: _on_calendar, _DATE: _on_calendar, _TIME: _time_of_day,
}
