"""Dates beyond the calendar come out as infinite floats, alike from every database."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from candu_sync.warehouse import open_warehouse
from candu_sync.warehouse.calendar_bounds import within_calendar

INFINITE = float("inf")


@pytest.mark.parametrize(
    "column",
    [
        pa.array([date.min, date.max, None, date(2026, 1, 1)]),
        *(
            pa.array([datetime.min, datetime(9999, 12, 31, 23, 59, 59), None], pa.timestamp(unit))
            for unit in ("s", "ms", "us")
        ),
        pa.array([datetime.max.replace(tzinfo=UTC)], pa.timestamp("us", "UTC")),
        pa.array([2**62], pa.timestamp("ns")),
    ],
)
def test_what_python_can_hold_stays(column: pa.Array) -> None:
    batch = pa.record_batch([column], names=["x"])
    assert list(within_calendar(batch)) == [batch]


@pytest.mark.parametrize(
    ("number", "type_"),
    [
        (-719_163, pa.date32()),
        (2_932_897, pa.date32()),
        (-62_135_596_800_000_001, pa.timestamp("us")),
        (253_402_300_800_000, pa.timestamp("ms", "UTC")),
        (253_402_300_800, pa.timestamp("s")),
    ],
)
def test_the_first_moment_beyond_stands_apart(number: int, type_: pa.DataType) -> None:
    width = pa.int32() if pa.types.is_date(type_) else pa.int64()
    stamps = pa.array([0, number, None], width).view(type_)
    batch = pa.record_batch([pa.array([1, 2, 3]), stamps], names=["n", "x"])
    good, beyond = within_calendar(batch)
    assert good.column("n").to_pylist() == [1, 3]
    assert good.column("x").type == type_
    assert beyond.to_pydict() == {"n": [2], "x": [INFINITE]}


def test_rows_part_by_which_of_their_dates_is_beyond(urls: dict[str, str]) -> None:
    sql = """select 1 as n, date 'infinity' as d, timestamp '-infinity' as t union all
             select 2, date '2026-01-05', timestamp 'infinity' union all
             select 3, date '2026-01-05', timestamp '2026-01-05' union all
             select 4, null, null"""
    day, moment = date(2026, 1, 5), datetime(2026, 1, 5)
    wanted = [(1, INFINITE, INFINITE), (2, day, INFINITE), (3, day, moment), (4, None, None)]
    for dialect in ("duckdb", "postgresql"):
        with open_warehouse(urls[dialect]) as warehouse:
            found = [row for batch in warehouse.read(sql, {}) for row in batch.to_pylist()]
        assert sorted((tuple(row.values()) for row in found), key=lambda row: int(row[0])) == wanted
