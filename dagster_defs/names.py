"""How a sync is called in Dagster: the keys of its two assets, its job, its op, its group.

The push has the sync's own name, and the changes stand beside it: the catalog sorts by the whole key, and the graph
shows its last part.
"""

from __future__ import annotations

from dagster import AssetKey

# A run's tag, with the names of its syncs.
SYNC_TAG = "candu/sync"


def push_key(sync: str) -> AssetKey:
    """``users/profile`` → ``candu/users/profile``."""
    return AssetKey(["candu", *sync.split("/")])


def changes_key(sync: str) -> AssetKey:
    """``users/profile`` → ``candu/users/profile_changes``."""
    return push_key(f"{sync}_changes")


def op_name(sync: str) -> str:
    """``users/profile`` → ``users__profile``: the step of a run, and the key of its configuration."""
    return sync.replace("/", "__")


def job_name(sync: str) -> str:
    """``users/profile`` → ``candu__users__profile``. In Dagster no job may be called as an op is."""
    return f"candu__{op_name(sync)}"


def group_name(kind: str) -> str:
    """``users`` → ``candu_users``."""
    return f"candu_{kind}"
