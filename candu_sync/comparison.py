"""The first half of a run: the model is read, compared with the snapshot, and what would be sent is written down."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from candu_sync.changes import (
    ChangeSet,
    Encoding,
    Summary,
    anything_set_aside,
    first_changes,
    hold_refused,
    identity_changes,
    identity_of,
    leave_out_sent,
    make_outgoing,
    notice,
    notice_resent,
    row_identity,
    set_large_aside,
    summarize,
    summary_of_nothing,
    with_unidentified,
    write_files,
)
from candu_sync.diff import (
    Diff,
    Prefilter,
    Refresh,
    chosen_rows,
    cut_refresh,
    diff,
    diff_of_nothing,
    do_without_refresh,
    keep_what_others_set,
    load,
    matched_few,
    missing_keys,
    note_unidentified,
    nulls_to_replace,
    refresh_of,
)
from candu_sync.embedded import is_few
from candu_sync.errors import StateError
from candu_sync.forgetting import Tombstones, read_tombstones
from candu_sync.prefetch import ahead
from candu_sync.progress import Reporter
from candu_sync.project import Project, Target
from candu_sync.row_source import UNSTEADY, RowSource, Unsteady, row_source
from candu_sync.rows import Result, Trait
from candu_sync.snapshot import Snapshot, snapshot_of
from candu_sync.state import RowIdentity, Version, remove_folder

# Batches of the result that are read while earlier ones are compared.
_READ_AHEAD = 1

# Rows that are compared while the warehouse keeps its memory.
_FEW = 25_000

# What the diff is reported to have found, of the fields of Summary.
_COUNTED = ("added", "changed", "removed", "unchanged", "refreshed", "invalid", "messages")


class _Count:
    """A number of rows."""

    rows = 0

    def add(self, rows: int) -> None:
        self.rows += rows

    def counted(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches, which are counted when they are taken."""
        for batch in batches:
            self.rows += batch.num_rows
            yield batch


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What is compared with what.

    Attributes:
        full: every row, whole.
        keys: only the rows of these keys; empty: all rows.
        tombstones: of people who are left out.
        refresh: whose turn it is to be sent again; None: no row's.
    """

    target: Target
    version: Version
    snapshot: Snapshot
    full: bool
    keys: tuple[str, ...]
    tombstones: Tombstones
    refresh: Refresh | None

    @cached_property
    def chosen(self) -> str | None:
        """SQL of the condition that the rows of ``keys`` meet."""
        return chosen_rows(self.target.sync.kind, self.keys) if self.keys else None

    @cached_property
    def identity(self) -> RowIdentity:
        """What makes two rows the same row."""
        return row_identity(self.target.sync)

    @property
    def first(self) -> bool:
        """Whether rows are compared with nothing."""
        return not (self.version.number or self.full or self.keys or self.target.ended or self.tombstones.hashes
                    or self.refresh)

    @cached_property
    def may_end_early(self) -> bool:
        """Whether there is nothing to do when the snapshot has all rows as they are."""
        # The list of invalid rows changes when a plan is staged with its files.
        return not (self.full or self.keys or self.target.ended or anything_set_aside(self.target.state)
                    or identity_changes(self.version.identity, self.identity) or self._begins_refresh)

    @property
    def may_be_matched(self) -> bool:
        """Whether a row that the snapshot has as it is makes no difference."""
        return not (self.full or self.keys or self.target.ended or self.refresh) and self.version.number > 0

    @property
    def _begins_refresh(self) -> bool:
        """Whether a version has to be made only for the refresh to begin."""
        return self.refresh is not None and self.refresh.begins and self.version.number > 0

    @property
    def refreshed(self) -> Refresh | None:
        """Whose turn it is, where rows are sent only for that. A full run sends all rows."""
        return None if self.full or self.refresh is None or self.refresh.begins else self.refresh


@dataclass(frozen=True, kw_only=True)
class _Read:
    """A result that was read: its rows that the snapshot does not know are in the table ``result``, or they are few.

    Attributes:
        prefilter: what its rows went through; None: all were loaded.
        path: how the warehouse was read.
        rows: how many are to be compared; 0: there is no table.
        matched: how many rows the snapshot has as they are, where there are no others on either side; None: there may
            be some.
        forgotten: rows that were left out, of people who are forgotten.
        rows_read, bytes_read: as the source's.
        few: these rows themselves, where they are few; they are not in a table yet.
    """

    result: Result
    path: str
    rows: int
    matched: int | None
    forgotten: int
    rows_read: int
    bytes_read: int
    prefilter: Prefilter | None = None
    few: tuple[pa.RecordBatch, ...] = ()


class _Engine:
    """The connection to work in, opened at its first use."""

    def __init__(self, project: Project, stack: ExitStack) -> None:
        self._project = project
        self._stack = stack

    @cached_property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """Of the stack."""
        return self._stack.enter_context(self._project.engine.use())


def compare(target: Target, version: Version, reporter: Reporter, *, full: bool,
            keys: tuple[str, ...] = (), keep: bool = False) -> ChangeSet:
    """Read the model, and write the change set against a version of the snapshot into a scratch folder. Where there is
    nothing to do, nothing is written.

    Args:
        full: every row, whole. Of events only those that were not sent.
        keys: only the rows of these keys, also where they are unchanged or were refused before; empty: all rows.
        keep: what is learnt of the rows is kept in the state.
        reporter: of the operation; it has the run's id.

    Raises:
        ModelError, WarehouseError, SpecError, StateError: as ``pipeline.plan``.
    """
    wanted = _Wanted(target=target, version=version, snapshot=snapshot_of(target.state, version, target.sync.kind),
                     full=full and target.sync.kind != "events", keys=keys,
                     tombstones=read_tombstones(target.project.state),
                     refresh=None if keys or target.ended else refresh_of(target.sync, version.refreshed, _now()))
    run_id = reporter.run_id
    with ExitStack() as stack:
        engine = _Engine(target.project, stack)
        with reporter.phase("read") as counts:
            read = _read(engine, wanted, reporter, counts, keep=keep)
        with reporter.phase("diff") as counts:
            nothing = _nothing(wanted, read)
            found, summary, folder, refresh = (_written(engine, wanted, read, run_id) if nothing is None else
                                               (nothing, summary_of_nothing(nothing), None, None))
            counts |= {name: getattr(summary, name) for name in _COUNTED}
    changes = ChangeSet(
        run_id=run_id, sync=target.sync.name, kind=target.sync.kind, partition=target.partition,
        base=version.number, traits=found.traits, given=tuple(read.result.names),
        rows_read=read.rows_read, bytes_read=read.bytes_read,
        summary=replace(summary, forgotten=read.forgotten), path=read.path, full=wanted.full, keys=keys,
        forgotten=tuple(sorted(wanted.tombstones.hashes)), seconds=dict(reporter.seconds), folder=folder,
        identity=wanted.identity, refresh=refresh,
        constants_for=tuple(nulls_to_replace(target.sync, wanted.snapshot)), new_traits=found.new_traits,
        route=target.route.name)
    if folder is not None:
        try:
            changes.save()
        except StateError:
            remove_folder(folder)
            raise
    return changes


def _read(engine: _Engine, wanted: _Wanted, reporter: Reporter, counts: dict[str, int], *, keep: bool) -> _Read:
    """Load the rows that are new, or differ from the snapshot."""
    try:
        return _read_once(engine, wanted, reporter, counts, save_as=reporter.run_id if keep else None)
    except Unsteady:
        engine.connection.execute("DROP TABLE IF EXISTS result")
        return _read_once(engine, wanted, reporter, counts, save_as=None, note=UNSTEADY)


def _read_once(engine: _Engine, wanted: _Wanted, reporter: Reporter, counts: dict[str, int], *, save_as: str | None,
               note: str = "") -> _Read:
    sync, snapshot = wanted.target.sync, wanted.snapshot
    with row_source(wanted.target, snapshot, wanted.version, forgotten=wanted.tombstones.hashes,
                    hashes=wanted.may_be_matched and not note, save_as=save_as, note=note) as source:
        result = Result(sync, source.names, known=snapshot.traits, declared=source.declared, settled=source.settled,
                        carried=source.carried)
        counts["rows"], forgotten = 0, _Count()
        few: tuple[pa.RecordBatch, ...] = ()

        def taken(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            rows = _counted(batches, reporter, counts)
            return (wanted.tombstones.left_out(engine.connection, rows, forgotten.add) if wanted.tombstones.hashes
                    else rows)

        def read(**found: Any) -> _Read:
            return _Read(result=result, path=source.path, forgotten=forgotten.rows, rows_read=source.rows_read,
                         bytes_read=source.bytes_read, **found)

        if source.carried:
            if (wanted.may_end_early and diff_of_nothing(sync, result, snapshot, snapshot.rows) is not None
                    and source.unchanged()):
                counts["rows"] = source.known
                return read(rows=0, matched=snapshot.rows)
            prefilter = _prefilter(engine, wanted, result, source)
            batches = result.batches(source.rows(prefilter))
            counts["rows"] = source.known
        else:
            batches = result.batches(source.rows(None))
            few, count = _first_rows(taken(batches))
            matched = _matched(wanted, result, few, count)
            if matched is not None or (wanted.first and is_few(count)):
                return read(rows=count, matched=matched, few=few)
            prefilter = _prefilter(engine, wanted, result, source)
        # The thread that reads ahead must always end before the reading is closed.
        with closing(ahead(batches, _READ_AHEAD, wanted.target.project.cancel_queries)) as others:
            count = _load(engine, wanted, result, prefilter, chain(few, taken(others)))
        source.finish(prefilter)
        return read(rows=count, prefilter=prefilter,
                    matched=prefilter.matched if prefilter and prefilter.everything_matched else None)


def _first_rows(batches: Iterator[pa.RecordBatch]) -> tuple[tuple[pa.RecordBatch, ...], int]:
    """The first batches, with their rows: all of them where these are few, or up to the one that is beyond."""
    found: list[pa.RecordBatch] = []
    count = 0
    while is_few(count) and (batch := next(batches, None)) is not None:
        found.append(batch)
        count += batch.num_rows
    return tuple(found), count


def _matched(wanted: _Wanted, result: Result, batches: tuple[pa.RecordBatch, ...], count: int) -> int | None:
    """As ``_Read.matched``, of a few rows."""
    if not is_few(count) or not wanted.may_end_early or wanted.refreshed is not None:
        return None
    return matched_few(wanted.target.sync, wanted.snapshot, result, batches)


def _prefilter(engine: _Engine, wanted: _Wanted, result: Result, source: RowSource) -> Prefilter | None:
    """What the rows go through. A full run sends every row. For it, and for a first run, nothing is filtered."""
    if wanted.snapshot.base is None or wanted.full:
        return None
    return Prefilter(engine.connection, wanted.target.sync, wanted.snapshot, result, wanted.chosen, wanted.refreshed,
                     theirs=source.carried)


def _load(engine: _Engine, wanted: _Wanted, result: Result, prefilter: Prefilter | None,
          batches: Iterable[pa.RecordBatch]) -> int:
    """Load the rows that are new, or differ from the snapshot. Returns how many they are."""
    count = _Count()
    left = count.counted(batches if prefilter is None else prefilter.unmatched(batches))
    first = next(left, None)
    if first is not None:
        load(engine.connection, wanted.target.sync, result, chain([first], left))
    return count.rows


def _nothing(wanted: _Wanted, read: _Read) -> Diff | None:
    """What is found where there is nothing to do; None: there may be something."""
    if read.matched is None or not wanted.may_end_early:
        return None
    return diff_of_nothing(wanted.target.sync, read.result, wanted.snapshot, read.matched)


def _written(engine: _Engine, wanted: _Wanted, read: _Read, run_id: str,
             ) -> tuple[Diff, Summary, Path, Refresh | None]:
    """Compare what was loaded, and write the files of the change set into a scratch folder: what was found, in numbers,
    the folder, and whose turn it was to be sent again."""
    target, sync = wanted.target, wanted.target.sync
    if read.rows > _FEW:
        # Its memory is needed now.
        target.project.release_warehouse()
    folder = target.state.store.scratch()
    try:
        if wanted.first and read.few and (first := _first(wanted, read, folder)) is not None:
            return *first, folder, None
        connection = engine.connection
        if read.few or not read.rows:
            load(connection, sync, read.result, read.few)
        found = diff(connection, sync, read.result, wanted.snapshot, prefilter=read.prefilter, full=wanted.full,
                     chosen=wanted.chosen, refresh=wanted.refreshed, unless=wanted.tombstones.condition)
        if wanted.full and not wanted.keys:
            leave_out_sent(connection, target.state, wanted.version)
        keep_what_others_set(connection, target.project.state, sync, target.partition, found,
                             lambda: target.project.segments(sync))
        unidentified = note_unidentified(connection, target.project.state, sync)
        summary, refresh = _outgoing(connection, wanted, found, folder)
        write_files(connection, sync, folder, run_id, refresh=wanted.refreshed)
        return found, with_unidentified(summary, unidentified), folder, refresh
    except BaseException:
        remove_folder(folder)
        raise


def _first(wanted: _Wanted, read: _Read, folder: Path) -> tuple[Diff, Summary] | None:
    """What a first reading of a few rows finds, without the engine; None: it is needed."""
    target, version = wanted.target, wanted.version
    made = first_changes(target.sync, read.result, read.few, folder / "changes.arrow",
                         lambda traits: _encoding(target, version, traits))
    if made is None:
        return None
    diff, summary = made
    former = target.project.former_partitions(target.sync)
    return diff, notice_resent(None, summary, target.sync, version, target.partition, former)


def _counted(batches: Iterable[pa.RecordBatch], reporter: Reporter, counts: dict[str, int],
             ) -> Iterator[pa.RecordBatch]:
    """The batches, counted when they are taken, beside the rows that are known."""
    for batch in batches:
        counts["rows"] += batch.num_rows
        reporter.count("read", counts["rows"])
        yield batch


def _outgoing(connection: duckdb.DuckDBPyConnection, wanted: _Wanted, found: Diff, folder: Path,
              ) -> tuple[Summary, Refresh | None]:
    """Make the messages' rows of the changes, and count them."""
    target, version, refresh = wanted.target, wanted.version, wanted.refresh
    encoding = _encoding(target, version, found.traits)
    make_outgoing(connection, encoding)
    shorten = None if wanted.refreshed is None else partial(do_without_refresh, connection, target.sync, found)
    set_large_aside(connection, encoding, shorten=shorten)
    hold_refused(connection, encoding, again=bool(wanted.keys))
    if wanted.refreshed is not None:
        refresh = cut_refresh(connection, wanted.refreshed, target.sync.guard.max_messages)
    summary = notice(connection, summarize(connection, target.sync, found, encoding), found, target.sync.kind,
                     folder=folder, memory=target.state.open(version.files.get("moves")),
                     salt=str(target.project.state.workspace))
    return _noted(connection, wanted, summary), refresh


def _noted(connection: duckdb.DuckDBPyConnection, wanted: _Wanted, summary: Summary) -> Summary:
    """The summary with what concerns keys that a person named, and rows and partitions of before."""
    target, keys = wanted.target, wanted.keys
    if keys:
        missing = missing_keys(connection, target.sync.kind, keys)
        summary = replace(summary, keys=len(keys), missing_keys=missing)
    if not target.ended:
        former = target.project.former_partitions(target.sync)
        return notice_resent(connection, summary, target.sync, wanted.version, target.partition, former)
    ended, total = target.project.share_ended(target.sync)
    return replace(summary, ended_rows=ended, sync_rows=total)


def _encoding(target: Target, version: Version, traits: tuple[Trait, ...]) -> Encoding:
    namespace, sync = target.project.message_namespace, target.sync
    if namespace is None:
        return Encoding(sync.kind, traits)
    return Encoding(sync.kind, traits, identity_of(namespace, sync.name, sync.kind, target.partition, version.number))


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
