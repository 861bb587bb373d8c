"""Warehouses with row hashes of texts that can be run here: Snowflake's on fakesnow, Redshift's on PostgreSQL."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import psycopg
import pytest
from sqlalchemy import Engine, make_url

from candu_sync.warehouse import HashedModel, Warehouse
from candu_sync.warehouse import warehouse as module
from candu_sync.warehouse.connect import open_engine

Run = Callable[[str], None]


def on_fakesnow(engine: Engine) -> Run:
    """Runs statements on fakesnow, which gets a function that it does not have: it is what Snowflake's manual says of
    it, the lower half of an MD5 as a number without a sign."""
    import fakesnow.server

    def run(sql: str) -> None:
        with engine.connect() as connection:
            for statement in sql.split(";"):
                connection.exec_driver_sql(statement)
            connection.commit()

    run("select 1")
    # sqlglot writes the name like this.
    fakesnow.server.shared_fs.duck_conn.cursor().execute("""
        create or replace macro WH.PUBLIC.m_d5_number_lower64(x) as
        ('0x' || substr(md5(x), 17))::ubigint::decimal(38, 0)""")
    return run


def on_postgres(url: str) -> Run:
    """Runs statements on a PostgreSQL, which gets the one function of Redshift's that it does not have."""

    def run(sql: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(sql)

    run("""
        create or replace function strtol(text, int) returns bigint immutable language sql
        as $$ select ('x' || lpad($1, 16, '0'))::bit(64)::bigint $$""")
    return run


def redshift(url: str) -> Warehouse:
    """A PostgreSQL that is read and hashed as a Redshift."""
    address = make_url(url).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
    warehouse = Warehouse(open_engine(address), row_hashes="all")
    warehouse.dialect = "redshift"
    return warehouse


def use_redshifts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each PostgreSQL be hashed as a Redshift: its queries see rows of different moments."""
    hashes_of = module.hashes_of
    monkeypatch.setattr(module, "hashes_of", lambda dialect, read: hashes_of("redshift", read))


def pairs(model: HashedModel) -> list[tuple[int, int]]:
    """The hashes of key and row."""
    return [tuple(row.values()) for batch in model.hashes() for row in batch.to_pylist()]


def text_of(values: Sequence[object], longest: int, mark: str = "r") -> str:
    """A row's text as the page of ``text_forms`` has it: of texts, whole numbers and nulls."""
    parts = [mark]
    for value in values:
        if isinstance(value, str) and len(value.encode()) > longest:
            parts.append("m" + hashlib.md5(value.encode()).hexdigest())
        elif isinstance(value, str):
            parts.append(f"{len(value.encode())} {value}")
        else:
            parts.append("!" if value is None else f"{value} ")
    return "".join(parts)
