"""How a sync is called in Dagster: the keys of its two assets, its job, its op, its group.

The push has the sync's own name, and the changes stand beside it: the catalog sorts by the whole key, and the graph
shows its last part. A workspace with a name has it in every name, so that several share one instance of Dagster.
"""

from __future__ import annotations

from dataclasses import dataclass

from dagster import AssetKey

# A run's tag, with the names of its syncs.
# Users are sent first, then groups, then events: by the steps of a run, which does those of higher priority first, and
# by the runs in the queue.
PRIORITY_TAG = "dagster/priority"
PRIORITIES = {"users": "2", "groups": "1", "events": "0"}

SYNC_TAG = "candu/sync"

_KINDS = ("users", "groups", "events")


@dataclass(frozen=True)
class Names:
    """The names of a workspace's syncs.

    Attributes:
        workspace: the workspace's name; None: it has none.
        given_key: of the ``CanduSyncResource``, where the project defines it itself.
    """

    workspace: str | None = None
    given_key: str | None = None

    @property
    def root(self) -> str:
        """``candu``, or ``candu_eu``: the first part of all keys."""
        return "candu" if self.workspace is None else f"candu_{self.workspace}"

    @property
    def engine(self) -> str:
        """``candu_sync``, or ``candu_sync_eu``: what is not one sync's begins with it."""
        return "candu_sync" if self.workspace is None else f"candu_sync_{self.workspace}"

    @property
    def resource_key(self) -> str:
        """The key of the resource that the syncs work with."""
        return self.given_key or self.engine

    def push_key(self, sync: str) -> AssetKey:
        """``users/profile`` → ``candu/users/profile``."""
        return AssetKey([self.root, *sync.split("/")])

    def changes_key(self, sync: str) -> AssetKey:
        """``users/profile`` → ``candu/users/profile_changes``."""
        return self.push_key(f"{sync}_changes")

    def label(self, sync: str) -> str:
        """``users/profile``, or ``eu/users/profile``: in the tags of runs, and of pools."""
        return sync if self.workspace is None else f"{self.workspace}/{sync}"

    def sync_of(self, label: str) -> str | None:
        """The sync of a label; None: it is another workspace's, or none."""
        sync = label if self.workspace is None else label.removeprefix(f"{self.workspace}/")
        return sync if self.label(sync) == label and sync.partition("/")[0] in _KINDS else None

    def op_name(self, sync: str) -> str:
        """``users/profile`` → ``users__profile``: the step of a run, and the key of its configuration."""
        return self.label(sync).replace("/", "__")

    def job_name(self, sync: str) -> str:
        """``users/profile`` → ``candu__users__profile``. In Dagster no job may be called as an op is."""
        return f"{self.root}__{sync.replace('/', '__')}"

    def group_name(self, kind: str) -> str:
        """``users`` → ``candu_users``."""
        return f"{self.root}_{kind}"

    def dynamic(self, partitions: str) -> str:
        """The name of dynamic partitions. An instance of Dagster has one set of keys for a name."""
        return partitions if self.workspace is None else f"{self.workspace}__{partitions}"


# Of the workspace without a name, where there is only one.
ALONE = Names()
