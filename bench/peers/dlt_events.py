"""The drill's events by dlt: an incremental resource and a custom destination, as dlt's docs have them.

https://dlthub.com/docs/dlt-ecosystem/destinations/destination ("Custom destination: Reverse ETL")
Run by the Python of an environment that has dlt; see ``kill_drill.py``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import dlt
import duckdb
from dlt.sources.helpers import requests


@dlt.destination(batch_size=int(os.environ["DRILL_BATCH"]), name="candu", naming_convention="direct",
                 skip_dlt_columns_and_tables=True)
def candu(items: list[dict[str, Any]], table: Any) -> None:
    body = [{"type": "track", "userId": row["user_id"], "event": "happened", "properties": {"id": row["id"]}}
            for row in items]
    requests.post(f"{os.environ['DRILL_URL']}/eventWebhook", json=body,
                  headers={"authorization": f"Bearer {os.environ['DRILL_KEY']}"}).raise_for_status()


@dlt.resource(name="events")
def events(number: Any = dlt.sources.incremental("id")) -> Iterator[list[dict[str, Any]]]:  # noqa: B008
    with duckdb.connect(os.environ["DRILL_WAREHOUSE"], read_only=True) as connection:
        found = connection.execute("SELECT id, user_id FROM events WHERE id > ?", [number.last_value or 0])
        yield [{"id": id_, "user_id": user} for id_, user in found.fetchall()]


if __name__ == "__main__":
    # A run that finds packages of an earlier one loads those, and reads nothing new: hence the second.
    pipeline = dlt.pipeline("drill", destination=candu, pipelines_dir=os.environ["DRILL_FOLDER"])
    had_pending = pipeline.has_pending_data
    pipeline.run(events())
    if had_pending:
        pipeline.run(events())
