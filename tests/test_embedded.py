"""The embedded engine is kept from one use to the next, and no use sees anything of another."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from candu_sync.embedded import Embedded, give_memory_back, open_embedded, scalar
from candu_sync.errors import StateError
from candu_sync.state import remove_folder
from candu_sync.state.disk import DiskStore


@pytest.fixture
def engine() -> Iterator[Embedded]:
    engine = Embedded(10**8)
    yield engine
    engine.close()


def number(connection: duckdb.DuckDBPyConnection) -> int:
    """What distinguishes a database from another: a table that was made in it."""
    return scalar(connection, "SELECT count(*) FROM duckdb_functions() WHERE function_name = 'made_before'")


def mark(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE MACRO made_before() AS 1")


def test_a_use_finds_nothing_of_the_one_before(engine: Embedded) -> None:
    with engine.use() as first:
        mark(first)
        first.register("incoming", pa.table({"n": [1]}))
        first.execute("CREATE TABLE result AS FROM incoming")
        first.execute("CREATE TEMP TABLE repeated AS FROM result")
        first.execute("CREATE TEMP VIEW outgoing AS FROM result")
        with first.cursor() as aside:
            aside.execute('CREATE TABLE "Else""where" (n INT)')
    with engine.use() as second:
        assert number(second) == 1  # the very same database
        for name in ("incoming", "result", "repeated", "outgoing", '"Else""where"'):
            with pytest.raises(duckdb.CatalogException):
                second.execute(f"FROM {name}")
        second.execute("CREATE TABLE result (other VARCHAR)")


def test_one_that_failed_ends_its_database(engine: Embedded) -> None:
    with pytest.raises(duckdb.ConversionException), engine.use() as failing:
        failing.execute("CREATE MACRO made_before() AS 1; CREATE TABLE result AS SELECT 1 AS n; SELECT 'x'::INT")
    with engine.use() as next_one:
        assert number(next_one) == 0
        assert scalar(next_one, "SELECT count(*) FROM duckdb_tables()") == 0


def test_two_at_once_have_a_database_each(engine: Embedded) -> None:
    with engine.use() as one, engine.use() as two:
        one.execute("CREATE TABLE result AS SELECT 1 AS n")
        two.execute("CREATE TABLE result AS SELECT 2 AS n")
        assert (scalar(one, "FROM result"), scalar(two, "FROM result")) == (1, 2)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose zone is not UTC."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("elsewhere")
def test_every_connection_is_in_utc_and_within_the_memory(engine: Embedded) -> None:
    for _ in range(2):
        with engine.use() as connection, connection.cursor() as aside:
            for each in (connection, aside):
                settings = "SELECT current_setting('TimeZone'), current_setting('memory_limit')"
                assert each.execute(settings).fetchall() == [("UTC", "95.3 MiB")]


def test_a_large_use_leaves_no_memory_and_no_file_behind(tmp_path: Path) -> None:
    engine = Embedded(64 * 1024 * 1024, DiskStore(tmp_path).scratch, remove_folder)
    with engine.use() as connection:
        connection.execute("CREATE TABLE result AS SELECT i, md5(i::VARCHAR) AS t FROM range(3_000_000) r(i)")
        spilled = [path for path in (tmp_path / "tmp").rglob("*") if path.is_file()]
        assert spilled
        assert all(path.parent.stat().st_mode & 0o077 == 0 for path in spilled)
    with engine.use() as connection:
        assert scalar(connection, "SELECT sum(memory_usage_bytes) FROM duckdb_memory()") < 8 * 1024 * 1024
        assert scalar(connection, "SELECT sum(temporary_storage_bytes) FROM duckdb_memory()") == 0
    engine.close()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_only_its_owner_reads_its_folder_which_is_removed_with_it(tmp_path: Path) -> None:
    engine = Embedded(10**8, DiskStore(tmp_path).scratch, remove_folder)
    with engine.use():
        [folder] = (tmp_path / "tmp").iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
    engine.close()
    assert not folder.exists()


def test_a_file_that_cannot_be_written_is_a_sentence(engine: Embedded) -> None:
    with pytest.raises(StateError, match="free some space"), engine.use():
        Path("/nowhere/at/all").write_text("")


def test_closing_it_waits_for_nothing(engine: Embedded) -> None:
    with engine.use():
        pass
    threads = threading.active_count()
    engine.close()
    engine.close()
    assert threading.active_count() == threads


def test_one_for_a_block_is_closed_at_its_end() -> None:
    with open_embedded(10**8) as connection:
        assert scalar(connection, "SELECT 1") == 1
    with pytest.raises(duckdb.ConnectionException):
        connection.execute("SELECT 1")


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library gives memory back by itself")
def test_freed_memory_is_given_back() -> None:
    blocks = [bytes(100_000) for _ in range(1_000)]
    last = bytes(100_000)  # above them all, so that the C library keeps what is below
    del blocks
    before = resident()
    give_memory_back()
    assert resident() < before - 50_000_000
    assert len(last) == 100_000


def resident() -> int:
    """Bytes of memory that this process has."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) * 1024
