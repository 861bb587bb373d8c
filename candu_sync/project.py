"""A project: its settings, and what they open. A target: one sync and partition of it."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING
from uuid import UUID

from candu_sync.dbt import check_preconditions, resolve, resolve_sync
from candu_sync.destinations import Destinations
from candu_sync.errors import OtherRoute, StateError
from candu_sync.history import HistoryPolicy
from candu_sync.naming import named
from candu_sync.opened_once import opened_once
from candu_sync.progress import Progress
from candu_sync.pushes import Pushes
from candu_sync.routes import ROUTES, Route, other_route
from candu_sync.settings import Settings
from candu_sync.shard_counts import check_shards, other_shards
from candu_sync.state import PartitionState, State, Version, check_lasting, read_claim, read_last_run, remove_folder
from candu_sync.syncs import (
    Shard,
    Sync,
    expanded,
    has_ended,
    join,
    partitions_to_run,
    present_segments,
    shard_named,
    split,
)
from candu_sync.telemetry import Telemetry

if TYPE_CHECKING:
    from candu_sync.changes import FormerPartitions, Summary
    from candu_sync.embedded import Embedded
    from candu_sync.report import Reports
    from candu_sync.warehouse import Warehouse

# Seconds of a push after which the warehouse is given back.
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
        self.planned: dict[str, Summary] = {}

    def __enter__(self) -> Project:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            # Where the process is to end at once, the next run writes the report.
            if "reports" in self.__dict__ and (kind is None or issubclass(kind, Exception)):
                self.reports.write_due()
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
        return State(self.settings.state_url)

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
                              timeout=self.settings.query_timeout)

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

        return self._former_partitions.setdefault(sync.name, FormerPartitions(self.state, sync))

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
        late = threading.Timer(_MOMENT, self.release_warehouse)
        if messages > self.settings.batch_size:
            self.release_warehouse()
        elif "warehouse" in self.__dict__ and self.warehouse.keeps_file:
            late.start()
        try:
            with self.pushes.marked():
                yield
        finally:
            late.cancel()
            if late.ident is not None:
                late.join()

    @property
    def stopped(self) -> bool:
        """Whether ``stop`` was called."""
        return self.pushes.stopped

    def targets(self, sync: Sync, chosen: list[str]) -> list[Target]:
        """A sync with each partition to work on: those chosen, or all that are due (see ``partitions_to_run``) and,
        after them, those that have ended (see ``ended``)."""
        self._values.clear()
        ended = [key for key in self.ended(sync, chosen) if not chosen or key in chosen]
        others = [key for key in chosen if key not in ended]
        keys = [] if chosen and not others else partitions_to_run(
            sync, others, values=partial(self.known_values, tag=sync.name), now=dt.datetime.now(dt.UTC),
            done=lambda key: self._done(sync, key))
        return [*(Target(self, sync, key) for key in keys), *(Target(self, sync, key, ended=True) for key in ended)]

    def partition_keys(self, sync: Sync, words: Collection[str]) -> list[str]:
        """The partitions that words name, each a key or a range ``A..B`` (see ``syncs.expanded``).

        Raises:
            UsageError: as ``expanded``.
            ModelError, WarehouseError: the SQL of dynamic partitions fails.
        """
        return expanded(sync, words, values=self.known_values, now=dt.datetime.now(dt.UTC))

    def target(self, sync: Sync, partition: str | None) -> Target:
        """A sync with one partition. One that ran before, and has ended, is not read again, also when no constants of
        ``removed`` are left to send for it. Raises as ``ended``."""
        self._values.clear()
        ended = bool(partition and isinstance(sync.removed, dict) and partition in self.state.partitions(sync.name)
                     and has_ended(sync, partition, self.segments(sync)))
        return Target(self, sync, partition, ended=ended)

    def ended(self, sync: Sync, among: Collection[str] = ()) -> list[str]:
        """The partitions that are no longer the sync's, and whose rows the constants of ``removed`` must still be sent
        for: a key was dropped from ``static``, or ``values`` no longer finds it.

        Args:
            among: only these are asked about; empty: all.

        Raises:
            ModelError, WarehouseError: the SQL of dynamic partitions fails.
            StateError: the state cannot be read.
        """
        if sync.partitions is None or not isinstance(sync.removed, dict):
            return []
        ran = [key for key in self.state.partitions(sync.name)
               if key is not None and (not among or key in among)]
        segments = self.segments(sync) if ran else None
        return [key for key in ran if has_ended(sync, key, segments) and self._holds_rows(sync, key)]

    def other_shards(self, sync: Sync, *, again: bool = False) -> list[str | None]:
        """The partitions of a sync that hold something and are of another number of shards than its YAML has, looked up
        once.

        Args:
            again: look them up anew.
        """
        if again or sync.name not in self._other_shards:
            self._other_shards[sync.name] = other_shards(self.state, sync)
        return self._other_shards[sync.name]

    def segments(self, sync: Sync) -> Collection[str] | None:
        """The segments that a partition of the sync can have now (see ``present_segments``); the warehouse is asked
        once."""
        return present_segments(sync, partial(self.known_values, tag=sync.name))

    def share_ended(self, sync: Sync) -> tuple[int, int]:
        """How many rows the partitions that have ended hold, and how many all partitions of the sync.

        Raises:
            As ``ended``; DamagedState when a partition's version cannot be read.
        """
        rows = {key: self.state.of(sync.name, key).current().rows for key in self.state.partitions(sync.name)}
        segments = self.segments(sync)
        return sum(count for key, count in rows.items() if has_ended(sync, key, segments)), sum(rows.values())

    def _holds_rows(self, sync: Sync, partition: str) -> bool:
        """Whether a partition has rows that did not leave, or a run that died in it may have sent some. What cannot be
        read counts as that: its plan then says what is wrong."""
        state = self.state.of(sync.name, partition)
        try:
            version = state.current()
        except StateError:
            return True
        return version.rows > 0 or read_claim(state, version.number + 1) is not None

    def known_values(self, sql: str, tag: str | None = None) -> list[str]:
        """As ``warehouse_values``, asked once."""
        if sql not in self._values:
            self._values[sql] = self.warehouse_values(sql, tag)
        return self._values[sql]

    def _done(self, sync: Sync, partition: str) -> bool:
        """Whether a partition's last run ended well and left nothing: a sample leaves the rest waiting."""
        last = read_last_run(self.state.of(sync.name, partition))
        return last.get("status") == "succeeded" and not last.get("waiting")

    def warehouse_values(self, sql: str, tag: str | None = None) -> list[str]:
        """The keys that the SQL of dynamic partitions finds. ``tag``: the sync, as for ``Warehouse.read``."""
        return self.warehouse.values(resolve(sql, self.settings.dbt_manifest, path="partitions.values").sql, tag)

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


