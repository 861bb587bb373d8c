"""URLs of DuckDB databases are read as SQLAlchemy reads them, without loading it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from candu_sync.warehouse.urls import duckdb_url, shown

URLS = ["duckdb://", "duckdb:///", "duckdb:///:memory:", "duckdb:///warehouse.duckdb", "duckdb:////data/a b.duckdb",
        "duckdb:///a%20b.duckdb", "duckdb:///data/ä.duckdb?threads=2", "duckdb:///a.duckdb?threads=2&threads=3&x=",
        "duckdb:///md:team?motherduck_token=a%2Bb+c", "duckdb:///s3://bucket/a.duckdb", "duckdb:///a@b:c.duckdb?a=b?c",
        "duckdb:///x#y.duckdb", "duckdb:///C:\\data\\a.duckdb", "duckdb:///?threads=2", "duckdb://?threads=2"]
OTHERS = ["duckdb://host/a.duckdb", "duckdb://me:secret@host/a", "duckdb+duckdb_engine:///a", "postgresql://h/d",
          "duckdb:/a", "duckdb", "", "DuckDB:///a"]

texts = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20)


@pytest.mark.parametrize("text", URLS)
def test_it_is_read_as_sqlalchemy_reads_it(text: str) -> None:
    same(text)


@pytest.mark.hypothesis
@given(texts.map(lambda text: text.replace("?", "")), texts)
def test_any_is_read_as_sqlalchemy_reads_it(database: str, options: str) -> None:
    same(f"duckdb:///{database}?{options}")


def same(text: str) -> None:
    ours, theirs = duckdb_url(text), make_url(text)
    assert ours is not None
    assert (ours.database, dict(ours.query)) == (theirs.database, dict(theirs.query))
    assert shown(ours) == shown(theirs)


@pytest.mark.parametrize("text", OTHERS)
def test_others_are_left_to_sqlalchemy(text: str) -> None:
    assert duckdb_url(text) is None
