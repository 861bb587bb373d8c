"""A project: its settings, and what they open."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

from candu_sync.dbt import resolve, resolve_sync
from candu_sync.delivery import Delivery
from candu_sync.settings import Settings
from candu_sync.state import State, last_run
from candu_sync.syncs import Sync, targets
from candu_sync.warehouse import Warehouse, open_warehouse


class Project:
    """A project's settings with what they open: the state, the warehouse, Candu.

    A context manager; what was opened is closed at its end.

    Attributes:
        settings: the settings.
        pushing: whether a push is under way, from its claim to its commit: what ``stop`` is for.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._delivery: Delivery | None = None
        self._stopped = False
        self.pushing = False

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *_: object) -> None:
        if "warehouse" in self.__dict__:
            self.warehouse.close()

    @cached_property
    def state(self) -> State:
        """The state, opened at first use."""
        return State(self.settings.state_url)

    @cached_property
    def warehouse(self) -> Warehouse:
        """The warehouse, opened at first use."""
        return open_warehouse(self.settings.require_warehouse_url(), memory=self.settings.memory // 4,
                              timeout=self.settings.query_timeout)

    @property
    def memory(self) -> int:
        """Bytes for the engine of a plan or a commit: half, since a DuckDB warehouse has a quarter at the same time,
        and the batches on their way and the row index need some."""
        return self.settings.memory // 2

    def cancel_queries(self) -> None:
        """End what is being read, at the warehouse. Safe in any thread."""
        if "warehouse" in self.__dict__:
            self.warehouse.cancel()

    def stop(self) -> None:
        """End what is being sent: no new request, those under way are waited for. Safe in a signal handler."""
        self._stopped = True
        if self._delivery is not None:
            self._delivery.stop()

    @contextmanager
    def delivery(self, delivery: Delivery) -> Iterator[Delivery]:
        """Make a delivery the one that ``stop`` ends."""
        self._delivery = delivery
        if self._stopped:
            delivery.stop()
        try:
            yield delivery
        finally:
            self._delivery = None

    @contextmanager
    def push_under_way(self) -> Iterator[None]:
        """Mark the time of a push."""
        self.pushing = True
        try:
            yield
        finally:
            self.pushing = False

    @property
    def stopped(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stopped

    def partitions(self, sync: Sync, chosen: list[str]) -> list[str | None]:
        """The partitions to work on: those chosen, or all that are due (see ``targets``)."""
        return targets(sync, chosen, values=self.warehouse_values, now=dt.datetime.now(dt.UTC),
                       done=lambda key: self._done(sync, key))

    def _done(self, sync: Sync, partition: str) -> bool:
        """Whether a partition's last run ended well and left nothing: a sample leaves the rest unsent."""
        last = last_run(self.state.of(sync.name, partition))
        return last.get("status") == "succeeded" and not last.get("unsent")

    def warehouse_values(self, sql: str) -> list[str]:
        """The keys that the SQL of dynamic partitions finds."""
        return self.warehouse.values(resolve(sql, self.settings.dbt_manifest, path="partitions.values").sql)

    def model(self, sync: Sync) -> str:
        """A sync's SQL as the warehouse takes it: ref and source of dbt's are the names of relations."""
        return resolve_sync(sync, self.settings.dbt_manifest).sql
