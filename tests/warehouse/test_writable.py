"""A database that is written to: by which path, and where a file is made."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, select

from candu_sync.errors import WarehouseError, WarehouseUnreachable
from candu_sync.warehouse import file_beside, open_writable


def table(schema: str | None) -> Table:
    return Table("writable_t", MetaData(schema=schema), Column("a", Text()), Column("n", Integer()),
                 mysql_charset="utf8mb4", mariadb_charset="utf8mb4")


def rows(**columns: list[object]) -> pa.RecordBatch:
    return pa.record_batch({name: pa.array(values, pa.int32() if name == "n" else pa.string())
                            for name, values in columns.items()})


@pytest.mark.parametrize(("dialect", "path"), [("postgresql", "adbc"), ("duckdb", "duckdb arrow"),
                                              ("sqlite", "inserts"), ("mariadb", "inserts")])
def test_rows_go_by_the_fastest_path_and_a_failure_takes_all_back(
        dialect: str, path: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = f"{dialect}:///{tmp_path}/t.db"
    if dialect in ("postgresql", "mariadb"):
        url = request.getfixturevalue("postgres_url" if dialect == "postgresql" else "mariadb_url")
    mine = table(None if dialect == "sqlite" else 'odd " name')
    database = open_writable(url)
    database.prepare([mine])
    with database.transaction() as transaction:
        assert transaction.path == path
        # Columns are matched by name, and one may be left out.
        transaction.append(mine, rows(n=[1, 2], a=["it's 100%", None]))
        transaction.append(mine, rows(a=["é🙂\\"]))
    with suppress(RuntimeError), database.transaction() as transaction:
        transaction.delete(mine, "a", "it's 100%")
        transaction.append(mine, rows(a=["lost"], n=[9]))
        raise RuntimeError
    found = database.read(select(mine.c.a, mine.c.n))
    assert sorted(found, key=repr) == sorted([("it's 100%", 1), (None, 2), ("é🙂\\", None)], key=repr)
    with database.transaction() as transaction:
        transaction.delete(mine, "a", "it's 100%")
    assert len(database.read(select(mine))) == 2
    database.close()


def test_a_url_that_is_wrong_and_a_server_that_is_away() -> None:
    with pytest.raises(WarehouseError, match="cannot be read"):
        open_writable("what is this")
    with pytest.raises(WarehouseUnreachable, match=r"cannot connect to the warehouse postgresql\+psycopg://me:\*\*\*@"):
        open_writable("postgresql://me:hunter2@127.0.0.1:9/x").prepare([table("s")])


@pytest.mark.parametrize(("url", "beside"), [
    ("duckdb:///shop.duckdb", "duckdb:///shop_report.duckdb"),
    ("sqlite:////data/a b.db", "sqlite:////data/a b_report.db"),
    ("duckdb:///:memory:", None), ("duckdb://", None), ("duckdb:///md:shop", None),
    ("postgresql://host/shop", None)])
def test_the_file_beside_a_file(url: str, beside: str | None) -> None:
    assert file_beside(url, "_report") == beside
