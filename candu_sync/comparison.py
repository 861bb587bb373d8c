"""The first half of a run: the model is read, compared with the snapshot, and what would be sent is written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa

from candu_sync.changes import (
    ChangeSet,
    Encoding,
    Summary,
    hold_refused,
    identity_of,
    leave_out_sent,
    make_outgoing,
    new_run_id,
    notice,
    notice_resent,
    row_identity,
    set_large_aside,
    summarize,
    write_files,
)
from candu_sync.diff import Diff, Prefilter, chosen_rows, diff, keep_what_others_set, load, missing_keys
from candu_sync.forgetting import Tombstones, read_tombstones
from candu_sync.prefetch import ahead
from candu_sync.progress import Progress
from candu_sync.project import Target
from candu_sync.rows import Result, Trait
from candu_sync.snapshot import Snapshot, snapshot_of
from candu_sync.state import Version
from candu_sync.syncs import parameters
from candu_sync.timing import Seconds

# Batches of the result that are read while earlier ones are compared.
_READ_AHEAD = 1


class _Count:
    """A number of rows."""

    rows = 0

    def add(self, rows: int) -> None:
        self.rows += rows


@dataclass(frozen=True)
class _RowFilter:
    """Which rows of a result are looked at.

    Attributes:
        chosen: SQL of the condition of those that a person named; None: all.
        tombstones: of people who are left out.
        forgotten: is called with the number of their rows.
    """

    chosen: str | None
    tombstones: Tombstones
    forgotten: Callable[[int], None]


def compare(target: Target, version: Version, folder: Path, *, full: bool, keys: tuple[str, ...] = (),
            progress: Progress) -> ChangeSet:
    """Read the model, and write the change set against a version of the snapshot into a folder.

    Args:
        full: every row, whole. Of events only those that were not sent.
        keys: only the rows of these keys, also where they are unchanged or were refused before; empty: all rows.
        progress: is called with the rows read so far.

    Raises:
        ModelError, WarehouseError, SpecError, StateError: as ``pipeline.plan``.
    """
    snapshot = snapshot_of(target.state, version, target.sync.kind)
    full = full and target.sync.kind != "events"
    chosen = chosen_rows(target.sync.kind, keys) if keys else None
    tombstones = read_tombstones(target.project.state)
    forgotten = _Count()
    seconds = Seconds()
    with target.project.engine.use() as connection:
        with seconds.phase("read"):
            result, prefilter, path = _read(connection, target, snapshot, _RowFilter(chosen, tombstones, forgotten.add),
                                            full=full, progress=progress)
        with seconds.phase("diff"):
            found = diff(connection, target.sync, result, snapshot, prefilter=prefilter, full=full, chosen=chosen,
                         unless=tombstones.condition)
            if full and not keys:
                leave_out_sent(connection, target.state, version)
            keep_what_others_set(connection, target.project.state, target.sync, target.partition, found,
                                 lambda: target.project.segments(target.sync))
            summary = _outgoing(connection, target, version, found, folder, keys)
            summary = replace(summary, forgotten=forgotten.rows)
            run_id = new_run_id()
            write_files(connection, target.sync, folder, run_id)
    changes = ChangeSet(
        run_id=run_id, sync=target.sync.name, kind=target.sync.kind, partition=target.partition,
        base=version.number, traits=found.traits, given=tuple(result.names), summary=summary, path=path, full=full,
        keys=keys, forgotten=tuple(sorted(tombstones.hashes)), seconds=dict(seconds),
        folder=folder, identity=row_identity(target.sync))
    changes.save()
    return changes


def _read(connection: duckdb.DuckDBPyConnection, target: Target, snapshot: Snapshot, wanted: _RowFilter, *, full: bool,
          progress: Progress) -> tuple[Result, Prefilter | None, str]:
    """Load the rows that are new, or differ from the snapshot.

    Returns:
        The result, what its rows went through, and how the warehouse was read.
    """
    project, sync = target.project, target.sync
    values = parameters(sync, target.partition, snapshot.newest)
    read = project.warehouse.empty if target.ended else project.warehouse.read
    with read(project.model(sync), values, timezone=sync.timezone, clock=sync.clock) as reading:
        result = Result(sync, reading.names, known=snapshot.traits, declared=reading.declared)
        # A full run sends every row. For it, and for a first run, nothing is filtered.
        prefilter = Prefilter(connection, sync, snapshot, result, wanted.chosen) if snapshot.base and not full else None
        # The thread that reads ahead must end before the reading is closed, whatever happens.
        with closing(ahead(result.batches(reading), _READ_AHEAD, project.cancel_queries)) as made:
            rows = wanted.tombstones.left_out(connection, _counted(made, progress), wanted.forgotten)
            load(connection, sync, result, rows if prefilter is None else prefilter.unmatched(rows))
        return result, prefilter, reading.path


def _counted(batches: Iterator[pa.RecordBatch], progress: Progress) -> Iterator[pa.RecordBatch]:
    rows = 0
    for batch in batches:
        rows += batch.num_rows
        progress("read", rows, None)
        yield batch


def _outgoing(connection: duckdb.DuckDBPyConnection, target: Target, version: Version, found: Diff,
              folder: Path, keys: tuple[str, ...]) -> Summary:
    """Make the messages' rows of the changes, and count them."""
    encoding = _encoding(target, version, found.traits)
    make_outgoing(connection, encoding)
    set_large_aside(connection, encoding)
    hold_refused(connection, encoding, again=bool(keys))
    summary = notice(connection, summarize(connection, target.sync, found, encoding), found, target.sync.kind,
                     folder=folder, memory=target.state.open(version.files.get("moves")),
                     salt=str(target.project.state.workspace))
    if keys:
        missing = missing_keys(connection, target.sync.kind, keys)
        summary = replace(summary, keys=len(keys), missing_keys=missing)
    if not target.ended:
        former = target.project.former_partitions(target.sync)
        return notice_resent(connection, summary, target.sync, version, target.partition, former)
    ended, total = target.project.share_ended(target.sync)
    return replace(summary, ended_rows=ended, sync_rows=total)


def _encoding(target: Target, version: Version, traits: tuple[Trait, ...]) -> Encoding:
    namespace, sync = target.project.message_namespace, target.sync
    if namespace is None:
        return Encoding(sync.kind, traits)
    return Encoding(sync.kind, traits, identity_of(namespace, sync.name, sync.kind, target.partition, version.number))
