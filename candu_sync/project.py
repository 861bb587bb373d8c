"""A project: its settings, and what they open."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from candu_sync.dbt import check_preconditions, resolve, resolve_sync
from candu_sync.destinations import Destinations
from candu_sync.errors import ModelError, WarehouseError
from candu_sync.history import HistoryPolicy
from candu_sync.later import Later
from candu_sync.opened_once import opened_once
from candu_sync.progress import Progress
from candu_sync.pushes import Pushes
from candu_sync.settings import Settings
from candu_sync.shard_counts import other_shards
from candu_sync.state import State, check_lasting, remove_folder
from candu_sync.syncs import (
    Sync,
)
from candu_sync.telemetry import Telemetry

if TYPE_CHECKING:
    from candu_sync.changes import FormerPartitions, Summary
    from candu_sync.embedded import Embedded
    from candu_sync.report import Reports
    from candu_sync.warehouse import Warehouse

# Seconds after which a warehouse that nobody reads is given back.
_MOMENT = 0.5


class Project:
    """A project's settings with what they open: the state, the warehouse, Candu.

    A context manager; what was opened is closed at its end.

    Attributes:
        settings: the settings.
        destinations: where messages go: routes, keys, connections.
        declared: the names of all syncs of the project, with those whose files are wrong; None: they are not known, and
            no rename is noticed.
        listeners: are called with what happens in each operation on the project (see ``progress``);
            OpenTelemetry is the first, where it is configured.
        launched_as: the page of this process's runs (``CANDU_RUN_URL``), or the id that an orchestrator gave them;
            None: neither is known. It is kept with how a run ended.
        planned: shard → what its first plan by this project found. The guard counts with it.
        at_once: the shards that the command compares.
        shard_totals: what the shards of a model share: when it was asked, and the answer (``comparison``).
        pushes: those that are under way. ``stop`` ends them in order.
        jobs: how many syncs and partitions are worked on at a time; set before the first of them.

    Example:
        >>> from candu_sync import Project, load_settings
        >>> with Project(load_settings(state_url=str(tmp_path / "state"))) as project:
        ...     project.state.partitions("users/profile")
        []
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pushes = Pushes()
        self.jobs = 1
        self._telemetry = Telemetry()
        self.listeners: list[Progress] = [self._telemetry]
        self.destinations = Destinations(settings, lambda: self.state)
        self.launched_as: str | None = settings.run_url
        self.declared: frozenset[str] | None = None
        self._predecessors: dict[str, str | None] = {}
        self._values: dict[str, list[str]] = {}
        self._former_partitions: dict[str, FormerPartitions] = {}
        self._other_shards: dict[str, list[str | None]] = {}
        self._partitions: dict[str, list[str | None]] = {}
        self._first: tuple[str, str | None] | None = None
        self.planned: dict[str, Summary] = {}
        self.at_once: frozenset[str] = frozenset()
        self.shard_totals: dict[tuple[str | int, ...], tuple[float, Any]] = {}
        self.totals_lock = threading.Lock()

    def __enter__(self) -> Project:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            # Where the process is to end at once, the next run writes the report.
            at_once = kind is not None and not issubclass(kind, Exception)
            if "reports" in self.__dict__ and not at_once:
                self.reports.write_due()
            if "state" in self.__dict__ and not at_once:
                self.state.close()
            if "engine" in self.__dict__:
                self.engine.close()
            if "warehouse" in self.__dict__:
                self.warehouse.close()
            self.destinations.close()
        finally:
            self._telemetry.close()

    @opened_once
    def state(self) -> State:
        """The state, opened at first use.

        Raises:
            SettingsError: it is in a relative folder, and this process in a container that lasts for one run.
            ForeignState, StateError: see ``State``.
        """
        self.check_state_lasts()
        return State(self.settings.state_url, first=self._first)

    def expect(self, sync: str, partition: str | None) -> None:
        """Say which sync and partition is worked on first: the state in an object store is then opened with fewer
        requests."""
        self._first = self._first or (sync, partition)

    def check_state_lasts(self, *, launched_by: str = "") -> None:
        """Refuse a state that goes with the container of this run (see ``check_lasting``).

        Raises:
            SettingsError: it does.
        """
        check_lasting(self.settings.state_url, launched_by=launched_by)

    @opened_once
    def warehouse(self) -> Warehouse:
        """The warehouse, opened at first use."""
        from candu_sync.warehouse import open_warehouse

        return open_warehouse(self.settings.require_warehouse_url(), memory=self.settings.memory // 4,
                              timeout=self.settings.query_timeout, row_hashes=self.settings.row_hashes)

    @opened_once
    def engine(self) -> Embedded:
        """The embedded engine of plans and commits, kept from one sync and partition to the next. It has half of
        ``CANDU_MEMORY``, divided by ``jobs``. A DuckDB warehouse has a quarter at the same time; the row index and the
        batches on their way need the rest."""
        from candu_sync.embedded import Embedded

        return Embedded(self.settings.memory // (2 * self.jobs), self.state.store.scratch, remove_folder)

    @property
    def message_namespace(self) -> UUID | None:
        """What makes the ``messageId`` of this workspace its own; None: messages carry none."""
        return self.state.workspace if self.settings.message_id else None

    def history_policy(self, sync: Sync) -> HistoryPolicy:
        """What the ledger keeps of a sync's runs: by its YAML, else by the settings."""
        return HistoryPolicy(mode=sync.history, days=self.settings.history, salt=self.state.workspace,
                             message_ids=self.settings.message_id, most_bytes=self.settings.history_size,
                             report=sync.report_schema(self.settings.report_schema))

    @opened_once
    def reports(self) -> Reports:
        """The report tables: the runs of the project that they do not have yet are written by it."""
        from candu_sync.report import Reports

        url, warehouse = self.settings.report_url, self.settings.warehouse_url
        return Reports(self.state, lambda: self.engine, url=url.get_secret_value() if url else None,
                       warehouse_url=warehouse.get_secret_value() if warehouse else None,
                       release=self.release_warehouse, stopped=lambda: self.stopped, memory=self.settings.memory // 4)

    def report_schemas(self, syncs: Iterable[Sync]) -> list[str]:
        """The schemas that have report tables, in order."""
        default = self.settings.report_schema
        return sorted({schema for schema in (default, *(sync.report_schema(default) for sync in syncs)) if schema})

    @property
    def report_trouble(self) -> str | None:
        """Why the report tables were not written, with what happens next; None: there is nothing to say."""
        return self.reports.trouble if "reports" in self.__dict__ else None

    @property
    def ends_quietly(self) -> bool:
        """Whether nothing is written or sent at the project's end: no runs to the report tables, no telemetry."""
        return "reports" not in self.__dict__ and not self._telemetry.to_flush

    def predecessor(self, sync: Sync) -> str | None:
        """The name that a sync probably had before it was renamed, looked up once; None: there is no sign of a rename.

        Raises:
            StateError: the state cannot be read.
        """
        from candu_sync.changes import find_predecessor

        if self.declared is None:
            return None
        if sync.name not in self._predecessors:
            self._predecessors[sync.name] = find_predecessor(self.state, sync, self.declared)
        return self._predecessors[sync.name]

    def former_partitions(self, sync: Sync) -> FormerPartitions:
        """The partitions of a sync from before its present settings, looked up once."""
        from candu_sync.changes import FormerPartitions

        return self._former_partitions.setdefault(
            sync.name, FormerPartitions(self.state, sync, lambda: self._partitions_of(sync)))

    def cancel_queries(self) -> None:
        """End the queries that this thread began, at the warehouse."""
        if "warehouse" in self.__dict__:
            self.warehouse.cancel(own=True)

    def cancel_all_queries(self) -> None:
        """End all queries under way, at the warehouse. Safe in any thread."""
        if "warehouse" in self.__dict__:
            self.warehouse.cancel()

    def release_warehouse(self) -> None:
        """Give back what the warehouse keeps from one query to the next (see ``Warehouse.release``)."""
        if "warehouse" in self.__dict__:
            self.warehouse.release()

    def release_soon(self) -> Callable[[], None]:
        """Release the warehouse in a moment, where it keeps a file.

        Returns:
            What leaves the file open if it is called before, and in any case waits for a release under way.
        """
        if "warehouse" not in self.__dict__ or not self.warehouse.keeps_file:
            return lambda: None
        return Later(_MOMENT, self.release_warehouse, "candu-sync release").end

    def stop(self) -> None:
        """End the pushes under way: no new request, those in flight are waited for. Safe in a signal handler."""
        self.pushes.stop()

    @contextmanager
    def push_under_way(self, messages: int) -> Iterator[None]:
        """Mark the time of a push. It may take hours, in which others can write to the warehouse.

        One request is mostly answered at once. Then the next partition finds the warehouse open.

        Args:
            messages: how many there are to send.
        """
        if messages > self.settings.batch_size:
            self.release_warehouse()
        keep = self.release_soon()
        try:
            with self.pushes.marked():
                yield
        finally:
            keep()

    @property
    def stopped(self) -> bool:
        """Whether ``stop`` was called."""
        return self.pushes.stopped

    def other_shards(self, sync: Sync, *, again: bool = False) -> list[str | None]:
        """The partitions of a sync that hold something and are of another number of shards than its YAML has, looked up
        once.

        Args:
            again: look them up anew.
        """
        if again:
            self._partitions.pop(sync.name, None)
        if again or sync.name not in self._other_shards:
            self._other_shards[sync.name] = other_shards(self.state, sync, self._partitions_of(sync))
        return self._other_shards[sync.name]

    def _partitions_of(self, sync: Sync) -> list[str | None]:
        """The partitions of a sync that have any state, looked up once."""
        if sync.name not in self._partitions:
            self._partitions[sync.name] = self.state.partitions(sync.name)
        return self._partitions[sync.name]

    def ask_values_again(self) -> None:
        """Ask the warehouse anew for the keys of dynamic partitions."""
        self._values.clear()

    def known_values(self, sql: str, tag: str | None = None) -> list[str]:
        """As ``warehouse_values``, asked once."""
        if sql not in self._values:
            self._values[sql] = self.warehouse_values(sql, tag)
        return self._values[sql]

    def warehouse_values(self, sql: str, tag: str | None = None) -> list[str]:
        """The keys that the SQL of dynamic partitions finds. ``tag``: the sync, as for ``Warehouse.read``."""
        resolved = resolve(sql, self.settings.dbt_manifest, path="partitions.values").sql
        try:
            return self.warehouse.values(resolved, tag)
        except (ModelError, WarehouseError) as error:
            # Otherwise it reads as if it were the model's.
            error.args = (f"`values` of its partitions: {error}",)
            raise

    def model(self, sync: Sync) -> str:
        """A sync's SQL as the warehouse takes it: dbt's ref and source are the names of relations.

        Raises:
            SpecError: it has a ref or a source that the manifest does not have.
            PreconditionFailed: what the sync's YAML asks of dbt's models does not hold.
        """
        self.check_preconditions(sync)
        return resolve_sync(sync, self.settings.dbt_manifest).sql

    def check_preconditions(self, sync: Sync) -> None:
        """Raises as ``model``."""
        check_preconditions(sync, self.settings.dbt_manifest)
