"""A file is scanned as a table in memory would be, with one batch of it in memory."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.ipc as ipc
import pytest

from candu_sync.embedded import arrow_file, open_embedded

ROWS, BATCH = 20_000, 1_000

QUERIES = {
    "all columns": "SELECT * FROM rows ORDER BY n",
    "another order of columns": "SELECT moment, key FROM rows ORDER BY n",
    "no column": "SELECT count(*) FROM rows",
    "a condition on a column that is not given out": "SELECT n FROM rows WHERE key = '7' OR key = 'it''s'",
    "several conditions": "SELECT key FROM rows WHERE odd IS NULL AND n > 19_990 AND moment IS NOT NULL ORDER BY n",
    "a value like a name of a column": "SELECT n FROM rows WHERE key = 'odd'",
    "an instant": "SELECT count(n) FROM rows WHERE moment < TIMESTAMP '2026-01-01 00:10:00'",
    "a list": "SELECT n FROM rows WHERE key IN ('1', '2', '19999', NULL) ORDER BY n",
    "a semi-join": "SELECT count(*) FROM rows WHERE n IN (SELECT n FROM rows WHERE key LIKE '1%')",
    "an anti-join": "SELECT count(*) FROM rows a ANTI JOIN rows b ON a.n = b.odd",
    "two scans with different columns": "SELECT a.key FROM rows a JOIN rows b ON a.n = b.odd WHERE b.n < 5 ORDER BY 1",
    "a limit": "SELECT n FROM rows LIMIT 3",
}


@pytest.fixture(scope="module")
def table() -> pa.Table:
    start = dt.datetime(2026, 1, 1)
    return pa.table({"key": ["it's" if n == 3 else "odd" if n == 5 else str(n) for n in range(ROWS)],
                     "n": range(ROWS), "odd": [n if n % 2 else None for n in range(ROWS)],
                     "moment": pa.array([start + dt.timedelta(seconds=n) for n in range(ROWS)], pa.timestamp("s"))})


@pytest.fixture(scope="module")
def path(table: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scan") / "rows.arrow"
    with ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table, BATCH)
    return path


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_file_is_as_its_rows_in_memory(path: Path, table: pa.Table, query: str) -> None:
    found = []
    for rows in (arrow_file(path), table):
        with open_embedded(10**8) as connection:
            connection.register("rows", rows)
            # A second scan of the same object begins anew.
            found += [connection.execute(query).fetchall(), connection.execute(query).fetchall()]
    assert found[0]
    assert found == [found[0]] * 4


def test_columns_that_are_left_out_are_not_seen(path: Path) -> None:
    with open_embedded(10**8) as connection:
        connection.register("rows", arrow_file(path, without=["odd", "moment"]))
        assert connection.sql("FROM rows LIMIT 1").columns == ["key", "n"]
        with pytest.raises(duckdb.BinderException):
            connection.sql("SELECT odd FROM rows")


def test_one_batch_at_a_time_is_in_memory(path: Path, table: pa.Table) -> None:
    before = pa.total_allocated_bytes()
    most = 0
    for _ in arrow_file(path).scanner().to_reader():
        most = max(most, pa.total_allocated_bytes() - before)
    assert 0 < most < 3 * table.nbytes * BATCH / ROWS


def test_it_is_counted_without_its_columns(path: Path) -> None:
    assert arrow_file(path).count_rows() == ROWS
