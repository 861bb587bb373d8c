"""A diff by DuckDB's full outer join of all columns: ``python diff_duckdb.py OLD NEW``."""

from __future__ import annotations

import json
import sys
import time

import duckdb


def main(old: str, new: str) -> None:
    began = time.perf_counter()
    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = false")
    columns = [row[0] for row in connection.execute(f"DESCRIBE FROM read_parquet('{old}')").fetchall()]
    differs = " OR ".join(f"o.{c} IS DISTINCT FROM n.{c}" for c in columns if c != "user_id")
    connection.execute(
        f"CREATE TABLE found AS SELECT coalesce(n.user_id, o.user_id) AS user_id, "
        f"CASE WHEN o.user_id IS NULL THEN 'added' WHEN n.user_id IS NULL THEN 'removed' ELSE 'changed' END AS op, "
        f"n.* EXCLUDE (user_id) FROM read_parquet('{old}') o FULL OUTER JOIN read_parquet('{new}') n USING (user_id) "
        f"WHERE o.user_id IS NULL OR n.user_id IS NULL OR {differs}")
    counts = dict(connection.execute("SELECT op, count(*) FROM found GROUP BY op").fetchall())
    print(json.dumps({"seconds": time.perf_counter() - began, **counts}))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
