"""A version of the state, read as a snapshot."""

from __future__ import annotations

import datetime as dt
from functools import partial

from candu_sync.rows import Trait, ValueKind
from candu_sync.snapshot.local_file import Opened
from candu_sync.snapshot.snapshot import Snapshot
from candu_sync.state import File, PartitionState, Version

# What a version's files are: ``Snapshot`` has them by these names.
ROLES = ("base", "delta", "base_index", "delta_index", "rejected")


def snapshot_of(state: PartitionState, version: Version, kind: str) -> Snapshot:
    """A version's snapshot. Its files are verified: on a disk now, in an object store when they are fetched.

    Raises:
        DamagedState: a file is missing, truncated or altered.
    """
    # In an object store, a run in which nothing changed needs the row indexes alone.
    files: dict[str, Opened] = {role: _opened(state, version.files.get(role)) for role in ROLES}
    newest = dt.datetime.fromisoformat(version.newest) if version.newest else None
    return Snapshot(kind=kind, traits=traits_of(version), rows=version.rows, **files, newest=newest,
                    nulled=frozenset(version.nulled), dropped=frozenset(version.dropped),
                    arriving=frozenset(version.arriving))


def traits_of(version: Version) -> tuple[Trait, ...]:
    """The traits of a version's rows."""
    return tuple(Trait(name, ValueKind(of)) for name, of in version.traits)


def _opened(state: PartitionState, file: File | None) -> Opened:
    return state.open(file) if file is None or state.store.folder is not None else partial(state.open, file)
