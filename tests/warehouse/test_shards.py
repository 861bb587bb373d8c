"""Shards in each warehouse: every row is in one, and in the same one everywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
import sqlglot

from candu_sync.errors import ModelError
from candu_sync.warehouse.shards import shard_number, sharded
from candu_sync.warehouse.warehouse import Warehouse, open_warehouse

IDS = ["u1", "u2", "", "user@example.com", "Zoë", "ümläut", "日本", "a'b", " u1", "u1 ",
       *(f"u{i}" for i in range(3, 40))]
MODEL = " union all ".join(f"select '{text.replace(chr(39), 2 * chr(39))}' as user_id" for text in IDS)
NUMBERS = "select 7 as user_id union all select 4503599627370497 as user_id"
COUNT = 5


def shard_of(text: str) -> int:
    """As the module's page says it."""
    return int(hashlib.md5(text.encode()).hexdigest()[:7], 16) % COUNT


@pytest.fixture(params=["duckdb", "postgres_url", "mariadb_url"])
def warehouse(request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    url = "duckdb:///:memory:" if request.param == "duckdb" else request.getfixturevalue(request.param)
    with open_warehouse(url) as opened:
        yield opened


def shards_of(warehouse: Warehouse, model: str) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for number in range(COUNT):
        with warehouse.read(warehouse.sharded(f"{model} -- a comment", "user_id", number, COUNT), {}) as reading:
            for batch in reading:
                for value in batch.column(0).to_pylist():
                    found.setdefault(str(value), []).append(number)
    return found


def test_each_row_is_in_the_shard_of_its_text(warehouse: Warehouse) -> None:
    assert shards_of(warehouse, MODEL) == {text: [shard_of(text)] for text in IDS}


def test_numbers_are_hashed_as_their_digits(warehouse: Warehouse) -> None:
    assert shards_of(warehouse, NUMBERS) == {text: [shard_of(text)] for text in ("7", "4503599627370497")}


def test_null_is_in_the_shard_of_the_empty_text(warehouse: Warehouse) -> None:
    assert shards_of(warehouse, "select cast(null as char(3)) as user_id") == {"None": [shard_of("")]}


@pytest.mark.parametrize("dialect", ["snowflake", "bigquery", "databricks", "redshift", "clickhouse", "trino"])
def test_the_sql_of_the_others_is_of_their_dialect(dialect: str) -> None:
    """They were not run: there is no such server here, and fakesnow does not have Snowflake's format of hexadecimal
    digits. The functions are those of their manuals."""
    ours = "clickhousedb" if dialect == "clickhouse" else dialect
    sql = sharded("select 'u1' as user_id", ours, "user_id", 3, COUNT)
    assert sqlglot.parse_one(sql, dialect=dialect).find(sqlglot.exp.Where) is not None


def test_a_dialect_without_a_hash_is_refused() -> None:
    with pytest.raises(ModelError, match=r"sqlite has no hash that divides the rows.*`static`"):
        shard_number("sqlite", "user_id", COUNT)
