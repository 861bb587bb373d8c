"""One query that is under way: its text, how long it may run, and how it is cancelled at the warehouse."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

import pyarrow as pa

from candu_sync.errors import QueryCancelled, WarehouseError
from candu_sync.sql_text import Value
from candu_sync.warehouse.adbc_databases import AdbcDatabases
from candu_sync.warehouse.duckdb_engine import DuckDBEngine
from candu_sync.warehouse.tags import PRODUCT, carrying

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

BATCH_VALUES, BATCH_ROWS = 500_000, 100_000
"""Values, and rows, of a batch: enough to make the cost of a batch small, few enough for one of a wide table."""

CANCELLED = "the query was cancelled; nothing of it was used"

# Seconds.
_INTERRUPTED_EVERY = 0.5


class Query:
    """A query with the values that are bound to it; it may be cancelled from any thread while it is under way.

    ``timeout`` is in seconds, from its start to its last row; None: no limit. ``size`` is the rows of a batch;
    None: ``values_of_batch`` by its columns, ``BATCH_ROWS`` at most. ``declared`` are types that columns were declared
    with, where that was asked for before the query. ``timezone`` is the IANA name of the zone of columns without one,
    and so of the session; ``clock`` is the column of the result that bounds are compared with. ``tag`` is what names
    the query at the warehouse (see ``tags``). ``databases`` are those that ADBC has open; None: it opens
    one for this query.
    """

    def __init__(self, engine: Engine | DuckDBEngine, sql: str, values: Mapping[str, Value] | None = None,
                 timeout: float | None = None, size: int | None = None,
                 values_of_batch: int = BATCH_VALUES, timezone: str = "UTC", clock: str | None = None,
                 tag: str = PRODUCT, databases: AdbcDatabases | None = None) -> None:
        self._engine = engine
        self.sql = sql
        self.values = dict(values or {})
        self.timeout = timeout
        self.timezone = timezone
        self.clock = clock
        self.tag = tag
        self.databases = databases
        self._size = size
        self._values_of_batch = values_of_batch
        self._cancel: Callable[[], object] | None = None
        self._why: str | None = None
        self.ended = False
        self.thread = threading.get_ident()
        self.declared: dict[str, pa.DataType] = {}
        # A cancellation under way is waited for before its connection is closed or used by another.
        self._lock = threading.RLock()
        self._timer = self._started_timer()

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's, of all warehouses but DuckDB."""
        assert not isinstance(self._engine, DuckDBEngine), "a query of DuckDB goes by its own engine"
        return self._engine

    @property
    def duckdb(self) -> DuckDBEngine:
        """DuckDB's."""
        assert isinstance(self._engine, DuckDBEngine), "this warehouse is not DuckDB"
        return self._engine

    def connect(self) -> Connection:
        """A connection of the engine that carries the query's tag."""
        with carrying(self.tag):
            return self.engine.connect()

    def batch_rows(self, columns: int) -> int:
        """Rows of a batch with so many columns."""
        return self._size or max(1, min(BATCH_ROWS, self._values_of_batch // max(columns, 1)))

    def cancel_by(self, cancel: Callable[[], object] | None, stack: ExitStack) -> None:
        """How the query is cancelled from now on, until ``stack`` closes, where its connection has been put before.
        Afterwards it is cancelled as before.

        Raises ``WarehouseError`` when it was cancelled already.
        """
        with self._lock:
            before, self._cancel = self._cancel, cancel
        stack.callback(self._cancel_as, before)
        self.refuse_if_cancelled()

    def cancel(self, why: str = CANCELLED) -> None:
        """End the query at the warehouse; its reader gets ``why`` as the error. Safe in any thread."""
        with self._lock:
            if self.ended or self._why is not None:
                return
            self._why = why
        self._interrupt()

    def _interrupt(self) -> None:
        """Interrupt the query, again and again until it has ended: a driver that has not begun with it yet ignores
        an interruption."""
        with self._lock:
            if self.ended or self._cancel is None:
                return
            # A driver's own error: the query may have ended, or the network be gone.
            with suppress(Exception):
                self._cancel()
        again = threading.Timer(_INTERRUPTED_EVERY, self._interrupt)
        again.daemon = True
        again.start()

    def end(self) -> None:
        """Stop the clock: no more rows are wanted. A second call does nothing."""
        with self._lock:
            self.ended = True
        if self._timer is not None:
            self._timer.cancel()

    def refuse_if_cancelled(self) -> None:
        """Raises ``WarehouseError`` when it was cancelled: some drivers end such a stream as if it were complete."""
        if self._why is not None:
            raise QueryCancelled(self._why)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Reports an error after a cancellation as a cancellation, not with the driver's words."""
        try:
            yield
        except WarehouseError as error:
            if self._why is None or str(error) == self._why:
                raise
            raise QueryCancelled(self._why) from None

    def _cancel_as(self, before: Callable[[], object] | None) -> None:
        with self._lock:
            self._cancel = before

    def _started_timer(self) -> threading.Timer | None:
        if self.timeout is None:
            return None
        why = (f"the query took longer than {self.timeout:g} s, the limit of CANDU_QUERY_TIMEOUT, and was cancelled; "
               "make the model smaller or raise the limit")
        timer = threading.Timer(self.timeout, self.cancel, (why,))
        timer.daemon = True
        timer.start()
        return timer
