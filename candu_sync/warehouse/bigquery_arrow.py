"""BigQuery's own Arrow batches, by ``to_arrow_iterable`` of a query job's rows, over its Storage API.

https://cloud.google.com/python/docs/reference/bigquery/latest/google.cloud.bigquery.table.RowIterator names the method;
parameters are BigQuery's named ones (``@name``), bound by the server with their types.
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from typing import Any

import pyarrow as pa

from candu_sync.errors import WarehouseError
from candu_sync.sql_text import placed
from candu_sync.warehouse.bounds import bigquery_advice
from candu_sync.warehouse.faults import Errors, described, translated
from candu_sync.warehouse.json_values import scalars
from candu_sync.warehouse.query import Query
from candu_sync.warehouse.reading import Batches, Reading, refuse_duplicates
from candu_sync.warehouse.tags import labels
from candu_sync.warehouse.urls import connecting


def read_bigquery(query: Query) -> Reading | None:
    """Streams the query in the batches that BigQuery makes; None when the engine has a client that is not ours."""
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    errors: Errors = (GoogleAPIError, GoogleAuthError, pa.ArrowException)
    with ExitStack() as stack:
        with connecting(query.engine.url, *errors):
            client = _client(query, stack)
            if client is None:
                return None
            storage = _storage(query.engine.dialect, stack)
        with translated(*errors):
            job = client.query(_sql(query), job_config=_config(query))
            query.cancel_by(job.cancel, stack)
            try:
                rows = job.result()
            except GoogleAPIError as error:
                if advice := bigquery_advice(str(error), query.timezone):
                    raise WarehouseError(f"the warehouse refused the query: {described(error)}{advice}") from None
                raise
        names = [field.name for field in rows.schema]
        refuse_duplicates(names)
        json = {index for index, field in enumerate(rows.schema) if field.field_type == "JSON"}
        return Reading(query, "bigquery arrow", names, _batches(rows, storage, names, json), stack.pop_all(), errors)


def described_bigquery(query: Query) -> list[Any] | None:
    """The query's columns (``SchemaField``) by a dry run, which is free; None when the engine has a client that is not
    ours."""
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    errors: Errors = (GoogleAPIError, GoogleAuthError)
    with ExitStack() as stack:
        with connecting(query.engine.url, *errors):
            client = _client(query, stack)
        if client is None:
            return None
        config = _config(query)
        config.dry_run = True
        with translated(*errors):
            return list(client.query(_sql(query), job_config=config).schema or ())


def _client(query: Query, stack: ExitStack) -> Any:
    dialect: Any = query.engine.dialect
    client = dialect.create_connect_args(query.engine.url)[1].get("client")
    if client is not None:
        stack.callback(client.close)
    return client


def _sql(query: Query) -> str:
    return placed(query.sql, "bigquery", lambda name: f"@{name}")


def _config(query: Query) -> Any:
    from google.cloud import bigquery

    config = bigquery.QueryJobConfig(query_parameters=[
        bigquery.ScalarQueryParameter(name, "STRING" if isinstance(value, str) else "TIMESTAMP", value)
        for name, value in query.values.items()])
    config.labels = labels(query.tag)
    if query.timeout is not None:
        config.job_timeout_ms = math.ceil(query.timeout * 1000) + 1000
    return config


def _storage(dialect: Any, stack: ExitStack) -> Any:
    """A client of the Storage API with the credentials of the URL, or the machine's."""
    from google.cloud import bigquery_storage

    client: Any = bigquery_storage.BigQueryReadClient
    if dialect.credentials_path:
        storage = client.from_service_account_file(dialect.credentials_path)
    elif dialect.credentials_info:
        storage = client.from_service_account_info(dialect.credentials_info)
    else:
        storage = client()
    return stack.enter_context(storage)


def _batches(rows: Any, storage: Any, names: list[str], json: set[int]) -> Batches:
    # One stream: several would be read ahead into memory.
    for batch in rows.to_arrow_iterable(bqstorage_client=storage, max_stream_count=1):
        yield from scalars(pa.RecordBatch.from_arrays(batch.columns, names=names), json)
