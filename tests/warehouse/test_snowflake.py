"""Snowflake's dialect and its own connector, against fakesnow; what that has not, on the shapes of the connector."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import Engine

from candu_sync.errors import ModelError, WarehouseError
from candu_sync.rows.kinds import Unsendable
from candu_sync.rows.values import canonical
from candu_sync.warehouse import Warehouse
from candu_sync.warehouse.connect import open_engine
from candu_sync.warehouse.query import Query
from candu_sync.warehouse.snowflake_arrow import _batches, pyformat


@pytest.fixture
def warehouse(snowflake_engine: Engine) -> Warehouse:
    return Warehouse(snowflake_engine)


def test_it_is_read_in_arrow_and_names_are_as_sqlalchemy_has_them(warehouse: Warehouse) -> None:
    sql = 'select 1 as User_Id, 2 as "Total Billed"'
    with warehouse.read(sql, {}) as reading:
        assert (reading.path, reading.names) == ("snowflake arrow", ["user_id", "Total Billed"])
        assert [batch.to_pylist() for batch in reading] == [[{"user_id": 1, "Total Billed": 2}]]
    assert warehouse.columns(sql, {}).names == ["user_id", "Total Billed"]


@pytest.mark.parametrize("text", ["plain", "it's", "back\\slash", "' or 1=1 --", "%s %(a)s", "é🙂", ""])
def test_a_parameter_is_bound_as_it_is(warehouse: Warehouse, text: str) -> None:
    [batch] = warehouse.read("select :partition as x, '100%' as y, ':since' as z", {"partition": text})
    assert batch.to_pylist() == [{"x": text, "y": "100%", "z": ":since"}]


def test_a_window_holds_its_start_and_not_its_end(warehouse: Warehouse) -> None:
    window = {"window_start": datetime(2026, 1, 5, tzinfo=UTC), "window_end": datetime(2026, 1, 6, tzinfo=UTC)}
    sql = ("select n from (values ('before', '2026-01-04 23:59:59'::timestamp_tz),"
           " ('start', '2026-01-05'::timestamp_tz), ('end', '2026-01-06'::timestamp_tz)) x(n, t)"
           " where t >= :window_start::timestamp_tz and t < :window_end::timestamp_tz")
    [batch] = warehouse.read(sql, window)
    assert batch.column(0).to_pylist() == ["start"]


def test_no_rows_make_no_batch_and_many_make_many(warehouse: Warehouse) -> None:
    assert list(warehouse.read("select 1 as a where 1 = 0", {})) == []
    rows = "select seq4() as n from table(generator(rowcount => 100000))"
    assert sum(batch.num_rows for batch in warehouse.read(rows, {})) == 100_000


def test_what_is_wrong_is_said_in_words(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError, match=r"refused the query: .*NO_SUCH_TABLE"):
        warehouse.read("select * from no_such_table", {})
    with pytest.raises(ModelError, match="'a' more than once"):
        warehouse.read('select 1 as a, 2 as "a"', {})


def test_the_session_gets_its_zone_and_its_limit() -> None:
    engine = open_engine("snowflake://user:password@account/wh", timeout=60)
    options: dict[str, Any] = {}

    class Seen(Exception):
        pass

    def connect(*_: object, **given: Any) -> None:
        options.update(given)
        raise Seen

    engine.dialect.connect = connect  # type: ignore[method-assign]
    with pytest.raises(Seen), engine.connect():
        pass
    assert options["session_parameters"] == {
        "TIMEZONE": "UTC", "STATEMENT_TIMEOUT_IN_SECONDS": 61, "QUERY_TAG": "candu-sync"}


class Cursor:
    """A cursor of the connector's, as far as it is used: Arrow tables as Snowflake makes them."""

    def __init__(self, *columns: pa.Array) -> None:
        self._table = pa.table({f"C{index}": column for index, column in enumerate(columns)})

    def fetch_arrow_batches(self, force_microsecond_precision: bool | None = None) -> Iterator[pa.Table]:
        assert force_microsecond_precision
        yield self._table


VARIANT, OBJECT, ARRAY, TEXT = 5, 9, 10, 2
"""Type codes of ``cursor.description``: Snowflake's documentation of the connector, "Type codes"."""


def test_arrays_and_objects_are_refused_though_they_come_as_text() -> None:
    cursor = Cursor(pa.array(["[1]", None]), pa.array(['{"a": 1}', None]), pa.array(["[1]", None]))
    [batch] = _batches(cursor, ["a", "o", "t"], [ARRAY, OBJECT, TEXT])
    assert batch.column("t").to_pylist() == ["[1]", None]
    for name in ("a", "o"):
        assert batch.column(name).is_valid().to_pylist() == [True, False]
        with pytest.raises(Unsendable):
            canonical(batch.column(name))


def test_variants_are_the_scalars_that_they_hold() -> None:
    cursor = Cursor(pa.array(["7", '"x"', None, "true", "[1]"]), pa.array([1, 2, 3, 4, 5]))
    found = {number: value for batch in _batches(cursor, ["v", "n"], [VARIANT, 0])
             for value, number in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)}
    assert found == {1: "7", 2: "x", 3: None, 4: True, 5: "an array"}


def test_a_query_is_cancelled_by_its_session(snowflake_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """fakesnow has no system$cancel_all_queries: what is looked at is the statement, on a connection of its own."""
    from candu_sync.warehouse.sessions import canceller

    said: list[str] = []
    with ExitStack() as stack:
        connection = stack.enter_context(snowflake_engine.connect())
        cancel = canceller(connection)
        assert cancel is not None
        monkeypatch.setattr("sqlalchemy.Connection.exec_driver_sql", lambda _, statement: said.append(statement))
        cancel()
    assert said == ["select system$cancel_all_queries(1)"]


def test_percent_signs_are_doubled_only_where_the_connector_looks_for_them(snowflake_engine: Engine) -> None:
    sql = "select '5%' where x = :partition"
    assert pyformat(Query(snowflake_engine, "select '5%'")) == "select '5%'"
    assert pyformat(Query(snowflake_engine, sql, {"partition": "a"})) == "select '5%%' where x = %(partition)s"


def test_snowflake_s_session_has_a_query_tag(snowflake_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the arguments of its own connector, which then reads from fakesnow."""
    given: list[dict[str, Any]] = []
    connect = snowflake_engine.dialect.connect
    monkeypatch.setattr(snowflake_engine.dialect, "connect",
                        lambda *arguments, **options: given.append(options) or connect(*arguments, **options))
    with Warehouse(snowflake_engine) as warehouse, warehouse.read("select 1 as a", {}, tag="users/profile") as reading:
        assert [batch.to_pylist() for batch in reading] == [[{"a": 1}]]
    assert given
    session = given[0]["session_parameters"]
    assert (session["QUERY_TAG"], session["TIMEZONE"]) == ("candu-sync users/profile", "UTC")
