"""An index that was made in parts is the one that sorts all rows at once, in a part of the memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candu_sync.snapshot import sorted_runs
from candu_sync.snapshot.index_writer import IndexWriter
from candu_sync.snapshot.row_index import Index

TRAITS = [("plan", "text")]

# The ends of the range, and hashes that share their beginning or all of it.
HASH = st.sampled_from([0, 1, 2**63 - 1, 2**63, 2**64 - 1]) | st.integers(0, 2**64 - 1)


@settings(max_examples=60)
@given(st.lists(st.lists(HASH, max_size=9), max_size=9), st.sampled_from([1, 4, 7, 100]))
def test_parts_make_the_same_file(tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]],
                                  run: int) -> None:
    path = tmp_path_factory.mktemp("index") / "index.arrow"
    with pytest.MonkeyPatch.context() as patch, IndexWriter() as writer:
        patch.setattr(sorted_runs, "RUN", run)
        for number, batch in enumerate(batches):
            keys = np.array(batch, np.uint64)
            writer.add(keys, keys + np.uint64(number))
        writer.save(path, TRAITS)
        assert writer.repeats == (len({key for batch in batches for key in batch}) < writer.rows)
    with pa.OSFile(str(path)) as source:
        reader = ipc.open_file(source)
        assert reader.num_record_batches == 1
        found = reader.get_batch(0).to_pylist()
    rows = [(key, (key + number) % 2**64) for number, batch in enumerate(batches) for key in batch]
    assert [row["key_hash"] for row in found] == sorted(key for key, _ in rows)
    assert [(row["key_hash"], row["row_hash"]) for row in found] == [rows[row["row"]] for row in found]
    assert sorted(row["row"] for row in found) == list(range(len(rows)))
    assert Index.load(path, TRAITS) is not None
    assert Index.load(path, []) is None


def test_an_index_that_is_not_saved_finds_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorted_runs, "RUN", 4)
    keys = np.arange(10, 0, -1, dtype=np.uint64) << np.uint64(59)
    with IndexWriter() as writer:
        for start in range(0, 10, 3):
            writer.add(keys[start:start + 3], keys[start:start + 3])
        index = writer.index()
    assert index.match(keys[2:5], keys[2:5]).all()
    assert index.matched_rows().tolist() == [False] * 2 + [True] * 3 + [False] * 5


MEMORY = """
import sys
from pathlib import Path
import numpy as np
from candu_sync.snapshot import sorted_runs
from candu_sync.snapshot.index_writer import IndexWriter
from tests.support.memory import peak_mb
sorted_runs.RUN = 50_000
random = np.random.default_rng(7)
with IndexWriter() as writer:
    before = peak_mb()
    for _ in range(60):
        hashes = random.integers(0, 2**64 - 1, 25_000, np.uint64)
        writer.add(hashes, hashes)
    writer.save(Path(sys.argv[1]), [])
print(peak_mb() - before)
"""


def test_the_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "index.arrow"
    ended = subprocess.run([sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=True)
    # All rows at once would take the file's size four times.
    assert int(ended.stdout) * 1_000_000 < path.stat().st_size == pytest.approx(30_000_000, rel=0.01)
