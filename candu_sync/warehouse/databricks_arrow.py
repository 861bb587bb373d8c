"""Databricks' own Arrow tables, by ``fetchmany_arrow`` of its connector's cursor.

https://docs.databricks.com/en/dev-tools/python-sql-connector.html names the method. Parameters are Databricks' own
named ones, written as ours are (``:name``), and bound by the server.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pyarrow as pa

from candu_sync.warehouse.faults import Errors, translated
from candu_sync.warehouse.json_values import scalars
from candu_sync.warehouse.query import Query
from candu_sync.warehouse.reading import Batches, Reading, refuse_duplicates
from candu_sync.warehouse.sessions import prepare
from candu_sync.warehouse.urls import connecting


def read_databricks(query: Query) -> Reading | None:
    """Streams the query, ``query.batch_rows`` rows at a time."""
    from databricks.sql.exc import Error

    errors: Errors = (Error, pa.ArrowException)
    with ExitStack() as stack:
        with connecting(query.engine.url, *errors):
            connection = stack.enter_context(query.connect())
            prepare(connection, query)
        cursor: Any = connection.connection.cursor()
        stack.callback(cursor.close)
        query.cancel_by(cursor.cancel, stack)
        with translated(*errors):
            cursor.execute(query.sql, query.values or None)
        names = [column[0] for column in cursor.description]
        refuse_duplicates(names)
        variants = {index for index, column in enumerate(cursor.description) if column[1] == "variant"}
        batches = _batches(cursor, names, variants, query.batch_rows(len(names)))
        return Reading(query, "databricks arrow", names, batches, stack.pop_all(), errors)


def _batches(cursor: Any, names: list[str], variants: set[int], size: int) -> Batches:
    while (table := cursor.fetchmany_arrow(size)).num_rows:
        for batch in table.to_batches():
            yield from scalars(pa.RecordBatch.from_arrays(batch.columns, names=names), variants)
