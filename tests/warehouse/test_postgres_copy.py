"""COPY in blocks gives the rows that are read one by one, wherever the blocks end."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from candu_sync.errors import WarehouseError
from candu_sync.rows.values import canonical
from candu_sync.warehouse import Reading, postgres_copy
from candu_sync.warehouse.adbc import read_adbc
from candu_sync.warehouse.connect import open_engine
from candu_sync.warehouse.postgres_copy import read_copy
from candu_sync.warehouse.query import Query
from candu_sync.warehouse.rows import read_rows

_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
_AWKWARD = st.sampled_from(["", "\\N", "\\.", '"', ",", "\n", "\r\n", " ", "null", "t", "1.0", "é🙂", "x" * 300])
_LOCAL = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30))

TYPES: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "int2": st.integers(-2**15, 2**15 - 1),
    "int4": st.integers(-2**31, 2**31 - 1),
    "int8": st.integers(-2**63, 2**63 - 1),
    "float8": st.floats(),
    "numeric": st.decimals(-10**20, 10**20, places=4) | st.sampled_from([Decimal("1E-30"), Decimal("NaN")]),
    "numeric(12, 2)": st.decimals(-10**9, 10**9, places=2),
    "text": _TEXT | _AWKWARD,
    "varchar": _TEXT | _AWKWARD,
    "char(4)": st.text("ab é\"", max_size=4),
    "date": st.dates(),
    "timestamp": _LOCAL,
    "timestamptz": _LOCAL.map(lambda at: at.replace(tzinfo=dt.UTC)),
    "uuid": st.integers(0, 2**128 - 1).map(lambda number: uuid.UUID(int=number)),
}
ROWS = st.lists(st.tuples(*(st.none() | strategy for strategy in TYPES.values())), max_size=40)


@pytest.fixture(scope="module")
def admin(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        columns = ", ".join(f"c{n} {type_}" for n, type_ in enumerate(TYPES))
        connection.execute(f"create schema wh_copy; create table wh_copy.rows (n int, {columns})".encode())
        yield connection


@pytest.fixture(scope="module")
def engine(postgres_url: str) -> Iterator[Engine]:
    made = open_engine(postgres_url, None)
    yield made
    made.dispose()


def read(reading: Reading | None) -> list[tuple[Any, ...]]:
    """Each row's values in canonical form, with the reasons why one cannot be sent."""
    assert reading is not None
    rows: list[tuple[Any, ...]] = []
    for batch in reading:
        columns = [canonical(column) for column in batch.columns]
        values = [column.values.to_pylist() for column in columns]
        reasons = [[None] * batch.num_rows if column.reasons is None else column.reasons.to_pylist()
                   for column in columns]
        rows += zip(*values, *reasons, strict=True)
    return rows


@settings(max_examples=12)
@given(rows=ROWS, block=st.integers(1, 2_000))
def test_all_paths_read_the_same_rows(admin: psycopg.Connection[Any], engine: Engine, monkeypatch: pytest.MonkeyPatch,
                                      rows: list[tuple[Any, ...]], block: int) -> None:
    monkeypatch.setattr(postgres_copy, "_BLOCK", block)
    with admin.cursor() as cursor:
        cursor.execute("truncate wh_copy.rows")
        cursor.executemany(f"insert into wh_copy.rows values ({', '.join(['%s'] * (len(TYPES) + 1))})".encode(),
                           [(n, *row) for n, row in enumerate(rows)])
    by_copy, by_adbc, by_rows = (read(path(Query(engine, "select * from wh_copy.rows order by n")))
                                 for path in (read_copy, read_adbc, read_rows))
    assert len(by_copy) == len(rows)
    assert by_copy == by_rows
    assert by_copy == by_adbc


@pytest.mark.parametrize("block", [1, 1_000, 10_000_000])
def test_every_row_comes_once_whatever_a_block_holds(engine: Engine, monkeypatch: pytest.MonkeyPatch, block: int,
                                                     ) -> None:
    monkeypatch.setattr(postgres_copy, "_BLOCK", block)
    sql = "select nullif(i, 500) as i from generate_series(1, 1000) i"
    assert [value for value, _ in read(read_copy(Query(engine, sql)))] == [
        None if n == 500 else float(n) for n in range(1, 1_001)]


@pytest.mark.parametrize("block", [1, 10_000_000])
def test_an_error_after_some_rows_is_no_end_of_the_rows(engine: Engine, monkeypatch: pytest.MonkeyPatch, block: int,
                                                        ) -> None:
    monkeypatch.setattr(postgres_copy, "_BLOCK", block)
    reading = read_copy(Query(engine, "select 1 / (i - 900) as x from generate_series(1, 1000) i"))
    assert reading is not None
    with pytest.raises(WarehouseError, match="division by zero"):
        list(reading)
