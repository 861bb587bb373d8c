"""Python rows become record batches, and read back as they were."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candu_sync.arrow_types import NUMERIC, UNUSABLE
from candu_sync.warehouse.arrays import Digits, Odd, record_batches

PARIS = timezone(timedelta(hours=2))


def batches_of(*values: Any) -> list[pa.RecordBatch]:
    return list(record_batches(["x"], [(value,) for value in values]))


def the_type_of(*values: Any) -> pa.DataType:
    [batch] = batches_of(*values)
    return batch.column(0).type


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ((1, None, -(2**63)), pa.int64()),
        ((True, None), pa.bool_()),
        ((1.5, float("nan")), pa.float64()),
        (("a", "é", ""), pa.string()),
        ((b"\xff", bytearray(b"a"), memoryview(b"b")), pa.binary()),
        ((Decimal("1.50"), Decimal("1E+3"), Decimal("NaN"), Decimal("9" * 100 + ".5")), NUMERIC),
        ((Digits("9" * 100), None), NUMERIC),
        ((Odd.OUT_OF_RANGE, None), pa.timestamp("us")),
        ((Odd.NOT_UTF8, None), UNUSABLE),
        ((date(2026, 1, 1),), pa.date32()),
        ((time(10, 30),), pa.time64("us")),
        ((time(10, 30, tzinfo=UTC),), pa.string()),
        ((datetime(2026, 1, 1),), pa.timestamp("us")),
        ((datetime(2026, 1, 1, tzinfo=UTC),), pa.timestamp("us", "UTC")),
        ((UUID(int=1),), pa.string()),
        ((timedelta(days=1),), pa.duration("us")),
        ((None, None), pa.null()),
    ],
)
def test_a_column_of_one_kind_has_its_exact_type(values: tuple[Any, ...], type_: pa.DataType) -> None:
    assert the_type_of(*values) == type_


def test_lists_and_objects_have_types_that_cannot_be_taken_for_a_trait() -> None:
    assert pa.types.is_list(the_type_of([1, "a"], (2,)))
    assert pa.types.is_struct(the_type_of({"a": 1}, None))
    assert pa.types.is_struct(the_type_of(object()))


def test_an_instant_keeps_its_moment_whatever_its_zone() -> None:
    [batch] = batches_of(datetime(2026, 1, 1, 2, tzinfo=PARIS), datetime(2026, 1, 1, tzinfo=UTC))
    assert batch.column(0).to_pylist() == [datetime(2026, 1, 1, tzinfo=UTC)] * 2


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        ((1, "1", 1.0, b"1", None), 5),
        ((True, 1), 2),
        ((1, 2**63), 2),
        ((Decimal(1), 1), 2),
        ((Decimal(1), Decimal("NaN"), Decimal("Infinity")), 1),
        ((Decimal("1E-70"), Decimal("1E+70"), Decimal("1.5")), 1),
        (("text", Odd.NOT_UTF8), 2),
        ((datetime(2026, 1, 1), Odd.OUT_OF_RANGE), 2),
        ((datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1)), 3),
        (("fine", "\ud800"), 2),
        (({"a": 1}, "scalar", 5), 3),
    ],
)
def test_kinds_never_share_a_batch(values: tuple[Any, ...], kinds: int) -> None:
    found = batches_of(*values)
    assert len(found) == kinds
    assert sum(batch.num_rows for batch in found) == len(values)


def test_integers_beyond_64_bits_are_exact() -> None:
    [batch] = batches_of(2**63, -(2**100), 10**99)
    assert batch.column(0).to_pylist() == [str(2**63), str(-(2**100)), str(10**99)]


def test_an_instant_that_utc_puts_beyond_the_calendar_is_out_of_range() -> None:
    [good, beyond] = batches_of(datetime(2026, 1, 1, tzinfo=UTC), datetime.min.replace(tzinfo=PARIS))
    assert good.column(0).type == pa.timestamp("us", "UTC")
    assert beyond.column(0).cast(pa.int64()).to_pylist() == [2**63 - 1]


def test_a_row_that_is_not_utf8_is_a_batch_of_its_own() -> None:
    rows = [("a", 1), ("\udcff", 2), ("b", 3)]
    good, bad = record_batches(["name", "n"], rows)
    assert good.to_pydict() == {"name": ["a", "b"], "n": [1, 3]}
    assert bad.column("name").type == UNUSABLE
    assert bad.column("n").to_pylist() == [2]


def test_no_rows_make_no_batch() -> None:
    assert list(record_batches(["x"], [])) == []


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**80), 2**80),
    st.floats(allow_nan=False),
    st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    st.binary(),
    st.dates(),
    st.datetimes(),
    st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**20), max_value=10**20),
)


@given(st.lists(st.tuples(CELLS, CELLS, st.integers())))
def test_any_mix_of_values_reads_back_the_same(rows: list[tuple[Any, ...]]) -> None:
    found: Counter[tuple[Any, ...]] = Counter()
    for batch in record_batches(["a", "b", "n"], rows):
        found.update(zip(*(map(marked, read_back(column)) for column in batch.columns), strict=True))
    assert found == Counter(tuple(map(marked, row)) for row in rows)


def read_back(column: pa.Array) -> list[object]:
    """The values; digits as decimals, exactly."""
    if column.type != NUMERIC:
        return list(column.to_pylist())
    return [None if digits is None else Decimal(digits) for digits in column.to_pylist()]


def marked(value: object) -> tuple[str, object]:
    """A value with its class: 1, 1.0 and True are equal in Python. Wide integers come back as decimals."""
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        value = Decimal(value)
    return type(value).__name__, value
