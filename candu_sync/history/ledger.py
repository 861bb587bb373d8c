"""Writing the ledger: the rows that a run sent, with what became of each.

The file is put before the version that the run makes. It has the name of the run. So a commit that is repeated after a
crash writes the same file again: a row is in the ledger exactly once, and only if the receipts have it.
"""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.ipc as ipc

from candu_sync.changes import INVALID, ChangeSet, json_text
from candu_sync.embedded import Embedded, arrow_file, literal, scalar
from candu_sync.history.fates import Fates, with_fates, with_fates_schema
from candu_sync.history.layout import (
    BITS,
    FOLDER,
    ROW_GROUP,
    HistoryPolicy,
    LedgerFile,
    carried_columns,
    parquet_options,
    user_hash_sql,
)
from candu_sync.history.unreported import note_run
from candu_sync.rows import Trait
from candu_sync.snapshot import Snapshot, expose
from candu_sync.state import Outcome, PartitionState, remove_folder

# The invalid rows that the ledger has already: rows that stay invalid are not added with each run.
_KNOWN_INVALID = f"{FOLDER}/invalid.arrow"

# Digests have one length, so no length is stored with each. Parquet's smallest unit of time is the millisecond.
_STORED = {"digest": pa.binary(16), "at": pa.timestamp("ms", "UTC")}

_NO_INVALID = pa.schema([("key", pa.string()), ("reason", pa.string())])


def record_run(state: PartitionState, changes: ChangeSet, outcome: Outcome, before: Snapshot, policy: HistoryPolicy, *,
               engine: Embedded, digests: Path | None = None) -> int:
    """Write the ledger file of a run.

    Args:
        state: of the sync and partition.
        outcome: the receipts of the run.
        before: the snapshot that the changes were computed from, for the old values.
        engine: to work in.
        digests: the file of a ``DigestFile``; None: they are computed again.

    Returns:
        The number of rows; 0: no file was written.

    Raises:
        StateError: it cannot be written.
    """
    if not policy.written:
        return 0
    folder = state.store.scratch()
    at = dt.datetime.now(dt.UTC).replace(microsecond=0)
    try:
        with engine.use() as connection:
            _expose_invalid(connection, state, changes.kind, at)
            writing = _Writing(connection, changes, policy, at)
            path = folder / f"{changes.run_id}.parquet"
            rows = writing.write(path, outcome, before, digests)
            if rows:
                note_run(state, changes.run_id, policy)
                state.store.add(state.name(FOLDER, path.name), path)
            _remember_invalid(state, folder)
        return rows
    finally:
        remove_folder(folder)


class _Writing:
    """One ledger file that is being written."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, changes: ChangeSet, policy: HistoryPolicy,
                 at: dt.datetime) -> None:
        self._connection, self._changes, self._policy, self._at = connection, changes, policy, at
        self._encoding = changes.encoding(policy.salt if policy.message_ids else None)
        # Values are read where they are kept, or hashed: of the rows of a first run neither.
        self._values = policy.mode == "values" or changes.summary.changed > 0

    def write(self, path: Path, outcome: Outcome, before: Snapshot, digests: Path | None) -> int:
        """Write the file; returns its rows. A file without rows is not written."""
        settled = bool(outcome.accepted or outcome.rejected or outcome.uncertain)
        if not settled and not scalar(self._connection, "SELECT count(*) FROM new_invalid"):
            return 0
        self._expose_settled(outcome)
        self._expose_digests(digests)
        if self._policy.mode == "values":
            expose(self._connection, before)
        return self._save(self._connection.sql(self._query(before)).to_arrow_reader(ROW_GROUP), path)

    def _save(self, reader: pa.RecordBatchReader, path: Path) -> int:
        # Loading this takes as long as a small commit.
        import pyarrow.parquet as parquet

        about = LedgerFile(sync=self._changes.sync, partition=self._changes.partition, kind=self._changes.kind,
                           traits=self._encoding.names, mode=self._policy.mode)
        schema = pa.schema([field.with_type(_STORED.get(field.name, field.type)) for field in reader.schema],
                           about.metadata())
        rows = 0
        with parquet.ParquetWriter(path, schema, **parquet_options(schema.names)) as writer:
            for batch in reader:
                writer.write_batch(batch.cast(schema), row_group_size=ROW_GROUP)
                rows += batch.num_rows
        return rows

    def _expose_settled(self, outcome: Outcome) -> None:
        """Make ``settled``: the rows whose message was sent, with what became of it."""
        names, batches = _outgoing(self._changes, values=self._values)
        fates = Fates(outcome, self._at)
        schema = with_fates_schema(names)
        rows = pa.RecordBatchReader.from_batches(schema, (b.cast(schema) for b in with_fates(batches, fates)))
        self._connection.register("settled", rows)

    def _expose_digests(self, digests: Path | None) -> None:
        """Make ``digests``: message (BIGINT) and digest (BLOB) of the messages of the change set."""
        if self._encoding.identity is None:
            self._connection.execute("""
                CREATE TEMP VIEW digests AS
                SELECT 0::BIGINT AS message, NULL::BLOB AS digest
                LIMIT 0""")
        elif digests is not None:
            self._connection.register("digests", arrow_file(digests))
        else:
            self._connection.register("outgoing_rows", arrow_file(self._changes.outgoing))
            rows = "(FROM outgoing_rows WHERE message IS NOT NULL)"
            self._connection.execute(f"""
                CREATE TEMP VIEW digests AS
                SELECT message, digest
                FROM ({self._encoding.messages(rows)}
                )""")

    def _query(self, before: Snapshot) -> str:
        """SQL of the file's rows, in its order."""
        kind = self._changes.kind
        columns = [
            f"{user_hash_sql('coalesce(m.user_id, m.key)')} AS user_hash",
            f"{literal(self._changes.run_id)} AS run_id",
            f"{self._changes.base}::INTEGER AS version",
            "CASE WHEN m.key IS DISTINCT FROM m.user_id THEN m.key END AS key",
            "m.user_id",
            *(["m.group_id"] if kind == "groups" else []),
            *(["m.event"] if kind == "events" else []),
            "m.outcome", "m.status", "m.reason", f"{self._refreshed} AS refresh", "m.attempts", "m.at", "d.digest",
            *_carried(len(self._encoding.names)),
            *(column for n, name in enumerate(self._encoding.names) for column in self._trait(n, name, before)),
        ]
        listed = ",\n            ".join(columns)
        old = "LEFT JOIN snapshot AS s ON s.key = m.key" if self._policy.mode == "values" else ""
        return f"""
            SELECT
            {listed}
            FROM (
                FROM settled
                UNION ALL BY NAME
                FROM new_invalid
            ) AS m
            LEFT JOIN digests AS d ON d.message = m.message
            {old}
            ORDER BY user_hash, m.at"""

    @property
    def _refreshed(self) -> str:
        """SQL of whether a row was only refreshed."""
        return "false" if self._changes.refresh is None else "coalesce(m.op = 'refreshed', false)"

    def _trait(self, n: int, name: str, before: Snapshot) -> Iterator[str]:
        if not self._values:
            return
        new = _json_of(name, self._changes.traits, "m")
        if self._policy.mode == "values":
            old = _json_of(name, before.traits, "s") if self._changes.kind != "events" else "NULL::VARCHAR"
            yield f"CASE WHEN m.c{n} THEN {old} END AS o{n}"
            yield f"CASE WHEN m.c{n} THEN {new} END AS n{n}"
        else:
            salted = f"{literal(str(self._policy.salt))} || {new}"
            # A group has one message for several rows, and any of them may have changed.
            changed = "" if self._changes.kind == "groups" else " AND m.op = 'changed'"
            yield f"CASE WHEN m.c{n}{changed} THEN {user_hash_sql(salted)} END AS h{n}"


