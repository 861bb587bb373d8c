"""BigQuery and Databricks: these tests use no service; they replay what the drivers' public methods give.

BigQuery's library is real except for its client; Databricks' connector is replaced as a whole.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from types import ModuleType, SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery
from sqlalchemy import make_url

from candu_sync.errors import ModelError, WarehouseError
from candu_sync.rows.kinds import Unsendable
from candu_sync.rows.values import canonical
from candu_sync.warehouse import NotHashed, Reading, bigquery_arrow, databricks_arrow
from candu_sync.warehouse.bigquery_row_hashes import BIGQUERY
from candu_sync.warehouse.connect import open_engine
from candu_sync.warehouse.databricks_row_hashes import DATABRICKS
from candu_sync.warehouse.query import Query
from candu_sync.warehouse.text_forms import Asking
from candu_sync.warehouse.text_hashes import open_text_hashes

SINCE = datetime(2026, 1, 5, 10, tzinfo=UTC)
SQL = "select * from t where plan = :partition and at > :since and x = ':since'"
VALUES = {"partition": "it's", "since": SINCE}


class Client:
    """``google.cloud.bigquery.Client``: the query that it was given, and a job with rows."""

    def __init__(
        self, schema: list[bigquery.SchemaField], batches: list[pa.RecordBatch], error: Exception | None = None
    ) -> None:
        self.schema = schema
        self._batches = batches
        self._error = error
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.cancelled = 0
        self.during: Callable[[], None] = lambda: None

    def query(self, sql: str, job_config: bigquery.QueryJobConfig) -> Client:
        self.asked.append((sql, job_config.to_api_repr()))
        return self

    def result(self) -> Client:
        self.during()
        if self._error:
            raise self._error
        return self

    def to_arrow_iterable(self, bqstorage_client: object = None, max_stream_count: int | None = None) -> Iterator[Any]:
        assert (bqstorage_client, max_stream_count) == ("storage", 1)
        yield from self._batches

    def cancel(self) -> None:
        self.cancelled += 1
        self._error = BadRequest("Job execution was cancelled: User requested cancellation")

    def close(self) -> None:
        self.asked.append(("closed", {}))


FIELDS = [bigquery.SchemaField(name, kind) for name, kind in [
    ("user_id", "STRING"), ("n", "NUMERIC"), ("b", "BIGNUMERIC"), ("at", "TIMESTAMP"), ("local", "DATETIME"),
    ("on", "DATE"), ("time", "TIME"), ("flag", "BOOL"), ("j", "JSON")]] + [
    bigquery.SchemaField("list", "INT64", mode="REPEATED"), bigquery.SchemaField("o", "RECORD", fields=(
        bigquery.SchemaField("a", "INT64"),))]

ROW = pa.RecordBatch.from_arrays([
    pa.array(["u1"]), pa.array([Decimal("1.5")], pa.decimal128(38, 9)),
    pa.array([Decimal("0.1")], pa.decimal256(76, 38)),
    pa.array([SINCE], pa.timestamp("us", "UTC")), pa.array([SINCE.replace(tzinfo=None)], pa.timestamp("us")),
    pa.array([SINCE.date()]), pa.array([SINCE.time()], pa.time64("us")), pa.array([True]), pa.array(['{"a": 1}']),
    pa.array([[1]]), pa.array([{"a": 1}])], names=[field.name for field in FIELDS])


def bigquery_query(client: Client, monkeypatch: pytest.MonkeyPatch, sql: str = SQL, **more: Any) -> Query:
    engine = open_engine("bigquery://project/dataset?user_supplied_client=True")
    monkeypatch.setattr(engine.dialect, "create_connect_args", lambda url: ([], {"client": client}), raising=False)
    monkeypatch.setattr(bigquery_arrow, "_storage", lambda dialect, stack: "storage")
    return Query(engine, sql, VALUES if sql is SQL else {}, **more)


def read(query: Query) -> Reading:
    reading = bigquery_arrow.read_bigquery(query)
    assert reading is not None
    return reading


def test_bigquery_binds_named_parameters_with_their_types(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(FIELDS, [ROW])
    with read(bigquery_query(client, monkeypatch, timeout=60)) as reading:
        assert (reading.path, reading.names) == ("bigquery arrow", [field.name for field in FIELDS])
        assert sum(batch.num_rows for batch in reading) == 1
    (sql, config), closed = client.asked
    assert sql == "select * from t where plan = @partition and at > @since and x = ':since'"
    assert [(p["name"], p["parameterType"]["type"], p["parameterValue"]["value"])
            for p in config["query"]["queryParameters"]] == [
        ("partition", "STRING", "it's"), ("since", "TIMESTAMP", "2026-01-05 10:00:00+00:00")]
    assert config["jobTimeoutMs"] == "61000"
    assert closed == ("closed", {})


def test_bigquerys_types_come_out_as_those_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    [batch] = read(bigquery_query(Client(FIELDS, [ROW]), monkeypatch))
    found = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            found[name] = canonical(column).values.to_pylist()[0]
        except Unsendable:
            found[name] = "refused"
    at = SINCE.replace(tzinfo=None)
    assert found == {"user_id": "u1", "n": 1.5, "b": 0.1, "at": at, "local": at, "on": datetime(2026, 1, 5),
                     "time": "10:00:00", "flag": True, "j": "refused", "list": "refused", "o": "refused"}


def test_bigquerys_job_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(FIELDS, [ROW])
    query = bigquery_query(client, monkeypatch)
    client.during = query.cancel
    with pytest.raises(WarehouseError, match="the query was cancelled"), query.explained():
        read(query)
    assert client.cancelled == 1


def test_bigquerys_refusal_is_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(FIELDS, [], BadRequest("Unrecognized name: nope at [1:8]"))
    with pytest.raises(WarehouseError, match="refused the query: 400 Unrecognized name: nope"):
        read(bigquery_query(client, monkeypatch))
    with pytest.raises(ModelError, match="'n' more than once"):
        read(bigquery_query(Client([FIELDS[1], FIELDS[1]], []), monkeypatch))


class Cursor:
    """``databricks.sql.client.Cursor``, as far as it is used: a table, so many rows of it at a time."""

    def __init__(self, table: pa.Table, types: list[str]) -> None:
        self._table = table
        self.description = [(name, type_, None, None, None, None, None)
                            for name, type_ in zip(table.column_names, types, strict=True)]
        self.asked: list[tuple[str, object]] = []
        self.closed = self.cancelled = False

    def execute(self, sql: str, parameters: object = None) -> None:
        self.asked.append((sql, parameters))

    def fetchmany_arrow(self, size: int) -> pa.Table:
        part, self._table = self._table.slice(0, size), self._table.slice(size)
        return part

    def cancel(self) -> None:
        self.cancelled = True

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def _databricks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("databricks", "databricks.sql", "databricks.sql.exc"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(sys.modules["databricks.sql.exc"], "Error", type("Error", (Exception,), {}), raising=False)


def databricks_query(cursor: Cursor, said: list[str], **more: Any) -> Query:
    dialect = SimpleNamespace(name="databricks")
    connection = SimpleNamespace(dialect=dialect, exec_driver_sql=said.append,
                                 connection=SimpleNamespace(cursor=lambda: cursor))

    @contextmanager
    def connect() -> Iterator[Any]:
        yield connection

    engine: Any = SimpleNamespace(url=make_url("databricks://token:x@host"), dialect=dialect, connect=connect)
    return Query(engine, SQL, VALUES, **more)


@pytest.mark.usefixtures("_databricks")
def test_databricks_is_read_so_many_rows_at_a_time_with_its_own_parameters() -> None:
    cursor, said = Cursor(pa.table({"n": list(range(7)), "v": ['"x"', None] + ["7"] * 5}), ["bigint", "variant"]), []
    with databricks_arrow.read_databricks(databricks_query(cursor, said, size=3, timeout=60)) as reading:
        assert (reading.path, reading.names) == ("databricks arrow", ["n", "v"])
        rows = {n: v for batch in reading for n, v in zip(*(c.to_pylist() for c in batch.columns), strict=True)}
    assert rows == {0: "x", 1: None} | dict.fromkeys(range(2, 7), "7")
    assert cursor.asked == [(SQL, VALUES)]
    assert said == ["set time zone 'UTC'", "set statement_timeout = 61"]
    assert cursor.closed


@pytest.mark.usefixtures("_databricks")
def test_databricks_query_is_cancelled_by_its_cursor() -> None:
    cursor = Cursor(pa.table({"n": [1]}), ["bigint"])
    query = databricks_query(cursor, [])
    with databricks_arrow.read_databricks(query) as reading:
        query.cancel()
        with pytest.raises(WarehouseError, match="the query was cancelled"):
            list(reading)
    assert cursor.cancelled


def test_bigquerys_columns_are_those_of_a_dry_run(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(FIELDS[:7], [ROW.select([field.name for field in FIELDS[:7]])])
    query = bigquery_query(client, monkeypatch)
    found = {column.name: (column.sql, column.type, column.form is not None)
             for column in BIGQUERY.columns(Asking(query, lambda _: pytest.fail("no row is read")))}
    assert found["user_id"] == ("`user_id`", "STRING", True)
    assert all(known for _, _, known in found.values())
    (sql, config), closed = client.asked
    assert (sql, config["dryRun"], closed) == (
        "select * from t where plan = @partition and at > @since and x = ':since'", True, ("closed", {}))
    assert len(config["query"]["queryParameters"]) == 2


@pytest.mark.parametrize(("field", "type_"), [
    (bigquery.SchemaField("x", "FLOAT"), "FLOAT"), (FIELDS[8], "JSON"), (FIELDS[9], "ARRAY<INT64>"),
    (FIELDS[10], "RECORD"), (SimpleNamespace(field_type="TIMESTAMP", mode="NULLABLE", timestamp_precision=12, name="x"),
                             "TIMESTAMP(12)")])
def test_bigquerys_types_without_an_exact_text_are_named(
        monkeypatch: pytest.MonkeyPatch, field: Any, type_: str) -> None:
    asking = Asking(bigquery_query(Client([FIELDS[0], field], []), monkeypatch), lambda _: pytest.fail("no row"))
    with pytest.raises(NotHashed, match=rf"has the type {re.escape(type_)}$"):
        open_text_hashes(BIGQUERY, asking, ["user_id"], [])


@pytest.mark.usefixtures("_databricks")
def test_databricks_hashes_are_asked_for_by_its_own_words() -> None:
    asked: list[str] = []
    columns = pa.table({"col_name": ["user_id", "odd `name`", "score"],
                        "data_type": ["string", "string collate UTF8_LCASE", "decimal(10,2)"]})
    hashes = pa.table({"candu_key_hash": [1, -2], "candu_row_hash": [3, 4]})

    def read(sql: str) -> Reading:
        asked.append(sql)
        table = columns if sql.startswith("describe query ") else hashes
        reading = databricks_arrow.read_databricks(databricks_query(Cursor(table, ["x"] * table.num_columns), []))
        assert reading is not None
        return reading

    query = databricks_query(Cursor(columns, ["string"] * 2), [])
    with open_text_hashes(DATABRICKS, Asking(query, read), ["user_id"], []) as model:
        assert [batch.to_pydict() for batch in model.hashes()] == [hashes.to_pydict()]
        assert model.schema.names == ["user_id", "odd `name`", "score"]
    assert asked[0] == f"describe query {SQL}"
    assert "collate(`odd ``name```, 'UTF8_BINARY')" in asked[1]
    assert "cast(`score` as string), ' '" in asked[1]
