"""psycopg's loaders for values that Python's types cannot hold, or hold in another form than ADBC and COPY."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from candu_sync.warehouse.arrays import Digits, Odd

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.abc import AdaptContext, Buffer, Loader

_CALENDAR = ("date", "time", "timetz", "timestamp", "timestamptz")
_TEXTS = ("text", "varchar", "bpchar", "name")
_WHOLE_HOURS = re.compile(r"([+-]\d\d)$")
"""An offset as PostgreSQL writes it when it has no minutes."""

_EDGE = re.compile(r"(10000(?=-01-01)|0001(?=-12-31.*BC))-\d\d-\d\d (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?"
                   r"([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?( BC)?")
"""An instant as PostgreSQL writes it, a day beyond the calendar."""

_UNKNOWN = 0
"""The OID under which psycopg has the loader of all types that it does not know, enums among them."""


def register_loaders(connection: Connection[Any]) -> None:
    """Makes a connection read all values of a row.

    Numbers come as digits and JSON as text, as they do by the other paths. Dates beyond the years 1 to 9999 and bytes
    that are no text come as ``Odd``; with psycopg's own loaders they would end the whole read. The time of day
    ``24:00:00`` comes as text.
    """
    _put(connection, "numeric", lambda _: lambda data: Digits(bytes(data).decode()))
    for name in ("json", "jsonb"):
        _put(connection, name, lambda _: _text)
    for name in _CALENDAR:
        _put(connection, name, lambda exact: _or_else(exact, _beyond))
    # An interval is refused by its type; its length does not matter.
    _put(connection, "interval", lambda exact: _or_else(exact, lambda _: timedelta(0)))
    if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
        # Such a server converts nothing: what was written into it may be of any encoding.
        for text in (*_TEXTS, _UNKNOWN):
            _put(connection, text, lambda _: _text)


def _put(connection: Connection[Any], type_: str | int, made: Callable[[Loader], Callable[[Buffer], object]]) -> None:
    from psycopg import adapt
    from psycopg.pq import Format

    oid = type_ if isinstance(type_, int) else connection.adapters.types[type_].oid
    exact = cast("type[Loader]", connection.adapters.get_loader(oid, Format.TEXT))

    class Ours(adapt.Loader):
        def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
            super().__init__(oid, context)
            self._load = made(exact(oid, context))

        def load(self, data: Buffer) -> object:
            return self._load(data)

    connection.adapters.register_loader(oid, Ours)


def _or_else(exact: Loader, instead: Callable[[str], object]) -> Callable[[Buffer], object]:
    from psycopg import DataError

    def load(data: Buffer) -> object:
        try:
            return exact.load(data)
        except (DataError, OverflowError):
            return instead(bytes(data).decode())

    return load


def _beyond(text: str) -> object:
    return _WHOLE_HOURS.sub(r"\1:00", text) if text.startswith("24:") else _on_the_edge(text)


def _on_the_edge(text: str) -> object:
    """An instant of the first day of year 1 or the last of year 9999, which the session's zone shows in the year
    beyond. All other times that Python does not have are ``Odd``."""
    found = _EDGE.fullmatch(text)
    if found is None:
        return Odd.OUT_OF_RANGE
    year, hour, minute, second, fraction, sign, *offset, _ = found.groups()
    hours, minutes, seconds = (int(part or 0) for part in offset)
    east = timedelta(hours=hours, minutes=minutes, seconds=seconds) * (-1 if sign == "-" else 1)
    past = timedelta(hours=int(hour), minutes=int(minute), seconds=int(second),
                     microseconds=int((fraction or "").ljust(6, "0")))
    start, step = (datetime(9999, 12, 31), 1) if year == "10000" else (datetime(1, 1, 1), -1)
    try:
        return (start + (past - east + timedelta(days=step))).replace(tzinfo=UTC)
    except OverflowError:
        return Odd.OUT_OF_RANGE


def _text(data: Buffer) -> object:
    try:
        return bytes(data).decode()
    except UnicodeDecodeError:
        return Odd.NOT_UTF8