def _carried(traits: int) -> Iterator[str]:
    """SQL of the columns ``carried0`` …: bits of the traits that a message carried."""
    for column in range(carried_columns(traits)):
        bits = [f"coalesce(m.c{n}, false)::UBIGINT << {n % BITS}"
                for n in range(column * BITS, min((column + 1) * BITS, traits))]
        yield f"{' | '.join(f'({bit})' for bit in bits)} AS carried{column}"


def _json_of(name: str, traits: tuple[Trait, ...], row: str) -> str:
    """SQL of a trait's value as JSON text, of any kind."""
    texts = [json_text(f"{row}.t{i}", trait.kind) for i, trait in enumerate(traits) if trait.name == name]
    return f"coalesce({', '.join([*texts, 'NULL::VARCHAR'])}, 'null')"


def _outgoing(changes: ChangeSet, *, values: bool) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The rows of the messages, without their values unless these are wanted."""
    with pa.OSFile(str(changes.outgoing)) as source:
        schema = ipc.open_file(source).schema
    wanted = [n for n, name in enumerate(schema.names) if values or not re.fullmatch(r"t\d+", name)]

    def batches() -> Iterator[pa.RecordBatch]:
        with pa.OSFile(str(changes.outgoing)) as source:
            reader = ipc.open_file(source, options=ipc.IpcReadOptions(included_fields=wanted))
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)

    return pa.schema([schema.field(n) for n in wanted]), batches()


def _expose_invalid(connection: duckdb.DuckDBPyConnection, state: PartitionState, kind: str, at: dt.datetime) -> None:
    """Make ``new_invalid``: the rows that cannot be sent, and that the ledger does not have with this reason."""
    for view, path in (("invalid", state.store.local(state.name(INVALID))),
                       ("known_invalid", state.store.local(state.name(_KNOWN_INVALID)))):
        connection.register(view, arrow_file(path) if path else _NO_INVALID.empty_table())
    user = "key" if kind == "users" else "NULL::VARCHAR"
    connection.execute(f"""
        CREATE TEMP TABLE new_invalid AS
        SELECT
            NULL::BIGINT AS message,
            key,
            {user} AS user_id,
            'invalid' AS outcome,
            reason,
            epoch_ms({int(at.timestamp()) * 1000})::TIMESTAMP_S AT TIME ZONE 'UTC' AS at
        FROM (
            SELECT key, reason
            FROM invalid
            EXCEPT
            SELECT key, reason
            FROM known_invalid
        )""")


def _remember_invalid(state: PartitionState, folder: Path) -> None:
    """Note that the ledger has the invalid rows of the last plan."""
    current = state.store.local(state.name(INVALID))
    if current is not None:
        copy = folder / "invalid.arrow"
        shutil.copyfile(current, copy)
        state.store.add(state.name(_KNOWN_INVALID), copy)
