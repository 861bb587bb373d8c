"""The made-up data: users with 20 mixed traits, the same in DuckDB, PostgreSQL and Parquet.

6 whole numbers, 4 decimals, 6 texts, 2 booleans, 2 timestamps with zone. The functions here run in processes of their
own (``child``); each makes what is missing and leaves what is there.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TRAITS = 20

# Rows of the CSV that goes into PostgreSQL at a time.
_CHUNK = 500_000

# Of the rows of the older side: changed in one trait, gone, and as many that are new.
CHANGED, REMOVED, ADDED = 0.01, 0.005, 0.005


def rows_sql(start: int, end: int, *, changed: bool = False) -> str:
    """A query for the users from ``start`` to ``end``; ``changed``: every hundredth has another ``count_0``."""
    more = " + CASE WHEN i % 100 = 7 THEN 1000 ELSE 0 END" if changed else ""
    columns = [f"(hash(i * {n + 3}) % 1000)::BIGINT{more if n == 0 else ''} AS count_{n}" for n in range(6)]
    columns += [f"((hash(i * {n + 31}) % 100000) / 100)::DECIMAL(12, 2) AS amount_{n}" for n in range(4)]
    columns += [f"'text ' || hash(i * {n + 57}) % 10000 AS text_{n}" for n in range(6)]
    columns += [f"hash(i * {n + 91}) % 2 = 0 AS flag_{n}" for n in range(2)]
    columns += [f"TIMESTAMPTZ '2026-01-01 00:00:00+00' + INTERVAL (hash(i * {n + 71}) % 10000000) SECOND AS at_{n}"
                for n in range(2)]
    return f"SELECT 'user_' || i AS user_id, {', '.join(columns)} FROM range({start}, {end}) t(i)"


def duckdb_table(path: str, rows: int) -> None:
    """The table ``u`` in a DuckDB file."""
    import duckdb

    with _complete(path) as new, duckdb.connect(str(new)) as warehouse:
        warehouse.execute(f"CREATE TABLE u AS {rows_sql(0, rows)}")


def generated_table(path: str, rows: int) -> None:
    """A DuckDB file whose ``u`` has so many users with three traits; they are made while they are read."""
    import duckdb

    with _complete(path) as new, duckdb.connect(str(new)) as warehouse:
        warehouse.execute("CREATE TABLE changed AS SELECT -1::BIGINT AS i")
        warehouse.execute(
            "CREATE VIEW u AS SELECT 'user_' || r.i AS user_id, (hash(r.i) % 1000)::BIGINT + "
            "(r.i = (SELECT i FROM changed))::BIGINT AS count_0, hash(r.i * 7) % 2 = 0 AS flag_0, "
            f"'text ' || hash(r.i * 57) % 10000 AS text_0 FROM range({rows}) r(i)")


def change_generated(path: str, row: int) -> None:
    """Change one value of ``generated_table``."""
    import duckdb

    with duckdb.connect(path) as warehouse:
        warehouse.execute("UPDATE changed SET i = ?", [row])


def wide_table(path: str, columns: int) -> None:
    """A thousand users with so many whole numbers, as the table ``wide``."""
    import duckdb

    listed = ", ".join(f"(hash(i * {n + 3}) % 1000)::BIGINT AS c_{n}" for n in range(columns))
    with _complete(path) as new, duckdb.connect(str(new)) as warehouse:
        warehouse.execute(f"CREATE TABLE wide AS SELECT 'user_' || i AS user_id, {listed} FROM range(1000) t(i)")


def parquet_pair(old: str, new: str, rows: int) -> None:
    """Two sides of a diff: ``CHANGED``, ``REMOVED`` and ``ADDED`` of the rows, zstd."""
    import duckdb

    gone = int(rows * REMOVED)
    for path, sql in ((old, rows_sql(0, rows)), (new, rows_sql(gone, rows + int(rows * ADDED), changed=True))):
        with _complete(path) as unfinished, duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(f"COPY ({sql}) TO '{unfinished}' (FORMAT parquet, COMPRESSION zstd)")


def parquet_view(path: str, parquet: str) -> None:
    """A DuckDB file whose ``u`` is a Parquet file."""
    import duckdb

    with _complete(path) as new, duckdb.connect(str(new)) as warehouse:
        warehouse.execute(f"CREATE VIEW u AS FROM read_parquet('{parquet}')")


def expected(rows: int) -> dict[str, int]:
    """What a diff of ``parquet_pair`` must find."""
    gone, added = int(rows * REMOVED), int(rows * ADDED)
    return {"added": added, "removed": gone, "changed": len(range(gone + (7 - gone) % 100, rows, 100))}


@contextlib.contextmanager
def _complete(path: str) -> Iterator[Path]:
    """A path to make a file at, which gets its name when it is whole."""
    new = Path(f"{path}.new")
    new.parent.mkdir(parents=True, exist_ok=True)
    new.unlink(missing_ok=True)
    yield new
    os.replace(new, path)


def postgres_table(url: str, rows: int) -> None:
    """The table ``u_<rows>`` in PostgreSQL, by COPY, vacuumed as it would be soon after."""
    import duckdb
    import psycopg

    with psycopg.connect(url, autocommit=True) as server, duckdb.connect() as maker:
        server.execute("CREATE TABLE unfinished (user_id text, "
                       + ", ".join([f"count_{n} bigint" for n in range(6)]
                                   + [f"amount_{n} numeric(12, 2)" for n in range(4)]
                                   + [f"text_{n} text" for n in range(6)] + [f"flag_{n} boolean" for n in range(2)]
                                   + [f"at_{n} timestamptz" for n in range(2)]) + ")")
        maker.execute("SET TimeZone = 'UTC'")
        for start in range(0, rows, _CHUNK):
            _copy(server, maker, rows_sql(start, min(rows, start + _CHUNK)))
        server.execute(f"ALTER TABLE unfinished RENAME TO u_{rows}")
        server.execute(f"VACUUM ANALYZE u_{rows}")


def _copy(server: Any, maker: Any, sql: str) -> None:
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".csv") as csv:
        maker.execute(f"COPY ({sql}) TO '{csv.name}' (FORMAT csv, HEADER false)")
        with server.cursor().copy("COPY unfinished FROM STDIN (FORMAT csv)") as copy, open(csv.name, "rb") as lines:
            while piece := lines.read(1 << 20):
                copy.write(piece)


def has_postgres_table(url: str, rows: int) -> dict[str, bool]:
    """Whether it is there; one that was not finished is dropped."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as server:
        server.execute("DROP TABLE IF EXISTS unfinished")
        found = server.execute("SELECT to_regclass(%s)", [f"u_{rows}"]).fetchone()
    return {"there": bool(found and found[0])}


