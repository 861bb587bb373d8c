"""A first run by dlt: users of a DuckDB table to Candu, by a custom destination, as dlt's docs have it for reverse ETL.

https://dlthub.com/docs/dlt-ecosystem/destinations/destination; arranged for speed as dlt's "Optimizing dlt" says: Arrow
tables go through as Parquet, in files of their own so that they load side by side. The warehouse, Candu's address and
dlt's folder come by the environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import dlt
import duckdb
import requests
from dlt.common.json import json

ROWS_A_FILE = 25_000
_sessions = requests.Session()


@dlt.destination(batch_size=100, name="candu", naming_convention="direct", loader_file_format="parquet",
                 skip_dlt_columns_and_tables=True, max_parallel_load_jobs=4)
def candu(items: Any, table: Any) -> None:
    body = [{"type": "identify", "userId": row.pop("user_id"), "traits": row} for row in items.to_pylist()]
    _sessions.post(f"{os.environ['BENCH_URL']}/eventWebhook", data=json.dumpb(body),
                   headers={"authorization": "Bearer bench", "content-type": "application/json"}).raise_for_status()


@dlt.resource(name="users")
def users() -> Iterator[Any]:
    with duckdb.connect(os.environ["BENCH_WAREHOUSE"], read_only=True) as connection:
        yield from connection.execute("SELECT * FROM u").to_arrow_reader(ROWS_A_FILE)


if __name__ == "__main__":
    dlt.config["data_writer.file_max_items"] = ROWS_A_FILE
    pipeline = dlt.pipeline("bench", destination=candu, pipelines_dir=os.environ["BENCH_FOLDER"])
    pipeline.run(users())