@dataclass(frozen=True)
class Target:
    """A sync and partition of a project: what a verb of the pipeline works on.

    Attributes:
        sync: with ``CANDU_NULLS`` where its YAML does not have ``nulls``.
        partition: the key; None: the sync has no partitions.
        ended: it is none of the sync's any more. The model is not read for it, and all of its rows count as removed.

    Example:
        >>> Target(project, sync, "2026-11-01").name
        'users/profile [2026-11-01]'
    """

    project: Project
    sync: Sync
    partition: str | None = None
    ended: bool = False

    def __post_init__(self) -> None:
        nulls = self.project.settings.nulls
        if self.sync.nulls is None and nulls != "send":
            object.__setattr__(self, "sync", self.sync.model_copy(update={"nulls": nulls}))

    @property
    def name(self) -> str:
        """The sync and partition, as people write them."""
        return named(self.sync.name, self.partition)

    @cached_property
    def state(self) -> PartitionState:
        """The state of this sync and partition."""
        return self.project.state.of(self.sync.name, self.partition)

    @property
    def shard(self) -> Shard | None:
        """The shard that the rows of this partition are in; None: the sync has none."""
        if self.sync.partitions is None or self.sync.partitions.shards is None or self.partition is None:
            return None
        return shard_named(split(self.sync.partitions, self.partition)[1])

    @property
    def model(self) -> str:
        """The SQL of this partition's rows, with parameters in it. Raises as ``Project.model``, and ModelError where
        the warehouse has no hash for shards."""
        return self.of_shard(self.project.model(self.sync))

    @property
    def all_shards(self) -> list[Target]:
        """All shards of the sync, of the same window; none where it has none."""
        partitions = self.sync.partitions
        if self.shard is None or partitions is None or self.partition is None:
            return []
        window = split(partitions, self.partition)[0]
        return [Target(self.project, self.sync, join(window, key)) for key in partitions.keys or ()]

    def of_shard(self, sql: str) -> str:
        """SQL of the rows of this partition's shard: those of ``sql``, where the sync has no shards."""
        shard = self.shard
        return sql if shard is None else self.project.warehouse.sharded(sql, self.sync.shard_column, *shard)

    @property
    def history(self) -> HistoryPolicy:
        """What the ledger keeps of this target's runs."""
        return self.project.history_policy(self.sync)

    @property
    def route(self) -> Route:
        """By which route it is sent."""
        return self.project.destinations.route_of(self.sync)

    def check_workspace(self, *, key: bool = True) -> None:
        """As ``Destinations.check``, for the route of this target."""
        self.project.destinations.check(self.route, key=key)

    def take_on_workspace(self) -> None:
        """As ``Destinations.take_on``, for the route of this target."""
        self.project.destinations.take_on(self.route)

    def check_route(self, version: Version) -> None:
        """Refuse to compare with a snapshot of what was sent by another route.

        Raises:
            OtherRoute: the version is one.
        """
        if version.files and version.route != self.route.name:
            said = "`route:` of its YAML" if self.sync.route else "CANDU_ROUTE"
            raise OtherRoute(other_route(self.name, self.sync.name, ROUTES[version.route], self.route, said=said,
                                         events=self.sync.kind == "events"))

    def check_shards(self, version: Version) -> None:
        """Refuse to begin anew where the state has what was sent in another number of shards, and to run while they
        are moved.

        Raises:
            OtherShards: it has, or a move of it was interrupted.
        """
        if self.shard is not None or not version.files:
            others = [] if version.files else self.project.other_shards(self.sync)
            check_shards(self.project.state, self.sync, self.name, others)
