"""Our parameters are found where SQL reads a value, and every other colon stays the SQL's own."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import Dialect

from candu_sync.errors import ModelError, WarehouseError
from candu_sync.sql_text import NEEDS, bindable, dollar_parameters, one_query, parameters_in, used_values

REAL = [
    ("select * from t where k = :partition", {"partition"}),
    ("where at >= :window_start and at < :window_end", {"window_start", "window_end"}),
    ("where at > :since::timestamp", {"since"}),
    ("select array[:partition], (:partition), f(:partition,1)", {"partition"}),
    ("select ':since' || :partition", {"partition"}),
    ("select 'it''s' || :partition", {"partition"}),
    (r"select e'it\'s :since' || :partition", {"partition"}),
    (r"select 'a\' || :partition", {"partition"}),
    ("/* /* :since */ :since */ select :partition", {"partition"}),
    ("-- it's :since\nselect :partition", {"partition"}),
    ("select $$it's :since$$, $a$ $$ :since $a$, :partition", {"partition"}),
    ('select ":since", `:since`, :partition', {"partition"}),
    ("select a[1:2], b :: text, :partition", {"partition"}),
    ("select {'a': :partition}", {"partition"}),
]

NOT_OURS = [
    "select now()::date",
    "select '10:30:00'",
    "select payload:plan, payload:partition from t",
    "select payload['a']:partition, f(x):partition, \"q\":partition, 'q':partition",
    "select a[1:partition]",
    "select x::partition",
    "select f(a := 1)",
    "select :partition_id, :sinces, :since$1, :other",
    "select 1 -- :since",
    "select 1 /* :since",
    "select ':since",
    "select 1 # 2",
]


@pytest.mark.parametrize(("sql", "names"), REAL)
def test_a_parameter_is_found_in_the_place_of_a_value(sql: str, names: set[str]) -> None:
    assert parameters_in(sql) == names


@pytest.mark.parametrize("sql", NOT_OURS)
def test_another_colon_is_the_sqls_own(sql: str) -> None:
    assert parameters_in(sql) == set()
    assert str(text(bindable(sql)).compile()) == sql
    assert dollar_parameters(sql) == sql


@pytest.mark.parametrize(
    ("dialect", "sql", "names"),
    [
        ("sqlite", "select [it's :since], :partition", {"partition"}),
        ("postgresql", "select array[:since]", {"since"}),
        ("sqlite", "select /* /* */ :partition", {"partition"}),
        ("mysql", r"select 'it\'s :since', :partition", {"partition"}),
        ("mysql", "select 1 # it's\n where k = :partition", {"partition"}),
        ("postgresql", "select 1 # 2, 'x', :partition", {"partition"}),
        ("snowflake", r"select 'it\'s', payload:since, :partition", {"partition"}),
    ],
)
def test_each_dialect_quotes_in_its_own_way(dialect: str, sql: str, names: set[str]) -> None:
    assert parameters_in(sql, dialect) == names


def test_text_binds_our_parameters_and_no_others() -> None:
    clause = text(bindable("select payload:plan, :partition::text, ':since', a.x[:since] -- :window_end"))
    compiled = clause.compile(dialect=PGDialect_psycopg())  # type: ignore[no-untyped-call]
    assert set(compiled.params) == {"partition", "since"}
    assert str(compiled) == "select payload:plan, %(partition)s::text, ':since', a.x[%(since)s] -- :window_end"


def test_duckdb_gets_its_own_form() -> None:
    assert dollar_parameters("select a::int, :partition::text, ':since'") == "select a::int, $partition::text, ':since'"


PIECES = st.lists(st.sampled_from([*": \\'\"$`[]()-/*\na1E%;é", ":since", "partition", "%(", ")s"]))


@given(PIECES.map("".join), st.sampled_from([None, sqlite.dialect(paramstyle="named")]))
def test_sql_without_our_parameters_goes_through_sqlalchemy_unchanged(sql: str, dialect: Dialect | None) -> None:
    if not parameters_in(sql):
        assert str(text(bindable(sql)).compile(dialect=dialect)) == sql


@given(PIECES.map("".join))
def test_sqlalchemy_binds_exactly_the_parameters_that_were_found(sql: str) -> None:
    assert set(text(bindable(sql)).compile().params) == parameters_in(sql)


@given(st.text(), st.sampled_from(["'", '"', "`"]))
def test_nothing_inside_quotes_is_a_parameter(content: str, quote: str) -> None:
    quoted = content.replace(quote, quote * 2)
    assert parameters_in(f"select {quote}{quoted} :since{quote}, :partition") == {"partition"}


@pytest.mark.parametrize("name", sorted(NEEDS))
def test_a_parameter_without_a_value_says_which_setting_gives_it(name: str) -> None:
    with pytest.raises(ModelError, match=f":{name}.*{re.escape(NEEDS[name])}"):
        used_values(f"select :{name}", {})


def test_values_that_are_not_used_are_left_out() -> None:
    assert used_values("select :partition, ':since'", {"partition": "eu", "since": "x"}) == {"partition": "eu"}


@pytest.mark.parametrize(
    "sql", ["select 1", "select ';' -- a; b\n", "select 1 /* ; */", "with a as (select 1) select * from a"]
)
def test_one_query_stays_as_it_is(sql: str) -> None:
    assert one_query(sql) == sql
    assert one_query(f"{sql}\n;;\n-- the end").strip() == sql.strip()


def test_two_statements_are_refused() -> None:
    with pytest.raises(ModelError, match="more than one statement"):
        one_query("select 1; select 2")


@pytest.mark.parametrize("sql", ["", "  ;", "-- nothing yet\n", "/* select 1 */"])
def test_an_empty_model_is_refused(sql: str) -> None:
    with pytest.raises(ModelError, match="empty"):
        one_query(sql)


@pytest.mark.parametrize("sql", ["-- a\nINSERT into t values (1)", "(delete from t)", "drop table t", "copy t to 'x'"])
def test_a_statement_that_writes_is_refused_by_its_name(sql: str) -> None:
    with pytest.raises(WarehouseError, match=r"begins with (INSERT|DELETE|DROP|COPY); a model is one SELECT"):
        one_query(sql)
