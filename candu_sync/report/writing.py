"""Runs that wait → the tables: each run in one transaction, with its rows, and at most once.

``sync_runs`` says which runs are there. So a run is looked up there before it is written, and its ``run_id`` is the
table's key: of two processes that write one run at once, the second is taken back. A table that has no run of a sync
was emptied or is new: then all runs that the ledger has of the sync are written.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby

import pyarrow as pa
from sqlalchemy import literal, select

from candu_sync.embedded import Embedded
from candu_sync.errors import Claimed, StateError, WarehouseError
from candu_sync.history import Unreported, flat_rows, ledger_of, runs_in_ledger
from candu_sync.naming import named
from candu_sync.report.run_rows import Seen, run_row
from candu_sync.report.tables import Tables, tables_in
from candu_sync.state import Claim, PartitionState, State, read_claim
from candu_sync.warehouse import Writable

# Runs that are looked up in one query.
_TOGETHER = 500

# One object for each sync whose whole ledger is being written.
_WHOLE = "report/whole/"


class Unreadable(StateError):
    """The ledger of a run is damaged."""


@dataclass
class Written:
    """How many runs and rows were written, the runs that must wait, and a sentence for each that cannot be read."""

    runs: int = 0
    rows: int = 0
    waiting: list[Unreported] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Writer:
    """Writes runs while it has the turn.

    Attributes:
        engine: to work in.
        turn: the claim of the tables.
    """

    state: State
    database: Writable
    engine: Embedded
    turn: Claim

    def write(self, runs: Iterable[Unreported]) -> Written:
        """Write the runs that can be written now, and let the others wait.

        Raises:
            WarehouseError: the database is away, or refuses.
            StateError: the state cannot be read or written.
        """
        done = Written()
        for schema, found in groupby(sorted(runs, key=lambda run: run.schema), key=lambda run: run.schema):
            group = list(found)
            ready = [run for run in group if self._is_ready(run)]
            done.waiting += [run for run in group if run not in ready]
            if ready:
                self._write_schema(tables_in(schema, self.database.dialect), group, ready, done)
        return done

    def _is_ready(self, run: Unreported) -> bool:
        """Whether it is settled what became of a run. One that nothing can be known of is struck off."""
        if run.result is not None:
            return True
        if run.is_under_way(dt.datetime.now(dt.UTC)) or self._is_claimed(run):
            return False
        try:
            with ledger_of(self._partition(run), run.run_id) as found:
                there = found is not None
        except (pa.ArrowException, OSError):
            return True  # that is reported when its rows are read
        if not there:
            self.state.store.delete(run.name)
        return there

    def _is_claimed(self, run: Unreported) -> bool:
        """Whether a run that died awaits its recovery."""
        state = self._partition(run)
        try:
            newest = state.newest()
        except StateError:
            return True
        owner = read_claim(state, (newest.number if newest else 0) + 1)
        return owner is not None and owner.run_id == run.run_id

    def _write_schema(self, tables: Tables, group: list[Unreported], ready: list[Unreported], done: Written) -> None:
        self.database.prepare(tables.both)
        noted = {run.run_id for run in group}
        whole = [run for run in {run.sync: run for run in ready}.values() if self._is_whole(tables, run)]
        more = [other for run in whole for other in self._all_of(run) if other.run_id not in noted]
        runs = sorted([*ready, *more], key=lambda run: run.run_id)
        known = self._known(tables, runs)
        for run in runs:
            try:
                self._settle(tables, run, known, done)
            except Unreadable as error:
                # The others are written.
                done.unreadable.append(str(error))
                done.waiting.append(run)
        for run in whole:
            self.state.store.delete(self._whole_name(run))

    def _settle(self, tables: Tables, run: Unreported, known: dict[str, dt.datetime | None], done: Written) -> None:
        """Write a run unless the table has it, and remove its note."""
        if not _is_known(run, known):
            if run.run_id in known:
                self._remove(tables, run)
            done.rows += self._write_run(tables, run)
            done.runs += 1
        if run.name:
            self.state.store.delete(run.name)

    def _is_whole(self, tables: Tables, run: Unreported) -> bool:
        """Whether the whole ledger of the sync is to be written. That is noted before it begins, since a table that is
        half full does not show it."""
        name = self._whole_name(run)
        if self.state.store.get(name) is not None:
            return True
        mine = (tables.runs.c.state_id == self.state_id, tables.runs.c.sync == run.sync)
        if self.database.read(select(literal(1)).select_from(tables.runs).where(*mine).limit(1)):
            return False
        self.state.store.put(name, json.dumps({"sync": run.sync}).encode())
        return True

    def _whole_name(self, run: Unreported) -> str:
        return f"{_WHOLE}{self._partition(run).prefix.partition('/')[0]}.json"

    def _all_of(self, run: Unreported) -> list[Unreported]:
        """All runs that the ledger has of the sync of a run; none where the tables may have no rows of it."""
        if run.mode == "none":
            return []
        return [Unreported(name="", run_id=run_id, sync=run.sync, partition=key, schema=run.schema, mode=run.mode,
                           ended=None, result=None, owner=run.owner)
                for key in self.state.partitions(run.sync) for run_id in runs_in_ledger(self.state.of(run.sync, key))]

    def _known(self, tables: Tables, runs: list[Unreported]) -> dict[str, dt.datetime | None]:
        """Those of these runs that the table has, each with the time when it ended."""
        table, names = tables.runs.c, [run.run_id for run in runs]
        return dict(row for start in range(0, len(names), _TOGETHER) for row in self.database.read(
            select(table.run_id, table.ended_at).where(table.run_id.in_(names[start:start + _TOGETHER]))))

    def _remove(self, tables: Tables, run: Unreported) -> None:
        """A push that had sent nothing was made again, and has another end."""
        with self.database.transaction() as transaction:
            for table in tables.both:
                transaction.delete(table, "run_id", run.run_id)

    def _write_run(self, tables: Tables, run: Unreported) -> int:
        """Write a run; returns its rows."""
        try:
            return self._written(tables, run)
        except WarehouseError:
            # Another process may have written it in the meantime.
            if _is_known(run, self._known(tables, [run])):
                return 0
            raise

    def _written(self, tables: Tables, run: Unreported) -> int:
        seen = Seen()
        with self.database.transaction() as transaction:
            # Rows of a run that ``sync_runs`` does not have: that table was emptied, and this one was not.
            transaction.delete(tables.rows, "run_id", run.run_id)
            with closing(self._rows_of(run)) as batches:
                for rows in batches:
                    seen.look(rows)
                    transaction.append(tables.rows, rows)
            transaction.append(tables.runs, run_row(run, self.state_id, seen))
            if not self.turn.held():
                raise Claimed("the report took too long to answer, and another process may write the tables: the next "
                              "run goes on")
        return seen.outcomes.total()

    def _rows_of(self, run: Unreported) -> Generator[pa.RecordBatch, None, None]:
        """The rows of a run that the tables may have."""
        if run.mode == "none":
            return
        try:
            with ledger_of(self._partition(run), run.run_id) as found, self.engine.use() as connection:
                if found is not None:
                    yield from flat_rows(connection, *found, run.run_id, sync=run.sync, partition=run.partition,
                                         values=run.mode == "values")
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise Unreadable(f"the history of run {run.run_id} of {named(run.sync, run.partition)} cannot be read "
                             f"({type(error).__name__})") from error

    def _partition(self, run: Unreported) -> PartitionState:
        return self.state.of(run.sync, run.partition)

    @property
    def state_id(self) -> str:
        """Says which state a run is of. It does not give the state's own id away, the salt of its hashes."""
        return hashlib.sha256(f"report {self.state.workspace}".encode()).hexdigest()[:16]


def _is_known(run: Unreported, known: dict[str, dt.datetime | None]) -> bool:
    """Whether the table has a run as it is: one of another end is an earlier try of the same push."""
    if run.run_id not in known or run.ended is None:
        return run.run_id in known
    at = known[run.run_id]
    # Some drivers give the time in UTC without its zone.
    return at is not None and at.replace(tzinfo=at.tzinfo or dt.UTC) == dt.datetime.fromisoformat(run.ended)
