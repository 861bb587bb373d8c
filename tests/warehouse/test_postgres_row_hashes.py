"""PostgreSQL's row hashes: each is at least as fine as what a reader sees of the value."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url

from candu_sync.errors import ModelError, WarehouseError
from candu_sync.warehouse import HASH_COLUMNS, HashedModel, NotHashed, RowTotal, Warehouse, open_warehouse
from candu_sync.warehouse import postgres_row_hashes as module

DOCS = Path(__file__).parents[2] / "docs" / "warehouses.md"

# Of each type values that are not the same to a reader, those first that PostgreSQL's own hash of the type confuses.
HASHED = {
    "int2": ["-7", "7", "0"],
    "int4": ["2000000000", "-2000000000", "0"],
    "int8": ["5", "4294967300", "-1", "0", "4294967295", "9007199254740992", "9007199254740993"],
    "numeric": ["5", "-5", "500", "'NaN'", "'Infinity'", "'-Infinity'", "0.1", "9007199254740993.00"],
    "numeric(20, 2)": ["5", "-5", "9007199254740993.00"],
    "decimal(5, 1)": ["0.5", "-0.5"],
    "float8": ["0.1", "0.10000000000000002", "'NaN'", "'-Infinity'", "5", "-5"],
    "bool": ["true", "false"],
    "text": ["'a'", "'A'", "'a '", "''", "'é🙂 x '"],
    "varchar": ["'a'", "'a '", "''"],
    "char(4)": ["'ab'", "' ab'", "'abc'"],
    "bpchar": ["'a'", "'a '", "'a  '"],
    "name": ["'a'", "'a '"],
    '"char"': ["'a'", "'A'", "''"],
    "hash_types.label": ["'a'", "'A'", "'a '"],
    "hash_types.mood": ["'calm'", "'glad'"],
    "date": ["'2026-01-05'", "'2026-01-06'", "'infinity'", "'-infinity'"],
    "timestamp": ["'2026-01-05 12:30'", "'2026-01-05 12:30:01'", "'2026-01-05 13:41:34.967299'", "'infinity'"],
    "timestamptz": ["'2026-01-05 12:30Z'", "'2026-01-05 12:30:01Z'", "'2026-01-05 13:41:34.967299Z'", "'-infinity'"],
    "uuid": ["'6f1c3a52-0000-4000-8000-00000000abcd'", "'6f1c3a52-0000-4000-8000-00000000abce'"],
}

# Read by COPY or rows, or refused.
NOT_HASHED = {
    "oid": "4000000000", "float4": "1.1", "money": "'12.50'", "time": "'10:30:00.5'", "timetz": "'10:30+02'",
    "interval": "'1 day'", "json": "'7.5'", "jsonb": "'7.5'", "bytea": r"'\xff'", "bit": "b'1'", "int[]": "'{1,2}'",
    "hash_types.mood[]": "'{calm}'", "point": "'(1,2)'", "inet": "'10.0.0.1'", "hash_types.pair": "'(1,2)'",
    "int4range": "'[1,2)'", "tsvector": "'a'",
    "hash_types.any_case": "'a'",
}

# A text whose equality, and so whose hash, takes no notice of case: citext, which is not a part of this server.
ANY_CASE = """
    create type hash_types.any_case;
    create function hash_types.read(cstring) returns hash_types.any_case language internal immutable strict as 'textin';
    create function hash_types.shown(hash_types.any_case) returns cstring language internal immutable strict
        as 'textout';
    create function hash_types.sent(hash_types.any_case) returns bytea language internal immutable strict as 'textsend';
    create type hash_types.any_case (input = hash_types.read, output = hash_types.shown, send = hash_types.sent,
        like = text, category = 'S');
    create cast (hash_types.any_case as text) without function as assignment;
    create function hash_types.same(hash_types.any_case, hash_types.any_case) returns bool language sql immutable strict
        as $$ select lower(textin(hash_types.shown($1))) = lower(textin(hash_types.shown($2))) $$;
    create function hash_types.hash(hash_types.any_case) returns int language sql immutable strict
        as $$ select hashtext(lower(textin(hash_types.shown($1)))) $$;
    create function hash_types.hash(hash_types.any_case, bigint) returns bigint language sql immutable strict
        as $$ select hashtextextended(lower(textin(hash_types.shown($1))), $2) $$;
    create operator hash_types.= (leftarg = hash_types.any_case, rightarg = hash_types.any_case,
        function = hash_types.same, hashes);
    create operator class hash_types.any_case_hash default for type hash_types.any_case using hash as
        operator 1 hash_types.=, function 1 hash_types.hash(hash_types.any_case),
        function 2 hash_types.hash(hash_types.any_case, bigint)"""


@pytest.fixture(scope="module")
def warehouse(postgres_url: str) -> Iterator[Warehouse]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("""
            drop schema if exists hash_types cascade;
            create schema hash_types;
            create domain hash_types.label as text;
            create type hash_types.mood as enum ('calm', 'glad');
            create type hash_types.pair as (a int, b int)""")
        connection.execute(ANY_CASE)
    with open_warehouse(postgres_url) as found:
        yield found


def hashed(warehouse: Warehouse, sql: str, **options: Any) -> HashedModel:
    return warehouse.hashed(sql, {}, key=["user_id"], **options)


def why_not(warehouse: Warehouse, sql: str) -> str:
    with pytest.raises(NotHashed) as found:
        hashed(warehouse, sql)
    return str(found.value)


def hashes(warehouse: Warehouse, sql: str, **options: Any) -> list[tuple[int, int]]:
    with hashed(warehouse, sql, **options) as model:
        return [(row[HASH_COLUMNS[0]], row[HASH_COLUMNS[1]]) for batch in model.hashes() for row in batch.to_pylist()]


@pytest.mark.parametrize("type_", HASHED)
def test_values_that_differ_have_hashes_that_differ(warehouse: Warehouse, type_: str) -> None:
    values = [*HASHED[type_], "null"]
    sql = " union all ".join(f"select '{n}' as user_id, ({value})::{type_} as x" for n, value in enumerate(values))
    with hashed(warehouse, f"select * from ({sql}) t") as model, model.rows(None) as reading:
        assert reading.path == "adbc"
        read = [value for batch in reading for value in batch.column(1).cast("string").to_pylist()] \
            if type_ != "uuid" else [str(n) for n in range(len(values))]
    assert len(set(read)) == len(values), "the test's own values do not differ"
    same_key = hashes(warehouse, f"select 'u' as user_id, x from ({sql}) t")
    assert len({row for _, row in same_key}) == len(values)
    assert len({key for key, _ in same_key}) == 1


@pytest.mark.parametrize("type_", HASHED)
def test_keys_that_differ_have_hashes_that_differ(warehouse: Warehouse, type_: str) -> None:
    values = HASHED[type_]
    sql = " union all ".join(f"select ({value})::{type_} as user_id" for value in values)
    assert len({key for key, _ in hashes(warehouse, sql)}) == len(values)


@pytest.mark.parametrize("type_", NOT_HASHED)
def test_a_type_that_is_not_read_exactly_is_not_hashed(warehouse: Warehouse, type_: str) -> None:
    sql = f"select 'u' as user_id, ({NOT_HASHED[type_]})::{type_} as x"
    assert why_not(warehouse, sql).startswith("the column x has the type ")
    # One that is not sent is not hashed either.
    assert len(hashes(warehouse, sql, ignored=["x"])) == 1


def test_each_type_of_the_page_is_one_of_these() -> None:
    page = DOCS.read_text("utf-8").split("## Which type comes out")[1]
    cells = [line.split("|")[4] for line in page.splitlines() if line.startswith("|") and line.count("|") > 6]
    types = {type_ for cell in cells for type_ in re.findall(r'::("?[a-z]\w*"?)', cell)}
    here = {re.sub(r"[\[(].*|hash_types\.", "", type_) for type_ in (*HASHED, *NOT_HASHED)}
    assert types
    assert types <= here


@settings(max_examples=6)
@given(rows=st.lists(st.tuples(st.integers(-2**63, 2**63 - 1), st.decimals(allow_nan=False, allow_infinity=False,
                                                                            min_value=-10**20, max_value=10**20)),
                     min_size=2, max_size=40, unique=True))
def test_numbers_of_any_size_never_share_a_hash(warehouse: Warehouse, rows: list[tuple[int, Any]]) -> None:
    rows += [(number, -amount) for number, amount in rows]
    values = ", ".join(f"('u', '{number}'::int8, '{amount:f}'::numeric)" for number, amount in rows)
    found = hashes(warehouse, f"select * from (values {values}) t(user_id, n, m)")
    assert len({row for _, row in found}) == len({(number, amount) for number, amount in rows})


def test_the_types_own_hashes_are_coarser(warehouse: Warehouse, postgres_url: str) -> None:
    """What the expressions are for: without them these changes would be missed."""
    with psycopg.connect(postgres_url) as connection:
        for type_ in ("int8", "numeric", "bpchar", "timestamp", "timestamptz"):
            found = {connection.execute(f"select hash_record_extended(row(({value})::{type_}), 1)").fetchone()
                     for value in HASHED[type_]}
            assert len(found) < len(HASHED[type_]), type_


def test_text_is_hashed_by_its_bytes_whatever_its_collation(warehouse: Warehouse) -> None:
    with hashed(warehouse, "select 'u' as user_id, 'a'::varchar as v, 'a'::name as n, 1.5 as m") as model:
        # The key, for itself and in the seed of the row, and three columns of text.
        assert model.function.count('collate pg_catalog."C"') == 5


def test_a_change_of_form_may_have_another_hash_but_an_equal_form_has_none(warehouse: Warehouse) -> None:
    once, again = (hashes(warehouse, f"select 'u' as user_id, 5.50::numeric as a, 'x'::text as b{extra}")
                   for extra in ("", " where true"))
    assert once == again


def test_the_total_is_the_sum_of_the_hashes(warehouse: Warehouse) -> None:
    sql = "select 'u' || i as user_id, i % 7 as n from generate_series(1, 5000) i"
    found = np.array(hashes(warehouse, sql), np.int64).view(np.uint64)
    with hashed(warehouse, sql) as model:
        assert model.total() == RowTotal(5000, int(found[:, 0].sum()), int(found[:, 1].sum()))
    with hashed(warehouse, f"{sql} limit 0") as model:
        assert model.total() == RowTotal()


def test_two_equal_rows_that_become_two_others_change_the_total(warehouse: Warehouse) -> None:
    totals = set()
    for value in ("a", "b"):
        with hashed(warehouse, f"select 'u' as user_id, '{value}' as x from generate_series(1, 2)") as model:
            totals.add(model.total())
    assert len(totals) == 2


def test_rows_that_swap_values_or_keys_change_the_total(warehouse: Warehouse) -> None:
    tables = ["('a', 'x', 1, true), ('b', 'y', 2, null)", "('b', 'x', 1, true), ('a', 'y', 2, null)",
              "('a', 'y', 1, true), ('b', 'x', 2, null)", "('a', 'x', 2, true), ('b', 'y', 1, null)",
              "('a', 'x', 1, null), ('b', 'y', 2, true)", "('a', 'y', 2, true), ('b', 'x', 1, null)"]
    for key in (["user_id"], ["user_id", "org"]):
        totals = set()
        for rows in tables:
            with warehouse.hashed(f"select * from (values {rows}) t(user_id, org, n, b)", {}, key=key) as model:
                totals.add(model.total())
        assert len(totals) == len(tables)


def test_all_queries_of_a_model_see_the_same_rows(warehouse: Warehouse, postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute("drop table if exists hash_types.t")
        other.execute("create table hash_types.t as select 'u' || i as user_id, 0 as n from generate_series(1, 3) i")
        with hashed(warehouse, "select * from hash_types.t") as model:
            before = [row for batch in model.hashes() for row in batch.to_pylist()]
            other.execute("update hash_types.t set n = 1; delete from hash_types.t where user_id = 'u2'")
            with model.rows([row[HASH_COLUMNS[0]] for row in before[:2]]) as reading:
                rows = [row for batch in reading for row in batch.to_pylist()]
    assert [(row["user_id"], row["n"]) for row in rows] == [("u1", 0), ("u2", 0)]
    assert [{name: row[name] for name in HASH_COLUMNS} for row in rows] == before[:2]
    assert reading.names == ["user_id", "n"]


def test_rows_are_asked_for_by_thousands_of_keys_and_null_is_one(warehouse: Warehouse) -> None:
    sql = "select case when i > 1 then 'u' || i end as user_id, i as n from generate_series(1, 9000) i"
    keys = [key for key, _ in hashes(warehouse, sql)]
    with hashed(warehouse, sql) as model, model.rows(keys[:5000]) as reading:
        assert sum(batch.num_rows for batch in reading) == 5000


@pytest.mark.parametrize("type_", HASHED)
def test_every_row_comes_with_the_same_hashes_by_copy(warehouse: Warehouse, type_: str) -> None:
    values = ", ".join(f"({value})" for value in [*HASHED[type_], "null"])
    sql = f"select 'u' || row_number() over () as user_id, x::{type_} as x from (values {values}) as v(x) -- the end"
    with hashed(warehouse, sql) as model, model.every_row() as reading:
        batches = list(reading)
    found = [pair for batch in batches
             for pair in zip(*(batch.column(name).to_pylist() for name in HASH_COLUMNS), strict=True)]
    assert reading.path == ("adbc" if type_ == '"char"' else "postgres copy")
    assert reading.names == ["user_id", "x"]
    assert {tuple(batch.schema.names) for batch in batches} == {("user_id", "x", *HASH_COLUMNS)}
    assert sorted(found) == sorted(hashes(warehouse, sql))


def test_every_row_comes_by_adbc_where_copy_is_not_exact_and_is_cancelled_there(warehouse: Warehouse) -> None:
    sql = """select pg_sleep(0.01)::text as user_id, 'a'::"char" as x from generate_series(1, 5000)"""
    with hashed(warehouse, sql) as model:
        timer = threading.Timer(0.2, warehouse.cancel)
        timer.start()
        try:
            with pytest.raises(WarehouseError, match="was cancelled"):
                list(model.every_row())
        finally:
            timer.join()


def test_reading_is_all_that_it_needs(warehouse: Warehouse, postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute("""
            drop table if exists hash_types.small;
            create table hash_types.small as select 'u' as user_id;
            create or replace function hash_types.write() returns text language sql
                as $$ insert into hash_types.small values ('v') returning user_id $$;
            drop role if exists hash_reader;
            create role hash_reader login;
            grant usage on schema hash_types to hash_reader;
            grant select on hash_types.small to hash_reader""")
        [(database,)] = other.execute("select current_database()").fetchall()
        other.execute(f"revoke temporary on database {database} from public")
        try:
            url = make_url(postgres_url).set(username="hash_reader").render_as_string(hide_password=False)
            with open_warehouse(url) as reader, hashed(reader, "select * from hash_types.small") as model:
                assert model.total().rows == 1
            with open_warehouse(url) as reader, hashed(reader, "select hash_types.write() as user_id") as model, \
                    pytest.raises(WarehouseError, match="read-only"):
                model.total()
        finally:
            other.execute(f"grant temporary on database {database} to public")
            other.execute("drop owned by hash_reader; drop role hash_reader")


def test_the_function_names_the_server_and_what_is_hashed(warehouse: Warehouse) -> None:
    def function(sql: str) -> str:
        with hashed(warehouse, sql) as model:
            return model.function

    one = function("select 'u' as user_id, 1::int8 as n")
    assert one.startswith("PostgreSQL ")
    assert "UTF8" in one
    assert one == function("select 'v' as user_id, 2::int8 as n from generate_series(1, 3)")
    assert len({one, *map(function, ("select 'u' as user_id, 1::int4 as n", "select 'u' as user_id, 1::int8 as m",
                                     "select 1::int8 as n, 'u' as user_id", "select 'u' as user_id, date 'today' as n"))
                }) == 5


@pytest.mark.parametrize(("answer", "why"), [
    ("select 'PostgreSQL 13', 'UTF8', 0", "no hash_record_extended"),
    ("select 'PostgreSQL 18', 'SQL_ASCII', 1", "in SQL_ASCII"),
    ("select 'Redshift', current_setting('no.such'), 1", "not PostgreSQL")])
def test_a_server_without_the_function_or_without_an_encoding_is_read_as_before(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, answer: str, why: str
) -> None:
    monkeypatch.setattr(module, "_SERVER", answer)
    assert why in why_not(warehouse, "select 'u' as user_id")


def test_a_setting_that_hides_all_types_from_adbc_is_named(postgres_url: str) -> None:
    with open_warehouse(f"{postgres_url}&options=-cquote_all_identifiers%3Don") as quoting:
        assert "quote_all_identifiers" in why_not(quoting, "select 'u' as user_id, 1 as n")


def test_a_model_without_its_key_or_with_columns_of_these_names_is_read_as_before(warehouse: Warehouse) -> None:
    assert "column is missing" in why_not(warehouse, "select 1 as other")
    assert "name that is taken" in why_not(warehouse, f"select 'u' as user_id, 1 as {HASH_COLUMNS[1]}")


def test_errors_are_those_of_a_reading(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError, match="no_such"):
        warehouse.hashed("select no_such as user_id", {}, key=["user_id"])
    with pytest.raises(ModelError, match="more than once"):
        warehouse.hashed("select 'u' as user_id, 1 as a, 2 as a", {}, key=["user_id"])
    with hashed(warehouse, "select 'u' as user_id, 1 / (1 - i) as n from generate_series(0, 1) i") as model, \
            pytest.raises(WarehouseError, match="division by zero"):
        list(model.hashes())


@pytest.mark.parametrize("ask", [lambda model: model.total(), lambda model: list(model.hashes()),
                                 lambda model: list(model.every_row()), lambda model: list(model.rows(None))])
def test_a_query_of_hashes_is_cancelled(warehouse: Warehouse, ask: Callable[[HashedModel], object]) -> None:
    with hashed(warehouse, "select pg_sleep(0.01)::text as user_id from generate_series(1, 5000)") as model:
        timer = threading.Timer(0.2, warehouse.cancel)
        timer.start()
        try:
            with pytest.raises(WarehouseError, match="was cancelled"):
                ask(model)
        finally:
            timer.join()


def test_quoted_names_parameters_and_comments(warehouse: Warehouse) -> None:
    sql = """select :partition as user_id, 1::int8 as "it's ""odd"" %s {0}" from pg_class limit 2 -- the end"""
    with warehouse.hashed(sql, {"partition": "a'b"}, key=["user_id"]) as model:
        assert model.total().rows == 2