def crowd(url: str, database: str, tables: int) -> None:
    """A database with the table ``small`` of 100 users, and so many other tables of ten columns."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(url, autocommit=True) as server:
        if server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
            return
        server.execute("DROP DATABASE IF EXISTS unfinished")
        server.execute("CREATE DATABASE unfinished")
    columns = ", ".join(f"c{n} {'text' if n % 2 else 'bigint'}" for n in range(10))
    users = ", ".join([*(f"i * {n + 3} AS count_{n}" for n in range(4)), *(f"'t' || i AS text_{n}" for n in range(4))])
    with psycopg.connect(url, dbname="unfinished", autocommit=True) as server:
        for start in range(0, tables, 100):
            server.execute("; ".join(f"CREATE TABLE other_{n} ({columns})"
                                     for n in range(start, min(tables, start + 100))).encode())
        server.execute(f"CREATE TABLE small AS SELECT 'user_' || i AS user_id, {users} "
                       "FROM generate_series(1, 100) t(i)".encode())
        server.execute("VACUUM ANALYZE")
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(sql.SQL("ALTER DATABASE unfinished RENAME TO {}").format(sql.Identifier(database)))


def change(url: str, table: str, tick: int) -> None:
    """Change one trait of 1 % of a warehouse's rows (a multiple of 100), of others at each of 90 ticks."""
    # Ids end in one digit below 10, so that 00 to 09 would miss a row.
    test = f"right(user_id, 2) = '{10 + tick % 90}'"
    update = f"UPDATE {table} SET count_0 = count_0 + 1000 WHERE {test}"
    if url.startswith("duckdb"):
        import duckdb

        with duckdb.connect(url.removeprefix("duckdb:///")) as warehouse:
            warehouse.execute(update)
        return
    import psycopg

    with psycopg.connect(url, autocommit=True) as server:
        server.execute(update)
        server.execute(f"VACUUM {table}")
