"""A sync gets another number of shards: the state of its partitions is set aside, and comes back in other parts.

1. A marker is put into the sync's folder. While it is there, a partition without files cannot be run.
2. Each old partition's files are copied, then its version with the names of the copies is put beside them, then the
   partition becomes an empty version, as after a reset: its numbers go on. Another run cannot work on it meanwhile.
3. The new partitions are made of the copies. This module does not know how.
4. The copies are removed, then the marker.

A move that was killed at any point is finished by another call: an old partition that still has files is copied again,
also when a run has changed it in between, and a new one that has files was made already.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, NamedTuple

from candu_sync.state import folder_names
from candu_sync.state.claims import Claim, drop_claims
from candu_sync.state.last_run import read_last_run
from candu_sync.state.partition_state import PartitionState
from candu_sync.state.root import State
from candu_sync.state.versions import Version, as_json, decode, encode

# At the root of the state. The folders of syncs have a dot in their names.
_COPIES = "resharding"

_PART = "part.json"


class Part(NamedTuple):
    """An old partition that was set aside: its key, its version with the copies as files, how its last run ended."""

    partition: str | None
    version: Version
    last: dict[str, Any]


def resharded_to(state: State, sync: str) -> int | None:
    """The new number of shards, while a move is under way or was interrupted; None: there is none."""
    data = state.store.get(folder_names.resharding_file(sync))
    return None if data is None else int(json.loads(data)["shards"])


def begin_resharding(state: State, sync: str, count: int) -> None:
    """Write down that a sync gets so many shards."""
    state.store.put(folder_names.resharding_file(sync), as_json({"shards": count}))


def set_part_aside(state: State, old: PartitionState, run_id: str, *, keep: str) -> None:
    """Copy a partition, and make it empty. The receipts of a run that died there are folded in already.

    Args:
        keep: the folder of it that stays.

    Raises:
        Claimed: a run is at work on it.
        DamagedState, StateError: it cannot be read, or the state not be written.
    """
    version = old.current()
    number = version.number + 1
    with Claim(old, number, run_id) as claim:
        try:
            folder = f"{_folder(old.sync)}{folder_names.partition_folder(old.partition)}"
            files = {}
            for role, file in version.files.items():
                # A damaged file stays where it is, and is reported there.
                old.open(file)
                files[role] = replace(file, name=f"{folder}/{file.name.rpartition('/')[2]}")
                state.store.copy(file.name, files[role].name)
            state.store.put(f"{folder}/{_PART}", as_json({
                "partition": old.partition, "version": json.loads(encode(replace(version, files=files))),
                "last": read_last_run(old)}))
            old.forget(number, run_id, keep=keep)
        finally:
            claim.release()
    drop_claims(old, number)


def parts_set_aside(state: State, sync: str) -> list[Part]:
    """The partitions that were set aside."""
    bodies = [json.loads(state.store.get(name) or b"{}") for name in state.store.list(_folder(sync))
              if name.endswith(f"/{_PART}")]
    return [Part(body["partition"], decode(json.dumps(body["version"]).encode()), body["last"]) for body in bodies]


def end_resharding(state: State, sync: str) -> None:
    """The new partitions are there. What is removed first says that a part was set aside."""
    names = state.store.list(_folder(sync))
    for name in sorted(names, key=lambda name: not name.endswith(f"/{_PART}")):
        state.store.delete(name)
    state.store.delete(folder_names.resharding_file(sync))


def _folder(sync: str) -> str:
    return f"{_COPIES}/{folder_names.sync_folder(sync)}/"
