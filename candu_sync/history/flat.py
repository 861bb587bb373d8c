"""The ledger's rows of one run as plain columns, for tables that others read.

| column          | Arrow type              |                                                                       |
|-----------------|-------------------------|-----------------------------------------------------------------------|
| `run_id`        | string                  | the run that sent the row                                             |
| `sync`          | string                  |                                                                       |
| `partition_key` | string                  | null: the sync has no partitions                                      |
| `row_key`       | string                  |                                                                       |
| `user_id`       | string                  | null: an invalid row that has none                                    |
| `group_id`      | string                  | groups                                                                |
| `message_type`  | string                  | identify, group, track                                                |
| `event`         | string                  | events                                                                |
| `outcome`       | string                  | accepted, refused, invalid, uncertain                                 |
| `status`        | int32                   | of the answer that refused the row                                    |
| `reason`        | string                  | why it was refused, or cannot be sent                                 |
| `attempts`      | int32                   | how many requests carried the row                                     |
| `answered_at`   | timestamp[us], UTC      | when it was answered; of uncertain and invalid rows: of the commit    |
| `message_id`    | string                  | the messageId that Candu received                                     |
| `traits`        | string                  | JSON: the traits that the message carried, as ``history --json``      |
"""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from candu_sync.changes import uuid_text
from candu_sync.embedded import literal
from candu_sync.history.layout import BITS, ROW_GROUP, TYPES, LedgerFile

if TYPE_CHECKING:
    import pyarrow.parquet as parquet

# Rows of a batch.
BATCH = 20_000


def flat_rows(connection: duckdb.DuckDBPyConnection, about: LedgerFile, file: parquet.ParquetFile, run_id: str, *,
              sync: str, partition: str | None, values: bool,
              ) -> Generator[pa.RecordBatch, None, None]:
    """The rows of a run, ``BATCH`` at a time.

    Args:
        connection: to work in.
        about, file: as ``ledger_of`` gives them.
        sync: as it is named now: the file has the name that it had when it was written.
        values: with the old and the new value of each trait, where the file has them; else with the names alone.
    """
    names = [name for name in file.schema_arrow.names if values or name[0] not in "on" or not name[1:].isdigit()]
    schema = pa.schema([file.schema_arrow.field(name) for name in names])
    batches = file.iter_batches(batch_size=ROW_GROUP, columns=names)
    reader = pa.RecordBatchReader.from_batches(schema, (batch.cast(schema) for batch in batches))
    connection.register("ledger", reader)
    try:
        yield from connection.sql(_query(about, names, run_id, sync, partition)).to_arrow_reader(BATCH)
    finally:
        connection.unregister("ledger")
        reader.close()


def _query(about: LedgerFile, names: list[str], run_id: str, sync: str, partition: str | None) -> str:
    columns = {
        "run_id": "run_id", "sync": literal(sync),
        "partition_key": "NULL::VARCHAR" if partition is None else literal(partition),
        "row_key": "coalesce(key, user_id)", "user_id": "user_id",
        "group_id": "group_id" if "group_id" in names else "NULL::VARCHAR",
        "message_type": literal(TYPES[about.kind]),
        "event": "event" if "event" in names else "NULL::VARCHAR",
        "outcome": "outcome", "status": "status::INTEGER", "reason": "reason", "attempts": "attempts::INTEGER",
        "answered_at": '"at"::TIMESTAMPTZ', "message_id": uuid_text("lower(hex(digest))"),
        "traits": _traits(about, names)}
    listed = ",\n    ".join(f"{sql} AS {name}" for name, sql in columns.items())
    return f"SELECT\n    {listed}\nFROM ledger\nWHERE run_id = {literal(run_id)}"


def _traits(about: LedgerFile, names: list[str]) -> str:
    """SQL of the JSON: trait → null, or [old, new] where the file has values."""
    members = []
    for n, trait in enumerate(about.traits):
        key = literal(json.dumps(trait, ensure_ascii=False) + ":")
        both = f"'[' || coalesce(o{n}, 'null') || ',' || coalesce(n{n}, 'null') || ']'"
        values = both if f"o{n}" in names else "'null'"
        members.append(f"CASE WHEN (carried{n // BITS} >> {n % BITS}) & 1 = 1 THEN {key} || {values} END")
    return f"'{{' || concat_ws(',', {', '.join(members) or 'NULL'}) || '}}'"
