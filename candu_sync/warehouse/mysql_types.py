"""MySQL's and MariaDB's columns: what their drivers' Python values leave out, told by the type codes of the protocol.

The codes are those of MySQL's client/server protocol (``enum_field_types``), as PyMySQL and mysqlclient give them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

_TINY, _TIMESTAMP, _DATE, _TIME, _DATETIME, _BIT, _JSON = 1, 7, 10, 11, 12, 16, 245

_DAY = timedelta(days=1)

Convert = Callable[[Any], object]
Rows = Sequence[Sequence[Any]]


def mysql_values(description: Sequence[Sequence[Any]]) -> Callable[[Rows], Rows] | None:
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


def _conversion(code: int, length: int | None) -> Convert | None:
    if code in (_TINY, _BIT) and length == 1:
        return _boolean
    return _CONVERSIONS.get(code)


def _boolean(value: int | bytes) -> object:
    """``boolean`` is a name of ``tinyint(1)``, which alone keeps its width for the sake of that; other numbers in such
    a column stay numbers, so that their rows are set aside rather than told as true."""
    number = int.from_bytes(value, "big") if isinstance(value, bytes) else value
    return bool(number) if number in (0, 1) else number


def _instant(value: object) -> object:
    """A ``timestamp`` is an instant, shown in the zone of the session, which is UTC."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else _on_calendar(value)


def _on_calendar(value: object) -> object:
    """Drivers leave ``0000-00-00`` as text: no date, and an infinite float as others that are none."""
    return float("inf") if isinstance(value, str) else value


def _time_of_day(value: timedelta) -> object:
    """A ``time`` is a length of time, to 838 hours; those of a day are its hours."""
    if not timedelta(0) <= value < _DAY:
        return value
    return (datetime.min + value).time()


_CONVERSIONS: dict[int, Convert] = {
    _TIMESTAMP: _instant, _DATETIME: _on_calendar, _DATE: _on_calendar, _TIME: _time_of_day, _JSON: json.loads,
}
