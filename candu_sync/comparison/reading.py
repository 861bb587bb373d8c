"""The rows of a model, up to those that are new or differ from the snapshot: these are in a table, or they are few."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import duckdb
import pyarrow as pa

from candu_sync.changes import FirstRun
from candu_sync.comparison.row_source import row_source
from candu_sync.comparison.same_result import digest_of, is_same, small_result
from candu_sync.comparison.shard_check import in_their_shard
from candu_sync.comparison.source import ReadAll, RowSource
from candu_sync.comparison.wanted import Wanted
from candu_sync.diff import Prefilter, load, matched_few, may_be_nothing
from candu_sync.embedded import is_few
from candu_sync.prefetch import ahead
from candu_sync.progress import Reporter
from candu_sync.project import Project
from candu_sync.rows import Result
from candu_sync.state import remove_folder
from candu_sync.warehouse import NotHashed

# Batches of the result that are read while earlier ones are compared.
_READ_AHEAD = 1


@dataclass(frozen=True, kw_only=True)
class Read:
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
        first: the change set that was written of these rows, which are in no table; it is closed with the engine.
        digest: of all rows as the warehouse gave them, where they are few enough (``same_result.py``).
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
    first: FirstRun | None = None
    digest: str | None = None


class Engine:
    """The connection to work in, opened at its first use."""

    def __init__(self, project: Project, stack: ExitStack) -> None:
        self._project = project
        self._stack = stack

    def closes(self, opened: FirstRun) -> None:
        """Close something with the connection, before it."""
        self._stack.callback(opened.close)

    @cached_property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """Of the stack."""
        return self._stack.enter_context(self._project.engine.use())


def read_rows(engine: Engine, wanted: Wanted, reporter: Reporter, counts: dict[str, int], *, keep: bool) -> Read:
    """Load the rows that are new, or differ from the snapshot."""
    try:
        return _read_once(engine, wanted, reporter, counts, save_as=reporter.run_id if keep else None)
    except (ReadAll, NotHashed) as why:
        engine.connection.execute("DROP TABLE IF EXISTS result")
        note = str(why) if isinstance(why, ReadAll) else f"no row hashes: {why}"
        return _read_once(engine, wanted, reporter, counts, save_as=None, note=note)


def _read_once(engine: Engine, wanted: Wanted, reporter: Reporter, counts: dict[str, int], *, save_as: str | None,
               note: str = "") -> Read:
    sync, snapshot = wanted.target.sync, wanted.snapshot
    with row_source(wanted.target, snapshot, wanted.version, tombstones=wanted.tombstones,
                    hashes=wanted.may_be_matched and not note, save_as=save_as, note=note) as source:
        result = Result(sync, source.names, known=snapshot.traits, declared=source.declared, settled=source.settled,
                        carried=source.carried)
        counts["rows"], forgotten = 0, _Count()
        few: tuple[pa.RecordBatch, ...] = ()
        digest: str | None = None

        def taken(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            rows = _counted(batches, reporter, counts)
            if (shard := wanted.target.shard) is not None:
                rows = in_their_shard(engine.connection, rows, sync, shard)
            return (wanted.tombstones.left_out(engine.connection, rows, forgotten.add) if wanted.tombstones.hashes
                    else rows)

        def read(**found: Any) -> Read:
            return Read(result=result, path=source.path, forgotten=forgotten.rows, rows_read=source.rows_read,
                        bytes_read=source.bytes_read, digest=digest, **found)

        if source.hashed:
            if wanted.may_end_early and may_be_nothing(sync, result, snapshot) and source.unchanged():
                counts["rows"] = source.known
                return read(rows=0, matched=snapshot.rows)
            prefilter = _prefilter(engine, wanted, result, source)
            batches = result.batches(source.rows(prefilter))
            counts["rows"] = source.known
        else:
            rest = source.rows(None)
            head, whole = small_result(rest)
            digest = digest_of(wanted, source, head) if whole else None
            if is_same(wanted, result, digest):
                counts["rows"] = source.rows_read
                return read(rows=0, matched=wanted.snapshot.rows)
            batches = result.batches(chain(head, rest))
            few, count = _first_rows(taken(batches))
            matched = _matched(wanted, result, few, count)
            if matched is not None or (wanted.first and is_few(count)):
                return read(rows=count, matched=matched, few=few)
            prefilter = _prefilter(engine, wanted, result, source)
        # The thread that reads ahead must always end before the reading is closed.
        with closing(ahead(batches, _READ_AHEAD, wanted.target.project.cancel_queries)) as others:
            rows = chain(few, taken(others))
            if wanted.streams:
                first = _written(engine, wanted, result, rows)
                return read(rows=counts["rows"], matched=None, first=first)
            count = _load(engine, wanted, result, prefilter, rows)
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


def _matched(wanted: Wanted, result: Result, batches: tuple[pa.RecordBatch, ...], count: int) -> int | None:
    """As ``Read.matched``, of a few rows."""
    if not is_few(count) or not wanted.may_end_early or wanted.refreshed is not None:
        return None
    return matched_few(wanted.target.sync, wanted.snapshot, result, batches)


def _prefilter(engine: Engine, wanted: Wanted, result: Result, source: RowSource) -> Prefilter | None:
    """What the rows go through. A full run sends every row. For it, and for a first run, nothing is filtered."""
    if not wanted.snapshot.has("base") or wanted.full:
        return None
    return Prefilter(engine.connection, wanted.target.sync, wanted.snapshot, result, wanted.chosen, wanted.refreshed,
                     theirs=source.carried, learn=source.learn)


def _written(engine: Engine, wanted: Wanted, result: Result, rows: Iterable[pa.RecordBatch]) -> FirstRun:
    """Write the change set of a first run into a scratch folder."""
    folder = wanted.target.state.store.scratch()
    try:
        first = FirstRun(engine.connection, wanted.target.sync, result, folder, wanted.encoding)
        engine.closes(first)
        for batch in rows:
            first.add(batch)
    except BaseException:
        remove_folder(folder)
        raise
    return first


def _load(engine: Engine, wanted: Wanted, result: Result, prefilter: Prefilter | None,
          batches: Iterable[pa.RecordBatch]) -> int:
    """Load the rows that are new, or differ from the snapshot. Returns how many they are."""
    count = _Count()
    left = count.counted(batches if prefilter is None else prefilter.unmatched(batches))
    first = next(left, None)
    if first is not None:
        load(engine.connection, wanted.target.sync, result, chain([first], left))
    return count.rows


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


def _counted(batches: Iterable[pa.RecordBatch], reporter: Reporter, counts: dict[str, int],
             ) -> Iterator[pa.RecordBatch]:
    """The batches, counted when they are taken, beside the rows that are known."""
    for batch in batches:
        counts["rows"] += batch.num_rows
        reporter.count("read", counts["rows"])
        yield batch
