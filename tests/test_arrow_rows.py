"""Files of rows are read as they were written, whatever of their columns is stored as a dictionary."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from candu_sync import arrow_rows
from candu_sync.arrow_rows import RowsWriter, plain, read_batches, read_schema, read_table, stored_batches
from candu_sync.embedded import arrow_file, open_embedded

SECONDS = st.integers(0, 30).map(lambda seconds: dt.datetime(2026, 1, 1) + dt.timedelta(seconds=seconds))

CONDITIONS = ["text = ''", "count > 3", "flag", "time IS NULL", "number = 0"]

# Each type with values of which few are drawn.
TYPES: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "text": (pa.string(), st.text(max_size=3)),
    "number": (pa.float64(), st.sampled_from([0.0, -0.0, 1.5, 2.0**53, 1e308])),
    "any_number": (pa.float64(), st.floats()),
    "time": (pa.timestamp("s"), SECONDS),
    "count": (pa.int64(), st.integers(-2, 40)),
    "flag": (pa.bool_(), st.booleans())}

SCHEMA = pa.schema([(name, type_) for name, (type_, _) in TYPES.items()])


@st.composite
def batches(draw: st.DrawFn) -> pa.RecordBatch:
    rows = draw(st.integers(0, 12))
    columns = [draw(st.lists(st.none() | values, min_size=rows, max_size=rows)) for _, values in TYPES.values()]
    return of(*columns)


def of(*columns: list[Any]) -> pa.RecordBatch:
    arrays = [pa.array(column, type_, from_pandas=False) for column, type_ in zip(columns, SCHEMA.types, strict=True)]
    return pa.record_batch(arrays, schema=SCHEMA)


def same(*values: Any, rows: int = 8) -> pa.RecordBatch:
    """A batch in which each column has one value."""
    return of(*([value] * rows for value in values))


NOON = dt.datetime(2026, 1, 1, 12)


@pytest.fixture(autouse=True, scope="module")
def small_files_too() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrow_rows, "_LEAST_ROWS", 2)
        patch.setattr(arrow_rows, "_ROWS_A_VALUE", 2)
        patch.setattr(arrow_rows, "_MOST", 6)
        yield


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rows") / "rows.arrow"


def write(path: Path, parts: list[pa.RecordBatch]) -> None:
    with RowsWriter(path, SCHEMA) as writer:
        for part in parts:
            writer.write_batch(part)


def bits(table: pa.Table) -> list[list[Any]]:
    """The values, in which 0.0 and -0.0 differ and NaN is like itself."""
    return [[repr(value) for value in column] for column in table.to_pydict().values()]


@given(st.lists(batches(), max_size=6))
@example([])
@example([same("a", 0.0, 0.0, NOON, 1, True), same("b", -0.0, -0.0, NOON, 2, False)])
@example([same("a", 0.0, 1.0, NOON, 1, True), same("a", 0.0, math.nan, NOON, 1, True)])
@example([same(None, None, None, None, None, None), same("a", 1.5, 1.5, NOON, 1, True)])
def test_what_is_read_is_what_was_written(path: Path, parts: list[pa.RecordBatch]) -> None:
    write(path, parts)
    assert read_schema(path) == SCHEMA
    whole = pa.Table.from_batches(parts, SCHEMA)
    assert bits(read_table(path)) == bits(whole)
    assert [batch.num_rows for batch in stored_batches(path)] == [part.num_rows for part in parts]
    assert list(read_batches(path, ["flag", "text"])) == [part.select(["text", "flag"]) for part in parts]
    assert not path.with_name("rows.arrow.earlier").exists()


@given(st.lists(batches(), max_size=4), st.sampled_from(CONDITIONS))
def test_the_engine_scans_it_as_the_rows_in_memory(path: Path, parts: list[pa.RecordBatch], condition: str) -> None:
    write(path, parts)
    found = []
    with open_embedded(10**8) as connection:
        for rows in (arrow_file(path), pa.Table.from_batches(parts, SCHEMA)):
            connection.register("rows", rows)
            found += [connection.execute(f"SELECT {columns} FROM rows WHERE {condition}").fetchall()
                      for columns in ("text, number, time, count, flag", "count")]
    assert [repr(one) for one in found[:2]] == [repr(one) for one in found[2:]]


def test_few_values_are_a_dictionary_and_many_are_not(path: Path) -> None:
    part = of(["a", "b"] * 4, [1.5] * 8, [float(n) for n in range(8)], [NOON] * 8, list(range(8)), [True] * 8)
    write(path, [part])
    [stored] = stored_batches(path)
    assert [pa.types.is_dictionary(type_) for type_ in stored.schema.types] == [True, True, False, True, False, False]
    chosen = plain(stored.filter(pa.array([n == 1 for n in range(8)])))
    assert chosen.to_pylist() == [part.to_pylist()[1]]


def test_a_dictionary_that_becomes_too_large_is_given_up(path: Path) -> None:
    parts = [same(str(n), 1.5, 1.5, NOON, n, True) for n in range(7)]
    write(path, parts)
    assert read_table(path) == pa.Table.from_batches(parts)
    kinds = {name: pa.types.is_dictionary(type_) for name, type_ in
             zip(SCHEMA.names, next(stored_batches(path)).schema.types, strict=True)}
    assert kinds == {"text": False, "number": True, "any_number": True, "time": True, "count": False, "flag": False}


def test_long_values_are_no_dictionary(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_rows, "_MOST_BYTES", 1_000)
    parts = [same("a" * 100, 1.5, 1.5, NOON, 1, True), same("b" * 2_000, 1.5, 1.5, NOON, 1, True)]
    write(path, parts)
    assert read_table(path) == pa.Table.from_batches(parts)
    assert next(stored_batches(path)).schema.field("text").type == pa.string()


def test_a_value_that_was_left_out_is_not_in_the_file(path: Path) -> None:
    """A person who is forgotten must not stay in a dictionary."""
    parts = [same("a secret plan", 1.5, 1.5, NOON, 1, True), same("free", 1.5, 1.5, NOON, 1, True)]
    write(path, parts)
    rows = read_table(path)
    write(path, rows.filter(pa.compute.equal(rows["text"], "free")).to_batches())
    assert "a secret plan" not in str([column.dictionary for batch in stored_batches(path) for column in batch.columns
                                       if pa.types.is_dictionary(column.type)])
    assert read_table(path)["text"].to_pylist() == ["free"] * 8
