"""The row index: it matches the rows that a file has as they are, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candu_sync.embedded import open_embedded
from candu_sync.snapshot import row_index as index_module
from candu_sync.snapshot.index_writer import IndexWriter
from candu_sync.snapshot.row_index import Index, hashes, row_hash

if TYPE_CHECKING:
    from candu_sync.snapshot.row_index import Hashes

TRAITS = [("plan", "text"), ("seats", "number")]


def of(*rows: tuple[int, int]) -> Index:
    """An index of rows with these hashes, numbered in order."""
    keys, values = zip(*rows, strict=True) if rows else ((), ())
    with IndexWriter() as writer:
        writer.add(array(*keys), array(*values))
        return writer.index()


def array(*values: int) -> Hashes:
    return np.array(values, np.uint64)


def test_unchanged_rows_match() -> None:
    index = of((30, 3), (10, 1), (20, 2))
    assert index.match(array(5, 10, 20, 40), array(0, 1, 9, 4)).tolist() == [False, True, False, False]
    assert index.matched == 1
    assert index.matched_rows().tolist() == [False, True, False]


def test_a_row_that_comes_twice_counts_once() -> None:
    index = of((10, 1))
    assert index.match(array(10, 10), array(1, 1)).all()
    assert index.matched == 1


def test_the_rows_of_these_keys_that_were_matched() -> None:
    index = of((10, 1), (20, 2), (30, 3))
    index.match(array(10, 20), array(1, 2))
    assert index.matched_among(array(20, 30)).tolist() == [1]


def test_rows_that_share_a_key_hash_are_all_found() -> None:
    index = of((10, 1), (10, 2), (20, 3))
    index.match(array(10), array(1))
    index.match(array(10), array(2))
    assert sorted(index.matched_among(array(10))) == np.flatnonzero(index.matched_rows()).tolist() != []
    index.mark_replaced(array(10))
    assert index.matched == 0


def test_a_row_that_another_file_replaces_does_not_match() -> None:
    index = of((10, 1), (20, 2))
    index.mark_replaced(array(20, 25))
    assert index.match(array(10, 20), array(1, 2)).tolist() == [True, False]


def test_an_empty_file() -> None:
    assert of().match(array(1, 2), array(1, 2)).tolist() == [False, False]
    assert of().matched_rows().tolist() == []


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    of((20, 2), (10, 1)).save(tmp_path / "index.arrow", TRAITS)
    loaded = Index.load(tmp_path / "index.arrow", TRAITS)
    assert loaded is not None
    assert loaded.match(array(10, 20), array(1, 2)).all()
    loaded.give_back()
    assert loaded.match(array(10, 20), array(1, 3)).tolist() == [True, False]
    assert loaded.matched_rows().all()


@settings(max_examples=60)
@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(2**64 - 9, 2**64 - 1), max_size=40), st.integers(1, 30))
def test_entries_are_counted_by_how_they_begin_a_part_at_a_time(keys: list[int], counted: int) -> None:
    hashes = np.sort(array(*keys))
    bits = max(1, len(keys).bit_length() - 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_module, "_COUNTED", counted)
        found = index_module._starts(hashes, bits)
    beginnings = hashes >> np.uint64(64 - bits)
    assert found.tolist() == [int(np.count_nonzero(beginnings < n)) for n in range(2**bits + 1)]


def test_an_index_of_other_traits_or_of_another_function_is_of_no_use(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of((10, 1)).save(tmp_path / "index.arrow", TRAITS)
    assert Index.load(tmp_path / "index.arrow", TRAITS[:1]) is None
    assert Index.load(tmp_path / "index.arrow", [("plan", "number"), TRAITS[1]]) is None
    monkeypatch.setattr(index_module, "FUNCTION", "duckdb 0.0 hash")
    assert Index.load(tmp_path / "index.arrow", TRAITS) is None


ROWS = st.tuples(st.sampled_from([*"abc", None]), st.sampled_from(["pro", "", None]), st.sampled_from([0.0, 1.0, None]),
                 st.sampled_from([0.0, 1.0, None]))


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with open_embedded(10**8) as connection:
        yield connection


@settings(max_examples=100)
@given(rows=st.lists(ROWS, unique=True, min_size=2, max_size=12))
def test_rows_that_differ_have_hashes_that_differ(
        connection: duckdb.DuckDBPyConnection, rows: list[tuple[str | None, str | None, float | None, float | None]],
        ) -> None:
    """Also when two columns trade their values, or a null wanders from one to the other."""
    key, plan, low, high = zip(*rows, strict=True)
    batch = pa.RecordBatch.from_pydict({
        "key": pa.array(key, pa.string()), "t0": pa.array(plan, pa.string()), "t1": pa.array(low, pa.float64()),
        "t2": pa.array(high, pa.float64())})
    found = hashes(connection, batch, f"{row_hash(['t0', 't1', 't2'])} AS row_hash")
    pairs = set(zip(found.column("key_hash").to_pylist(), found.column("row_hash").to_pylist(), strict=True))
    with_key = [row for row in rows if row[0] is not None]
    # A row without a key is set aside before its hash is asked for.
    assert len(pairs) >= len(with_key)
