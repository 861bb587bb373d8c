"""DuckDB's own Arrow: exact types, a bounded number of rows in memory, and its errors in words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from candu_sync.errors import WarehouseError
from candu_sync.warehouse import Warehouse, open_warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    path = tmp_path / "types.duckdb"
    duckdb.connect(str(path)).execute("create type mood as enum('calm', 'glad')").close()
    with open_warehouse(f"duckdb:///{path}") as opened:
        yield opened


@pytest.mark.parametrize(
    ("expression", "type_"),
    [
        ("1::hugeint", pa.decimal128(38, 0)),
        ("1.5::decimal(10, 2)", pa.decimal128(10, 2)),
        ("uuid()", pa.string()),
        ("'calm'::mood", pa.dictionary(pa.uint8(), pa.string())),
        ("timestamp '2026-01-01'", pa.timestamp("us")),
        ("date '2026-01-01'", pa.date32()),
        ("[1]", pa.list_(pa.field("l", pa.int32()))),
        ("{'a': 1}", pa.struct([("a", pa.int32())])),
        ("null", pa.null()),
    ],
)
def test_types_are_known_without_rows_and_stay_the_same_in_the_batches(
    warehouse: Warehouse, expression: str, type_: pa.DataType
) -> None:
    sql = f"select {expression} as x from range(3)"
    assert warehouse.columns(sql, {}).types == [type_]
    assert [batch.column(0).type for batch in warehouse.read(sql, {})] == [type_]


def test_columns_do_not_run_the_query(warehouse: Warehouse) -> None:
    assert warehouse.columns("select error('ran') as x from range(10)", {}).names == ["x"]


def test_names_that_differ_in_case_stay_as_they_are(warehouse: Warehouse) -> None:
    sql = 'select 1 as "Seats", 2 as seats'
    with warehouse.read(sql, {}) as reading:
        assert reading.names == warehouse.columns(sql, {}).names == ["Seats", "seats"]


def test_a_table_that_is_missing_is_not_looked_for_in_this_program(warehouse: Warehouse) -> None:
    type_ = pa.table({"x": [1]})
    assert type_.num_rows == 1
    for name in ("type_", "sql"):
        with pytest.raises(WarehouseError, match=f"Table with name {name} does not exist"):
            warehouse.read(f"select * from {name}", {})


def test_an_instant_is_the_same_whatever_the_zone_of_this_machine(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert warehouse.values("select (timestamptz '2026-01-01 00:00:00+00')::varchar") == ["2026-01-01 00:00:00+00"]


def test_a_failure_half_way_is_in_words_and_without_the_rows_value(warehouse: Warehouse) -> None:
    sql = "select case when i < 900000 then i else ('secret-' || i)::int end as x from range(1000000) r(i)"
    with pytest.raises(WarehouseError, match="Could not convert string … to INT") as caught:
        list(warehouse.read(sql, {}))
    assert "secret" not in str(caught.value)
    assert warehouse.values("select 'still here'") == ["still here"]


def test_a_large_result_is_streamed_within_bounded_memory() -> None:
    """Three million rows are 0.6 GB as Arrow; the peak is looked at in a process of its own."""
    script = (
        "from tests.support.memory import peak_mb; from candu_sync.warehouse import open_warehouse\n"
        "with open_warehouse('duckdb:///:memory:', memory=200_000_000) as warehouse:\n"
        "    list(warehouse.read('select 1', {}))\n"
        "    before = peak_mb()\n"
        "    sql = \"select i, repeat(md5(i::varchar), 6) as x from range(3000000) r(i) where :partition = 'a'\"\n"
        "    rows = sum(batch.num_rows for batch in warehouse.read(sql, {'partition': 'a'}))\n"
        "print(rows, peak_mb() - before)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=300)
    rows, grown = map(int, done.stdout.split())
    assert rows == 3_000_000
    assert grown < 200, f"reading took {grown} MB"


def test_a_file_is_opened_once_for_many_queries_until_it_is_released(
        warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    connect = duckdb.connect

    def counted(database: str = ":memory:", **options: Any) -> duckdb.DuckDBPyConnection:
        if database.endswith("types.duckdb"):
            opened.append(database)
        return connect(database, **options)

    monkeypatch.setattr(duckdb, "connect", counted)
    for zone in ("UTC", "Asia/Tokyo", "UTC"):
        with warehouse.read("select current_setting('TimeZone') as zone", {}, timezone=zone) as reading:
            assert [row["zone"] for batch in reading for row in batch.to_pylist()] == [zone]
    assert len(opened) == 1
    warehouse.release()
    warehouse.read("select 1 as n", {}).close()
    assert len(opened) == 2


def test_a_released_file_can_be_written_to(tmp_path: Path) -> None:
    path = tmp_path / "shared.duckdb"
    duckdb.connect(str(path)).execute("create table t as select 1 as n").close()
    with open_warehouse(f"duckdb:///{path}") as warehouse:
        warehouse.read("from t", {}).close()
        with pytest.raises(duckdb.Error, match="different configuration"):
            duckdb.connect(str(path))
        warehouse.release()
        duckdb.connect(str(path)).execute("insert into t values (2)").close()
        assert warehouse.values("from t") == ["1", "2"]


def test_a_query_that_fails_leaves_the_file_free(tmp_path: Path) -> None:
    path = tmp_path / "shared.duckdb"
    duckdb.connect(str(path)).close()
    with open_warehouse(f"duckdb:///{path}") as warehouse:
        with pytest.raises(WarehouseError):
            warehouse.read("from missing", {})
        duckdb.connect(str(path)).close()
