"""A target: one sync and partition of a project."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from candu_sync.errors import OtherRoute
from candu_sync.history import HistoryPolicy
from candu_sync.naming import named
from candu_sync.routes import ROUTES, Route, other_route
from candu_sync.shard_counts import check_shards
from candu_sync.state import PartitionState, Version
from candu_sync.syncs import Shard, Sync, join, shard_named, split

if TYPE_CHECKING:
    from candu_sync.project import Project


@dataclass(frozen=True)
class Target:
    """A sync and partition of a project: what a verb of the pipeline works on.

    Attributes:
        sync: with ``CANDU_NULLS`` where its YAML does not have ``nulls``.
        partition: the key; None: the sync has no partitions.
        ended: it is none of the sync's any more. The model is not read for it, and all of its rows count as removed.
        by_hand: a person wrote its key, which may be mistyped.

    Example:
        >>> Target(project, sync, "2026-11-01").name
        'users/profile [2026-11-01]'
    """

    project: Project
    sync: Sync
    partition: str | None = None
    ended: bool = False
    by_hand: bool = False

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
        self.project.expect(self.sync.name, self.partition)
        return self.project.state.begin(self.sync.name, self.partition)

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
        self.project.expect(self.sync.name, self.partition)
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
