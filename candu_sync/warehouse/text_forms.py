"""The text of a row, as SQL, that a dialect hashes: see ``text_hashes.py`` for what it is good for.

A value's part of the text is

    !            for null
    4294967296   and a blank, for a value whose text has no blank: a number, an instant
    3 a b        for any text: how long it is, a blank, and the text itself
    m900150…     for a long text, where a dialect limits the length of a text: its MD5

From the types of the columns and the text of a row each value can be read back, up to the MD5 of long ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from candu_sync.warehouse.query import Query
from candu_sync.warehouse.reading import Reading
from candu_sync.warehouse.row_hashes import NotHashed

NUMBER, TEXT, BOOLEAN, INSTANT = pa.int64(), pa.string(), pa.bool_(), pa.timestamp("us")
"""Arrow types for the kinds of values that columns have."""

_BLANK, _LONG = "' '", "'m'"


@dataclass(frozen=True)
class Form:
    """A text of a value that no other value of its type has.

    Attributes:
        value: an Arrow type of the kind that the values arrive as.
        sql: of the text, of ``{0}``.
        free: whether any sign may be in it; otherwise none is a blank.
    """

    value: pa.DataType
    sql: str = "{0}"
    free: bool = False


@dataclass(frozen=True)
class HashedColumn:
    """A column of a model.

    Attributes:
        name: as a reader gives it.
        sql: its name as SQL.
        type: as the warehouse calls it.
        form: None: no text is known that is different for each value of the type.
    """

    name: str
    sql: str
    type: str
    form: Form | None


@dataclass(frozen=True)
class Asking:
    """How a model is asked for.

    Attributes:
        query: the model.
        read: SQL with the model's parameters → its rows, as ``Warehouse.read``.
    """

    query: Query
    read: Callable[[str], Reading]

    @property
    def sql(self) -> str:
        """The model's SQL."""
        return self.query.sql

    def listed(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query that describes the model."""
        with self.read(sql) as reading:
            return [row for batch in reading for row in batch.to_pylist()]


@dataclass(frozen=True, kw_only=True)
class TextDialect:
    """How a dialect makes hashes of texts.

    Attributes:
        path: how its rows are read, as ``Reading.path``.
        columns: the columns of a model. Raises ``NotHashed``.
        hash: SQL of a number of 64 bits, of a text.
        signed: whether half of these numbers are below zero.
        total: SQL of the sum of such numbers, as digits; modulo 2^64 is enough.
        length: SQL of the length of a text.
        digits: SQL of a length as digits.
        joined: SQL of several texts, one after another.
        most_keys: so many numbers may be in a query.
        longest, digest: of a text that is longer, SQL of a text of fixed length in its place; None: of none.
    """

    path: str
    columns: Callable[[Asking], Sequence[HashedColumn]]
    hash: str
    total: str
    length: str
    joined: Callable[[Iterable[str]], str]
    most_keys: int
    digits: str = "cast({0} as varchar)"
    signed: bool = True
    longest: int | None = None
    digest: str = ""

    def hash_of(self, mark: str, columns: Iterable[HashedColumn]) -> str:
        """SQL of the hash of some columns. Raises ``NotHashed``: one of them has no text."""
        return self.hash.format(self.joined([f"'{mark}'", *map(self._part, columns)]))

    def _part(self, column: HashedColumn) -> str:
        if column.form is None:
            raise NotHashed(f"the column {column.name} has the type {column.type}")
        text = column.form.sql.format(column.sql)
        if not column.form.free:
            return f"case when {column.sql} is null then '!' else {self.joined([text, _BLANK])} end"
        length = self.length.format(text)
        long = "" if self.longest is None else (
            f" when {length} > {self.longest} then {self.joined([_LONG, self.digest.format(text)])}")
        whole = self.joined([self.digits.format(length), _BLANK, text])
        return f"case when {column.sql} is null then '!'{long} else {whole} end"


def concatenated(parts: Iterable[str]) -> str:
    """SQL of several texts by ``concat``, where it takes any number of them.

    Example:
        >>> concatenated(["'r'", "name"])
        "concat('r', name)"
    """
    return f"concat({', '.join(parts)})"


def with_bars(parts: Iterable[str]) -> str:
    """SQL of several texts by ``||``.

    Example:
        >>> with_bars(["'r'", "name"])
        "('r' || name)"
    """
    return f"({' || '.join(parts)})"


def quoted(name: str, mark: str = '"') -> str:
    """A name in quotes, which are doubled inside.

    Example:
        >>> quoted("a`b", "`")
        '`a``b`'
    """
    return f"{mark}{name.replace(mark, 2 * mark)}{mark}"


def form_of(type_: str, forms: Sequence[tuple[str, Form]]) -> Form | None:
    """The form of a type, by the first pattern that the whole name of the type matches."""
    return next((form for pattern, form in forms if re.fullmatch(pattern, type_, re.IGNORECASE)), None)
