"""What a database said reaches a person, without the values of rows."""

from __future__ import annotations

import duckdb
import psycopg
import pytest

from candu_sync.errors import WarehouseError
from candu_sync.warehouse.faults import described, translated


def test_the_name_that_is_wrong_stays_in_the_message() -> None:
    with pytest.raises(duckdb.Error) as caught:
        duckdb.connect().execute("select plann from (select 1 as plan)")
    assert 'Referenced column "plann" not found' in described(caught.value)


@pytest.mark.parametrize(
    "sql",
    [
        "select 'secret 4711'::int",
        "select (9223372036854775807::bigint + x) from (select 4711::bigint as x)",
        "select 4711::tinyint",
        "select 'secret 4711'::date",
    ],
)
def test_a_value_at_fault_is_left_out_of_duckdbs_words(sql: str) -> None:
    with pytest.raises(duckdb.Error) as caught:
        duckdb.connect().execute(sql)
    assert "secret" not in described(caught.value)
    assert "4711" not in described(caught.value)


def test_postgres_details_are_left_out_and_hints_stay(postgres_url: str) -> None:
    block = "do $$ begin raise exception 'stopped' using detail = 'secret row', hint = 'look there'; end $$"
    with psycopg.connect(postgres_url) as postgres, pytest.raises(psycopg.Error) as caught:
        postgres.execute(block)
    assert described(caught.value) == "stopped\nlook there"


def test_an_adbc_message_is_cut_to_what_the_server_said() -> None:
    error = ValueError(
        'INVALID_ARGUMENT: Failed to prepare query: ERROR:  syntax error at or near "selec"\nLINE 1: selec\n'
        "        ^\nDETAIL:  secret\n\nQuery was: selec. SQLSTATE: 42601"
    )
    assert described(error) == 'syntax error at or near "selec"\nLINE 1: selec\n        ^'


def test_only_the_errors_that_were_named_are_translated() -> None:
    with pytest.raises(WarehouseError, match=r"^it failed: no route$"), translated(OSError, doing="it failed"):
        raise OSError("no route")
    with pytest.raises(KeyError), translated(OSError):
        raise KeyError("mine")
