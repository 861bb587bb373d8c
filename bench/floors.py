"""Floors: what a stage cannot be faster than, since it does nothing but what the stage must do at least.

Each function runs in a process of its own (``child``) and returns its seconds without imports.
"""

from __future__ import annotations

import threading
import time
from typing import Any


def server_copy(url: str, table: str) -> dict[str, Any]:
    """PostgreSQL writes the table to /dev/null by itself: no client, no wire."""
    import psycopg

    with psycopg.connect(url) as server:
        began = time.perf_counter()
        server.execute(f"COPY (SELECT * FROM {table}) TO '/dev/null' (FORMAT binary)")
        return {"seconds": time.perf_counter() - began}


def client_copy(url: str, table: str) -> dict[str, Any]:
    """The same bytes to a client, psycopg, that throws them away."""
    import psycopg

    with psycopg.connect(url) as server:
        began = time.perf_counter()
        taken = 0
        with server.cursor().copy(f"COPY (SELECT * FROM {table}) TO STDOUT (FORMAT binary)") as copy:
            for piece in copy:
                taken += len(piece)
        return {"seconds": time.perf_counter() - began, "bytes": taken}


def adbc(url: str, table: str) -> dict[str, Any]:
    """ADBC alone: Arrow batches, thrown away."""
    import adbc_driver_postgresql.dbapi as driver  # type: ignore[import-untyped]

    with driver.connect(url) as connection, connection.cursor() as cursor:
        began, worked = time.perf_counter(), time.process_time()
        cursor.execute(f"SELECT * FROM {table}")
        rows = sum(batch.num_rows for batch in cursor.fetch_record_batch())
        return {"seconds": time.perf_counter() - began, "rows": rows, "work_cpu": time.process_time() - worked}


def duckdb_arrow(url: str, table: str) -> dict[str, Any]:
    """DuckDB's own Arrow batches, thrown away."""
    import duckdb

    with duckdb.connect(url.removeprefix("duckdb:///"), read_only=True) as connection:
        began = time.perf_counter()
        rows = sum(batch.num_rows for batch in connection.sql(f"FROM {table}").to_arrow_reader(50_000))
        return {"seconds": time.perf_counter() - began, "rows": rows}


def parquet_pyarrow(old: str, new: str) -> dict[str, Any]:
    """Both sides of a diff read once by pyarrow, thrown away."""
    import pyarrow.parquet as pq

    began = time.perf_counter()
    rows = sum(batch.num_rows for path in (old, new) for batch in pq.ParquetFile(path).iter_batches(100_000))
    return {"seconds": time.perf_counter() - began, "rows": rows}


def parquet_duckdb(old: str, new: str) -> dict[str, Any]:
    """Both sides of a diff read once by DuckDB as Arrow batches, thrown away."""
    import duckdb

    began = time.perf_counter()
    with duckdb.connect() as connection:
        connection.execute("SET preserve_insertion_order = false")
        rows = sum(batch.num_rows for path in (old, new)
                   for batch in connection.sql(f"FROM read_parquet('{path}')").to_arrow_reader(100_000))
    return {"seconds": time.perf_counter() - began, "rows": rows}


def parquet_max(old: str, new: str) -> dict[str, Any]:
    """Both sides read once inside DuckDB: the largest value of each column, which only the values show."""
    import duckdb

    began = time.perf_counter()
    with duckdb.connect() as connection:
        for path in (old, new):
            connection.execute(f"SELECT max(COLUMNS(*)) FROM read_parquet('{path}')").fetchall()
    return {"seconds": time.perf_counter() - began}


def httpx_alone(url: str, requests: int, size: int, threads: int) -> dict[str, Any]:
    """httpx posting one fixed body of ``size`` bytes, by threads that have a client each.

    They share one TLS context, as candu-sync's do: reading the certificates takes longer than many requests.
    """
    import httpx

    context = httpx.create_ssl_context()
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
    body = b"[" + b"x" * (size - 2) + b"]"
    numbers = iter(range(requests))
    lock = threading.Lock()

    def work() -> None:
        with httpx.Client(verify=context, limits=limits) as client:
            while True:
                with lock:
                    if next(numbers, None) is None:
                        return
                client.post(f"{url}/eventWebhook", content=body).raise_for_status()

    workers = [threading.Thread(target=work) for _ in range(threads)]
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return {"seconds": time.perf_counter() - began}
