"""The report of a project: when it is written, and what is said when it cannot be."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from candu_sync.errors import CanduSyncError, Claimed, SettingsError
from candu_sync.history import Unreported, unreported_runs
from candu_sync.state import Claim, State
from candu_sync.warehouse import Writable, file_beside, open_writable

if TYPE_CHECKING:
    from candu_sync.embedded import Embedded
    from candu_sync.report.people import KeyTest

_log = logging.getLogger(__name__)

_FILE_SUFFIX = "_report"

# Sentences about damaged files in one message.
_SENTENCES = 3

# Seconds between the reports of one process.
_PAUSE = 5.0


class Reports:
    """Writes the runs that wait into the tables. It never raises: a push that went well stays one that went well.

    Args:
        state: of the project.
        engine: gives the engine to work in.
        url: of the database that has the tables; None: the warehouse's.
        warehouse_url: None: it is not set.
        release: closes the warehouse, which may be the same file.
        stopped: whether the command is to end: a signal is then no error of a run that is made already.
        memory: bytes that a DuckDB of the tables may use.

    Attributes:
        trouble: why the tables could not be written, with what happens next; None: all went well.
    """

    def __init__(self, state: State, engine: Callable[[], Embedded], *, url: str | None, warehouse_url: str | None,
                 release: Callable[[], None], stopped: Callable[[], bool], memory: int) -> None:
        self._state, self._engine, self._release, self._memory = state, engine, release, memory
        self._url, self._warehouse_url, self._stopped = url, warehouse_url, stopped
        self.trouble: str | None = None
        self._due = False
        self._written_at: float | None = None
        self._lock = threading.Lock()

    def note(self) -> None:
        """A run waits: it is written by ``write``, at the latest at the project's end."""
        self._due = True

    def write_soon(self) -> None:
        """As ``write``, where some time has passed since the last report: small partitions follow one another quickly.
        The others are written by the next call, at the latest at the project's end."""
        self._due = True
        if self._written_at is None or time.monotonic() - self._written_at > _PAUSE:
            self.write()

    def write_due(self) -> None:
        """As ``write``, if a run waits."""
        if self._due:
            self.write()

    def write(self) -> tuple[int, int]:
        """Write the runs that wait, of all syncs. After a trouble nothing more is tried: a server that is away would
        keep each sync waiting.

        Returns:
            The runs and the rows that were written.
        """
        with self._lock:
            return self._write()

    def _write(self) -> tuple[int, int]:
        self._due = False
        if self.trouble is not None:
            return 0, 0
        try:
            found = self._write_all()
            self._written_at = time.monotonic()
            return found
        except Claimed as error:
            _log.info("%s", error)
        except CanduSyncError as error:
            self._say(str(error))
        except KeyboardInterrupt:
            if not self._stopped():
                raise
            self._say("the command was stopped")
        except Exception as error:
            # Its text may have a value in it.
            _log.debug("the report failed", exc_info=True)
            self._say(f"an unexpected {type(error).__name__}")
        return 0, 0

    def _say(self, why: str) -> None:
        self.trouble = (f"the report tables were not written: {why}. Nothing is lost: the next run writes what is "
                        "missing")
        _log.warning("%s", self.trouble)

    def _write_all(self) -> tuple[int, int]:
        """What others note while this process has the turn is written too: they do not wait for it."""
        from candu_sync.report.writing import Writer

        runs, rows = 0, 0
        waiting: list[Unreported] = []
        # One that waited may have ended meanwhile: it is then another object.
        while found := [run for run in unreported_runs(self._state) if run not in waiting]:
            with self._turn("report") as turn, self._opened() as database:
                written = Writer(self._state, database, self._engine(), turn).write(found)
            runs, rows, waiting = runs + written.runs, rows + written.rows, waiting + written.waiting
            if written.unreadable:
                self._say("; ".join(written.unreadable[:_SENTENCES]))
        return runs, rows

    @contextmanager
    def _turn(self, name: str) -> Iterator[Claim]:
        from candu_sync.report.turn import take_turn

        with take_turn(self._state, name) as turn:
            try:
                yield turn
            finally:
                turn.release()

    @contextmanager
    def _opened(self) -> Iterator[Writable]:
        address = self._address()
        if address == self._warehouse_url:
            self._release()
        database = open_writable(address, memory=self._memory)
        try:
            yield database
        finally:
            database.close()

    def _address(self) -> str:
        """Where the tables are. A warehouse that is a file is open for reading only: they have a file beside it."""
        if self._url is not None:
            return self._url
        if self._warehouse_url is None:
            raise SettingsError("CANDU_REPORT_SCHEMA is set, and neither CANDU_REPORT_URL nor CANDU_WAREHOUSE_URL")
        if self._warehouse_url.startswith(("duckdb:", "sqlite:")):
            beside = file_beside(self._warehouse_url, _FILE_SUFFIX)
            return self._warehouse_url if beside is None else beside
        return self._warehouse_url

    def check(self, schemas: Collection[str]) -> str:
        """Make the tables of these schemas, and try whether rows can be added and removed. Returns where they are.

        Raises:
            WarehouseError: that is not allowed, or the database is away.
            SettingsError: no database is set.
        """
        from candu_sync.report.tables import tables_in

        with self._opened() as database:
            for schema in sorted(schemas):
                tables = tables_in(schema, database.dialect)
                database.prepare(tables.both)
                database.try_writing(tables.both)
            return database.place

    def forget(self, schemas: Collection[str], user_id: str, is_of: Mapping[str, KeyTest]) -> dict[str, int]:
        """Remove a person from the tables.

        Args:
            schemas: those that have tables.
            user_id: letter for letter.
            is_of: sync → whether a key is of the person, for rows that have only a key.

        Returns:
            Sync → rows that were removed.

        Raises:
            Claimed: another process writes the tables.
            WarehouseError: the database is away, or does not allow it.
        """
        from candu_sync.report.people import remove_person

        if not schemas:
            return {}
        with self._turn("forget"), self._opened() as database:
            return remove_person(database, schemas, user_id, is_of)
