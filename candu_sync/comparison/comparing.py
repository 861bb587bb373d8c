"""A model against the snapshot, from the reading to the files of a change set."""

from __future__ import annotations

import datetime as dt
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import duckdb

from candu_sync.changes import (
    ChangeSet,
    FirstRun,
    Summary,
    first_changes,
    hold_refused,
    leave_out_sent,
    make_outgoing,
    notice,
    notice_resent,
    set_large_aside,
    summarize,
    summary_of_nothing,
    with_unidentified,
    write_files,
)
from candu_sync.comparison.reading import Engine, Read, read_rows
from candu_sync.comparison.wanted import Wanted
from candu_sync.diff import (
    Diff,
    Refresh,
    cut_refresh,
    diff,
    diff_of_nothing,
    do_without_refresh,
    keep_what_others_set,
    load,
    missing_keys,
    note_unidentified,
    nulls_to_replace,
    refresh_of,
)
from candu_sync.due import segments_of, share_of_ended
from candu_sync.embedded import give_memory_back
from candu_sync.errors import StateError
from candu_sync.forgetting import read_tombstones
from candu_sync.progress import Reporter
from candu_sync.snapshot import snapshot_of
from candu_sync.state import Version, remove_folder
from candu_sync.target import Target

# Rows that are compared while the warehouse keeps its memory.
_FEW = 25_000

# What the diff is reported to have found, of the fields of Summary.
_COUNTED = ("added", "changed", "removed", "unchanged", "refreshed", "invalid", "messages")


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
    wanted = Wanted(target=target, version=version, snapshot=snapshot_of(target.state, version, target.sync.kind),
                     full=full and target.sync.kind != "events", keys=keys,
                     tombstones=read_tombstones(target.project.state, lately=True),
                     refresh=None if keys or target.ended else refresh_of(target.sync, version.refreshed, _now()))
    run_id = reporter.run_id
    with ExitStack() as stack:
        engine = Engine(target.project, stack)
        with reporter.phase("read") as counts:
            read = read_rows(engine, wanted, reporter, counts, keep=keep)
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
        route=target.route.name, result=read.digest)
    if folder is not None:
        try:
            changes.save()
        except StateError:
            remove_folder(folder)
            raise
    return changes


def _nothing(wanted: Wanted, read: Read) -> Diff | None:
    """What is found where there is nothing to do; None: there may be something."""
    if read.matched is None or not wanted.may_end_early:
        return None
    return diff_of_nothing(wanted.target.sync, read.result, wanted.snapshot, read.matched)


def _written(engine: Engine, wanted: Wanted, read: Read, run_id: str,
             ) -> tuple[Diff, Summary, Path, Refresh | None]:
    """Compare what was loaded, and write the files of the change set into a scratch folder: what was found, in numbers,
    the folder, and whose turn it was to be sent again."""
    target, sync = wanted.target, wanted.target.sync
    if read.rows > _FEW:
        # Its memory is needed now.
        target.project.release_warehouse()
        give_memory_back()
    folder = target.state.store.scratch() if read.first is None else read.first.folder
    try:
        if read.first is not None and (first := _streamed(wanted, read.first, run_id)) is not None:
            return *first, folder, wanted.refresh
        if wanted.first and read.few and (first := _first(wanted, read, folder)) is not None:
            return *first, folder, wanted.refresh
        connection = engine.connection
        if read.first is not None:
            load(connection, sync, read.result, read.first.again())
            read.first.discard()
        elif read.few or not read.rows:
            load(connection, sync, read.result, read.few)
        found = diff(connection, sync, read.result, wanted.snapshot, prefilter=read.prefilter, full=wanted.full,
                     chosen=wanted.chosen, refresh=wanted.refreshed, unless=wanted.tombstones.condition)
        if wanted.full and not wanted.keys:
            leave_out_sent(connection, target.state, wanted.version)
        keep_what_others_set(connection, target.project.state, sync, target.partition, found,
                             lambda: segments_of(target.project, sync))
        unidentified = note_unidentified(connection, target.project.state, sync)
        summary, refresh = _outgoing(connection, wanted, found, folder)
        write_files(connection, sync, folder, run_id, refresh=wanted.refreshed)
        return found, with_unidentified(summary, unidentified), folder, refresh
    except BaseException:
        remove_folder(folder)
        raise


def _first(wanted: Wanted, read: Read, folder: Path) -> tuple[Diff, Summary] | None:
    """What a first reading of a few rows finds, without the engine; None: it is needed."""
    made = first_changes(wanted.target.sync, read.result, read.few, folder / "changes.arrow", wanted.encoding)
    return None if made is None else _with_former(wanted, *made)


def _streamed(wanted: Wanted, first: FirstRun, run_id: str) -> tuple[Diff, Summary] | None:
    """What a first reading finds, whose change set is written already; None: its rows must be compared."""
    made = first.finish(run_id)
    return None if made is None else _with_former(wanted, *made)


def _with_former(wanted: Wanted, diff: Diff, summary: Summary) -> tuple[Diff, Summary]:
    target = wanted.target
    former = target.project.former_partitions(target.sync)
    return diff, notice_resent(None, summary, target.sync, wanted.version, target.partition, former)


def _outgoing(connection: duckdb.DuckDBPyConnection, wanted: Wanted, found: Diff, folder: Path,
              ) -> tuple[Summary, Refresh | None]:
    """Make the messages' rows of the changes, and count them."""
    target, version, refresh = wanted.target, wanted.version, wanted.refresh
    encoding = wanted.encoding(found.traits)
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


def _noted(connection: duckdb.DuckDBPyConnection, wanted: Wanted, summary: Summary) -> Summary:
    """The summary with what concerns keys that a person named, and rows and partitions of before."""
    target, keys = wanted.target, wanted.keys
    if keys:
        missing = missing_keys(connection, target.sync.kind, keys)
        summary = replace(summary, keys=len(keys), missing_keys=missing)
    if not target.ended:
        former = target.project.former_partitions(target.sync)
        return notice_resent(connection, summary, target.sync, wanted.version, target.partition, former)
    ended, total = share_of_ended(target.project, target.sync)
    return replace(summary, ended_rows=ended, sync_rows=total)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
