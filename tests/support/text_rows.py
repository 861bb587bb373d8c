"""Rows of all types whose text the dialects hash, and what is read back from such a text."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from candu_sync.warehouse.text_forms import Form, HashedColumn, TextDialect

Row = tuple[Any, ...]
EPOCH = dt.datetime(1970, 1, 1)

SCHEMA = pa.schema({
    "s": pa.string(), "n": pa.int64(), "t": pa.string(), "d": pa.decimal128(20, 4), "b": pa.bool_(), "day": pa.date32(),
    "ntz": pa.timestamp("us"), "tz": pa.timestamp("us", "UTC"), "x": pa.float64(), "u": pa.string()})

_TEXTS = st.one_of(
    st.text(st.sampled_from("0123456789! m:ñ🙂'\\%{}"), max_size=6),
    st.sampled_from(["", "!", "3 abc", "5 ", "m", " "]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60))


def rows(first: int = 1, last: int = 9999) -> st.SearchStrategy[list[Row]]:
    """Some rows; dates and times from one year to another. A value of each column may be null."""
    day = st.dates(dt.date(first, 1, 2), dt.date(last, 12, 30))
    at = st.datetimes(dt.datetime(first, 1, 2), dt.datetime(last, 12, 30))
    values = [_TEXTS, st.integers(-2**63, 2**63 - 1), _TEXTS,
              st.decimals(min_value=-10**15, max_value=10**15, places=4), st.booleans(), day, at, at,
              st.floats(allow_nan=False), _TEXTS]
    return st.lists(st.tuples(*(st.none() | value for value in values)), min_size=1, max_size=40)


def table_of(found: Sequence[Row], names: Sequence[str]) -> pa.Table:
    """The rows, with their numbers ``i``."""
    columns: dict[str, pa.Array] = {"i": pa.array(range(len(found)), pa.int64())}
    for at, field in enumerate(SCHEMA):
        if field.name in names:
            columns[field.name] = pa.array([row[at] for row in found], field.type)
    return pa.table(columns)


def text_sql(dialect: TextDialect, forms: Mapping[str, Form | None], quote: Callable[[str], str]) -> str:
    """SQL of a row's text."""
    columns = [HashedColumn(name, quote(name), "", form) for name, form in forms.items()]
    return replace(dialect, hash="{0}").hash_of("r", columns)


def to_day(text: str) -> dt.date:
    return dt.date(1970, 1, 1) + dt.timedelta(days=int(text))


def to_time(unit: int) -> Callable[[str], dt.datetime]:
    """From a number of parts of a microsecond, or of microseconds, since 1970."""
    return lambda text: EPOCH + dt.timedelta(microseconds=int(text) // unit)


READ: dict[str, Callable[[str], Any]] = {
    "n": int, "d": Decimal, "b": lambda text: {"t": True, "true": True, "f": False, "false": False}[text],
    "day": to_day, "ntz": to_time(1), "tz": to_time(1), "x": float}


def read_back(text: str, names: Sequence[str], readers: Mapping[str, Callable[[str], Any]], *,
              octets: bool = False) -> Row:
    """The values of a text, as the page of ``text_forms`` says how it is made; of a long text its MD5."""
    assert text[:1] == "r"
    rest, values = text[1:].encode() if octets else text[1:], []
    for name in names:
        value, rest = _value(rest, name, {**READ, **readers})
        values.append(value)
    assert not rest
    return tuple(values)


def _value(rest: Any, name: str, readers: Mapping[str, Callable[[str], Any]]) -> tuple[Any, Any]:
    binary = isinstance(rest, bytes)
    mark, blank = (b"!", b" ") if binary else ("!", " ")
    if rest[:1] == mark:
        return None, rest[1:]
    if name in ("s", "t", "u") and rest[:1] == (b"m" if binary else "m"):
        return ("md5", _str(rest[1:33])), rest[33:]
    head, rest = rest.split(blank, 1)
    if name not in ("s", "t", "u"):
        return readers[name](_str(head)), rest
    return _str(rest[:int(head)]), rest[int(head):]


def _str(part: Any) -> str:
    return part.decode() if isinstance(part, bytes) else str(part)


def expected(found: Sequence[Row], names: Sequence[str], longest: int | None = None) -> Iterator[Row]:
    """The rows as ``read_back`` gives them: with the MD5 of texts that have more bytes."""
    every = SCHEMA.names
    for row in found:
        yield tuple(_kept(row[every.index(name)], longest) for name in names)


def _kept(value: Any, longest: int | None) -> Any:
    if isinstance(value, str) and longest is not None and len(value.encode()) > longest:
        return "md5", hashlib.md5(value.encode()).hexdigest()
    return value
