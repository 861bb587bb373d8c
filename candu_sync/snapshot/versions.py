"""A version of the state, read as a snapshot."""

from __future__ import annotations

import datetime as dt

from candu_sync.rows import Trait, ValueKind
from candu_sync.snapshot.snapshot import Snapshot
from candu_sync.state import PartitionState, Version

# What a version's files are: ``Snapshot`` has them by these names.
ROLES = ("base", "delta", "base_index", "delta_index", "rejected")


def snapshot_of(state: PartitionState, version: Version, kind: str) -> Snapshot:
    """A version's snapshot, its files verified.

    Raises:
        DamagedState: a file is missing, truncated or altered.
    """
    files = {role: state.open(version.files.get(role)) for role in ROLES}
    newest = dt.datetime.fromisoformat(version.newest) if version.newest else None
    traits = tuple(Trait(name, ValueKind(of)) for name, of in version.traits)
    return Snapshot(kind=kind, traits=traits, rows=version.rows, **files, newest=newest,
                    nulled=frozenset(version.nulled), dropped=frozenset(version.dropped),
                    arriving=frozenset(version.arriving))
