"""What is learnt of rows and what was known of them becomes one file, in parts, whatever their number."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candu_sync.snapshot import sorted_runs
from candu_sync.snapshot.known_rows import KnownRows, RowPairs
from candu_sync.snapshot.learnt_rows import LearntRows

KEYS = st.sampled_from([0, 1, 2**63 - 1, 2**63, 2**64 - 1]) | st.integers(0, 2**64 - 1)
ROWS = st.lists(st.tuples(KEYS, st.integers(0, 2)), max_size=12)


def pairs(rows: list[tuple[int, int]]) -> RowPairs:
    """Rows by the warehouse's hashes; the row index's follow from these."""
    keys, values = (np.array([row[n] for row in rows], np.uint64) for n in (0, 1))
    return RowPairs(keys, values, ~keys, values * np.uint64(10))


def saved(known: KnownRows, batches: list[list[tuple[int, int]]], path: Path) -> tuple[KnownRows, bool]:
    with closing(LearntRows(known, lambda: Path(tempfile.mkdtemp(dir=path.parent)))) as learnt:
        for batch in batches:
            learnt.add(pairs(batch))
        learnt.save(path, "f")
        loaded = KnownRows.load(path, "f")
        assert loaded is not None
        assert KnownRows.load(path, "other") is None
        return loaded, learnt.worth_saving


@settings(max_examples=80)
@given(st.lists(ROWS, min_size=1, max_size=4), ROWS, st.lists(ROWS, min_size=1, max_size=3),
       st.sampled_from([1, 3, 100]))
def test_the_file_has_what_the_result_has(first: list[list[tuple[int, int]]], there: list[tuple[int, int]],
                                          second: list[list[tuple[int, int]]], run: int) -> None:
    first[0].append((7, 7))
    second[0].append((7, 8))
    folder = Path(tempfile.mkdtemp())
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sorted_runs, "RUN", run)
            known, worth = saved(KnownRows.none(), first, folder / "a")
            assert worth
            assert len(known) == sum(map(len, first))
            seen, found = known.find(*pairs(there).columns[:2])
            assert (found.key == ~found.their_key).all()
            assert (found.row == found.their_row * np.uint64(10)).all()
            again = {key for batch in second for key, _ in batch}
            stays = {row for row, is_known in zip(there, seen, strict=True) if is_known and row[0] not in again}
            renewed, _ = saved(known, second, folder / "b")
        assert (np.diff(renewed._pairs.their_key.astype(object)) >= 0).all()
        rows = [tuple(map(int, row)) for row in zip(*renewed._pairs.columns, strict=True)]
        expected = [*stays, *(row for batch in second for row in batch)]
        assert sorted(rows) == sorted((key, value, 2**64 - 1 - key, value * 10) for key, value in expected)
        assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]
    finally:
        shutil.rmtree(folder)


def test_a_large_file_waits_for_a_share_of_new_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("candu_sync.snapshot.learnt_rows._SMALL", 50)
    known, _ = saved(KnownRows.none(), [[(n, 0) for n in range(100)]], tmp_path / "a")
    assert [saved(known, [[(n, 1) for n in range(new)]], tmp_path / "b")[1] for new in (0, 1, 2, 3)] == [
        False, False, False, True]
