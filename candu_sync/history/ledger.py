"""Writing the ledger: the rows that a run sent, with what became of each.

The file is put before the version that the run makes. It has the name of the run. So a commit that is repeated after a
crash writes the same file again: a row is in the ledger exactly once, and only if the receipts have it.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import duckdb
import pyarrow as pa

from candu_sync.changes import INVALID, ChangeSet, json_text
from candu_sync.embedded import Embedded, arrow_file, explained, is_few, literal, scalar, write_arrow
from candu_sync.history.digests import Digests, read_digests
from candu_sync.history.fates import Fates
from candu_sync.history.few_rows import rows_of_few
from candu_sync.history.layout import (
    FOLDER,
    ROW_GROUP,
    HistoryPolicy,
    LedgerFile,
    carried_columns,
    hash_sql,
    parquet_options,
)
from candu_sync.history.sent_rows import sent_rows
from candu_sync.history.sorting import in_parts, memory_for, most_rows
from candu_sync.history.unreported import note_run
from candu_sync.rows import Trait
from candu_sync.snapshot import Snapshot, expose
from candu_sync.state import Outcome, PartitionState

# The invalid rows that the ledger has already: rows that stay invalid are not added with each run.
_KNOWN_INVALID = f"{FOLDER}/invalid.arrow"

# Digests have one length, so no length is stored with each. Parquet's smallest unit of time is the millisecond.
_STORED = {"digest": pa.binary(16), "at": pa.timestamp("ms", "UTC")}

_NO_INVALID = pa.schema([("key", pa.string()), ("reason", pa.string())])


def record_run(state: PartitionState, changes: ChangeSet, outcome: Outcome, before: Snapshot, policy: HistoryPolicy, *,
               engine: Embedded, folder: Path, digests: Iterator[pa.RecordBatch] | None = None) -> int:
    """Write the ledger file of a run.

    Args:
        state: of the sync and partition.
        outcome: the receipts of the run.
        before: the snapshot that the changes were computed from, for the old values.
        engine: to work in.
        folder: a scratch folder, which the caller removes.
        digests: as ``DigestFile.batches`` gives them; None: they are computed again.

    Returns:
        The number of rows; 0: no file was written.

    Raises:
        StateError: it cannot be written.
    """
    if not policy.written:
        return 0
    writing = _Writing(changes, policy, dt.datetime.now(dt.UTC).replace(microsecond=0))
    path = folder / f"{changes.run_id}.parquet"
    if (digests is not None or not policy.message_ids) and _plain_few(state, changes, policy):
        with explained(folder):
            rows = writing.write_few(path, outcome, digests or ())
    else:
        # Old and new values are joined, and of any width.
        most = None if policy.mode == "values" else memory_for(changes.summary.messages)
        with engine.use(most) as connection:
            _expose_invalid(connection, state, changes.kind, writing.at)
            rows = writing.write(connection, path, outcome, before, digests, most_rows(engine.memory))
    if rows:
        note_run(state, changes.run_id, policy)
        state.store.add(state.name(FOLDER, path.name), path)
    _remember_invalid(state, folder)
    return rows


def _plain_few(state: PartitionState, changes: ChangeSet, policy: HistoryPolicy) -> bool:
    """Whether ``few_rows`` has what the file needs."""
    return (is_few(changes.summary.messages) and not changes.summary.changed and policy.mode != "values"
            and changes.refresh is None and state.local(INVALID) is None)


class _Writing:
    """One ledger file that is being written.

    Attributes:
        at: the time of the commit (UTC, whole seconds).
    """

    def __init__(self, changes: ChangeSet, policy: HistoryPolicy, at: dt.datetime) -> None:
        self._changes, self._policy, self.at = changes, policy, at
        self._encoding = changes.encoding(policy.salt if policy.message_ids else None)
        # Values are read where they are kept, or hashed: of the rows of a first run neither.
        self._values = policy.mode == "values" or changes.summary.changed > 0

    def write_few(self, path: Path, outcome: Outcome, digests: Iterable[pa.RecordBatch]) -> int:
        """Write the file without the engine; returns its rows. A file without rows is not written."""
        rows = rows_of_few(self._changes, outcome, digests, self.at, len(self._encoding.names))
        return self._save(rows.schema, [rows], path, few=True) if rows.num_rows else 0

    def write(self, connection: duckdb.DuckDBPyConnection, path: Path, outcome: Outcome, before: Snapshot,
              digests: Iterator[pa.RecordBatch] | None, most: int) -> int:
        """Write the file; returns its rows. A file without rows is not written.

        Args:
            most: rows that are sorted at once.
        """
        settled = bool(outcome.accepted or outcome.rejected or outcome.uncertain)
        if not settled and not scalar(connection, "SELECT count(*) FROM new_invalid"):
            return 0
        found = Digests(digests or self._digests_again(connection, path.parent))
        if self._policy.mode == "values":
            expose(connection, before)
        readers = self._sorted(connection, self._sent(outcome, found), before, most)
        first = next(readers)
        return self._save(first.schema, chain(first, chain.from_iterable(readers)), path)

    def _sorted(self, connection: duckdb.DuckDBPyConnection, sent: pa.RecordBatchReader, before: Snapshot,
                most: int) -> Iterator[pa.RecordBatchReader]:
        """The file's rows. More than ``most`` do not fit into memory: those of each part are in order then, and a
        search looks into a row group of each part."""
        query = self._query(before)
        for part in in_parts(sent, most):
            # The rows whose message was sent, with what became of it.
            connection.register("settled", part)
            yield connection.sql(query).to_arrow_reader(ROW_GROUP)
            connection.execute("DELETE FROM new_invalid")

    def _save(self, columns: pa.Schema, batches: Iterable[pa.RecordBatch], path: Path, *, few: bool = False) -> int:
        # Loading this takes as long as a small commit.
        import pyarrow.parquet as parquet

        about = LedgerFile(sync=self._changes.sync, partition=self._changes.partition, kind=self._changes.kind,
                           traits=self._encoding.names, mode=self._policy.mode, route=self._changes.route)
        # They are the same in each row. Sorted with the others, they would cost a tenth of the whole.
        same = {"run_id": pa.scalar(self._changes.run_id), "version": pa.scalar(self._changes.base, pa.int32())}
        fields = [*(pa.field(name, value.type) for name, value in same.items()), *columns]
        schema = pa.schema([field.with_type(_STORED.get(field.name, field.type)) for field in fields],
                           about.metadata())
        rows = 0
        # Of a few rows the file is made in memory: on a disk it would be written in fifty pieces.
        made = pa.BufferOutputStream()
        with parquet.ParquetWriter(made if few else path, schema, **parquet_options(schema.names, few=few)) as writer:
            for batch in batches:
                values = [*(pa.repeat(value, batch.num_rows) for value in same.values()), *batch.columns]
                whole = pa.RecordBatch.from_arrays(values, schema=pa.schema(fields))
                writer.write_batch(whole.cast(schema), row_group_size=ROW_GROUP)
                rows += batch.num_rows
        if few:
            path.write_bytes(made.getvalue())
        return rows

    def _sent(self, outcome: Outcome, digests: Digests) -> pa.RecordBatchReader:
        return sent_rows(self._changes, Fates(outcome, self.at), digests, traits=len(self._encoding.names),
                         values=self._values)

    def _digests_again(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> Iterator[pa.RecordBatch] | None:
        """Compute the digests of the change set's messages, in a file; None: they have none."""
        if self._encoding.identity is None:
            return None
        connection.register("outgoing_rows", arrow_file(self._changes.outgoing))
        path = folder / "digests.arrow"
        write_arrow(connection, f"""
            SELECT message, digest
            FROM ({self._encoding.messages("(FROM outgoing_rows WHERE message IS NOT NULL)")}
            )
            ORDER BY message""", path)
        return read_digests(path)

    def _query(self, before: Snapshot) -> str:
        """SQL of the file's rows, in its order."""
        kind = self._changes.kind
        columns = [
            "CASE WHEN m.key IS DISTINCT FROM m.user_id THEN m.key END AS key",
            "m.user_id",
            *(["m.group_id"] if kind == "groups" else []),
            *(["m.event"] if kind == "events" else []),
            "m.outcome", "m.status", "m.reason", f"{self._refreshed} AS refresh", "m.attempts", "m.at", "m.digest",
            *(f"coalesce(m.carried{n}, 0)::UBIGINT AS carried{n}"
              for n in range(carried_columns(len(self._encoding.names)))),
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
            {old}
            ORDER BY coalesce(m.user_id, m.key), m.at"""

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
            yield f"CASE WHEN m.c{n}{changed} THEN {hash_sql(salted)} END AS h{n}"


def _json_of(name: str, traits: tuple[Trait, ...], row: str) -> str:
    """SQL of a trait's value as JSON text, of any kind."""
    texts = [json_text(f"{row}.t{i}", trait.kind) for i, trait in enumerate(traits) if trait.name == name]
    return f"coalesce({', '.join([*texts, 'NULL::VARCHAR'])}, 'null')"


def _expose_invalid(connection: duckdb.DuckDBPyConnection, state: PartitionState, kind: str, at: dt.datetime) -> None:
    """Make ``new_invalid``: the rows that cannot be sent, and that the ledger does not have with this reason."""
    for view, path in (("invalid", state.local(INVALID)), ("known_invalid", state.local(_KNOWN_INVALID))):
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
    current = state.local(INVALID)
    if current is not None:
        copy = folder / "invalid.arrow"
        shutil.copyfile(current, copy)
        state.store.add(state.name(_KNOWN_INVALID), copy)
    elif not state.lacks(_KNOWN_INVALID):
        state.store.delete(state.name(_KNOWN_INVALID))
