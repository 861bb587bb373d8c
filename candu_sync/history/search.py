"""Reading the ledger: the rows of a user, of a run, since a time, newest first."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from candu_sync.history.layout import BITS, FOLDER, TYPES, LedgerFile, message_id, run_of
from candu_sync.history.runs import ledger_of
from candu_sync.state import PartitionState

if TYPE_CHECKING:
    import pyarrow.parquet as parquet

# Rows that become Python objects together.
_TOGETHER = 5_000


@dataclass(frozen=True, kw_only=True)
class HistoryQuery:
    """Which rows of the ledger are wanted; each field that is not None excludes rows.

    Attributes:
        user_id: the user's id, letter for letter.
        run_id: the run's name, or how it begins.
        since: aware; rows that were answered at this time or later.
        outcome: accepted, refused, invalid or uncertain.
    """

    user_id: str | None = None
    run_id: str | None = None
    since: dt.datetime | None = None
    outcome: str | None = None


def search_history(states: Iterable[PartitionState], query: HistoryQuery) -> Iterator[dict[str, Any]]:
    """The rows of the ledger that a query wants, newest first.

    Of each file the footer is read, and of a user the row groups that may hold it.

    Args:
        states: of the syncs and partitions to look in.

    Returns:
        One dictionary a row: at (ISO 8601, UTC), run_id, sync, partition, key, user_id, group_id, type, outcome,
        status, reason, attempts, message_id, event, refresh (Candu had the row as it is, and it was its turn), route,
        traits (name → null, or [old, new] where values are kept).

    Raises:
        StateError: a file cannot be read.

    Example:
        >>> from candu_sync import run
        >>> _ = run(Target(project, sync))
        >>> [row] = search_history([project.state.of("users/profile", None)], HistoryQuery(user_id="u1"))
        >>> row["outcome"], row["traits"]
        ('accepted', {'plan': None})
    """
    files = [file for state in states for file in _files(state, query)]
    if query.user_id is not None:
        rows = [pair for about, file in files for pair in _rows(about, file, query)]
        yield from (row for _, row in sorted(rows, key=lambda pair: pair[0], reverse=True))
        return
    for about, file in sorted(files, key=lambda pair: _newest(pair[1]), reverse=True):
        yield from (row for _, row in _rows(about, file, query))


def first_rows(state: PartitionState, run_id: str, most: int) -> list[dict[str, Any]]:
    """Some rows of one run, as ``search_history`` gives them, read without the others; none where there is no ledger
    of it.

    Example:
        >>> from candu_sync import run
        >>> done = run(Target(project, sync))
        >>> [row["outcome"] for row in first_rows(project.state.of("users/profile", None), done.run_id, 1)]
        ['accepted']
    """
    with ledger_of(state, run_id) as found:
        if found is None:
            return []
        about, file = found
        query = HistoryQuery(run_id=run_id)
        rows: list[dict[str, Any]] = []
        for batch in file.iter_batches(batch_size=_TOGETHER):
            table = pa.Table.from_batches([batch])
            rows += table.filter(_wanted(table, query)).slice(0, most - len(rows)).to_pylist()
            if len(rows) >= most:
                break
        return [_row(about, row) for row in rows]


def _files(state: PartitionState, query: HistoryQuery) -> list[tuple[LedgerFile, parquet.ParquetFile]]:
    """The ledger files that may hold what is wanted. A merged file replaces those that it was made of."""
    names = [name for name in state.store.list(state.name(FOLDER) + "/") if name.endswith(".parquet")]
    opened = {name: _open(state, name) for name in names}
    there = {name: pair for name, pair in opened.items() if pair is not None}
    merged = {part for about, _ in there.values() for part in about.parts}
    return [pair for name, pair in there.items()
            if run_of(name) not in merged and _may_hold(name, pair[0], pair[1], query)]


def _open(state: PartitionState, name: str) -> tuple[LedgerFile, parquet.ParquetFile] | None:
    # Loading this takes as long as most commands.
    import pyarrow.parquet as parquet

    path: Path | None = state.store.local(name)
    if path is None:
        return None
    file = parquet.ParquetFile(path)
    # The file has the name that the sync had when it was written: a rename leaves it as it is.
    return replace(LedgerFile.of(file.schema_arrow.metadata), sync=state.sync), file


def _may_hold(name: str, about: LedgerFile, file: parquet.ParquetFile, query: HistoryQuery) -> bool:
    if query.run_id is not None and not about.parts and not run_of(name).startswith(query.run_id):
        return False
    return query.since is None or _newest(file) >= query.since


def _newest(file: parquet.ParquetFile) -> dt.datetime:
    column = file.schema_arrow.names.index("at")
    groups = (file.metadata.row_group(n).column(column).statistics for n in range(file.metadata.num_row_groups))
    newest = max((group.max for group in groups if group is not None and group.has_min_max), default=None)
    found = newest or dt.datetime.max
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def _rows(about: LedgerFile, file: parquet.ParquetFile, query: HistoryQuery,
          ) -> Iterator[tuple[tuple[dt.datetime, int], dict[str, Any]]]:
    """The rows of a file that are wanted, newest first, each with what orders it among others."""
    groups = _row_groups(file, query)
    if not groups:
        return
    table = file.read_row_groups(groups)
    table = table.filter(_wanted(table, query))
    table = table.take(pc.sort_indices(table, [("at", "descending"), ("version", "descending")]))
    for batch in table.to_batches(_TOGETHER):
        for row in batch.to_pylist():
            yield (row["at"], row["version"]), _row(about, row)


def _row_groups(file: parquet.ParquetFile, query: HistoryQuery) -> list[int]:
    """The row groups that may hold the user; all of them where no user is asked for."""
    every = range(file.metadata.num_row_groups)
    if query.user_id is None:
        return list(every)
    column, wanted = file.schema_arrow.names.index("user_id"), query.user_id.encode()
    return [number for number in every
            if _may_be_among(wanted, file.metadata.row_group(number).column(column).statistics)]


def _may_be_among(user_id: bytes, statistics: parquet.Statistics | None) -> bool:
    """A row without a user has its key in place of the id. Ids are in the order of their bytes."""
    if statistics is None or not statistics.has_min_max or statistics.null_count:
        return True
    return bool(statistics.min.encode() <= user_id <= statistics.max.encode())


def _wanted(table: pa.Table, query: HistoryQuery) -> pa.Array:
    wanted = pa.chunked_array([pa.repeat(True, table.num_rows)])
    if query.user_id is not None:
        wanted = pc.and_(wanted, pc.equal(pc.coalesce(table["user_id"], table["key"]), query.user_id))
    if query.run_id is not None:
        wanted = pc.and_(wanted, pc.starts_with(table["run_id"].cast(pa.string()), query.run_id))
    if query.since is not None:
        wanted = pc.and_(wanted, pc.greater_equal(table["at"], pa.scalar(query.since, pa.timestamp("ms", "UTC"))))
    if query.outcome is not None:
        wanted = pc.and_(wanted, pc.equal(table["outcome"].cast(pa.string()), query.outcome))
    return pc.fill_null(wanted, False)


def _row(about: LedgerFile, row: dict[str, Any]) -> dict[str, Any]:
    """A row of the ledger as ``history --json`` prints it."""
    traits = {name: [_value(row[f"o{n}"]), _value(row[f"n{n}"])] if about.mode == "values" else None
              for n, name in enumerate(about.traits) if row[f"carried{n // BITS}"] >> n % BITS & 1}
    return {
        "at": row["at"].isoformat(), "run_id": row["run_id"], "sync": about.sync, "partition": about.partition,
        "key": row["key"] if row["key"] is not None else row["user_id"], "user_id": row["user_id"],
        "group_id": row.get("group_id"), "type": TYPES[about.kind], "outcome": row["outcome"],
        "status": row["status"], "reason": row["reason"], "attempts": row["attempts"],
        "message_id": message_id(row["digest"]), "event": row.get("event"), "refresh": bool(row.get("refresh")),
        "route": about.route,
        "traits": traits,
    }


def _value(text: str | None) -> Any:
    return None if text is None else json.loads(text)
