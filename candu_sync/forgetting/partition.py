"""A person leaves the state of one sync and partition.

All of it happens under two claims: that of the version without the person, and that of the next one. So no run begins
before the last old file is removed. Until that version is put, each file is as it was, or already without the person.
If the process is killed at any point, the same call finishes it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from candu_sync.changes import FILES, INVALID, STAGED
from candu_sync.embedded import Embedded
from candu_sync.forgetting.keys import Keys, keys_of
from candu_sync.forgetting.ledger import keys_in_ledger, leave_ledger
from candu_sync.forgetting.searching import holds
from candu_sync.forgetting.sentences import without_id
from candu_sync.forgetting.snapshot_files import Cleaned, clean_snapshot, without_keys
from candu_sync.history import FOLDER
from candu_sync.snapshot import forget_hashes, snapshot_of
from candu_sync.state import Claim, PartitionState, Version, remove_folder
from candu_sync.syncs import Sync


@dataclass(frozen=True)
class Removed:
    """How many rows or files were removed from where, of one sync and partition."""

    sync: str
    partition: str | None
    where: str
    count: int


def leave_partition(state: PartitionState, sync: Sync, version: Version, user_id: str, run_id: str,
                    engine: Embedded) -> list[Removed]:
    """Remove what a partition holds of a person.

    Args:
        version: the current one; the receipts of a run that died are folded in.
        run_id: names this work.
        engine: to work in.

    Raises:
        Claimed: a run is at work on the partition.
        DamagedState: a file of the version was changed.
        StateError: the state cannot be written.
    """
    keys = keys_of(sync, user_id, keys_in_ledger(state, user_id) if sync.kind == "events" else frozenset())
    old_files = [*state.store.list(state.name("versions/")), *state.store.list(state.name("data/"))]
    with ExitStack() as claims:
        held = [claims.enter_context(Claim(state, version.number + n, run_id)) for n in (1, 2)]
        try:
            found = [*_beside(state, keys, user_id)]
            # Hashes of the person's rows are among them. The next run reads all rows.
            forget_hashes(state)
            new, cleaned = _cleaned(state, sync, version, keys, run_id, engine)
            found += [("snapshot", cleaned.snapshot), ("refused rows", cleaned.refused),
                      ("older versions", _drop(state, old_files, new, user_id)),
                      ("history", leave_ledger(state, keys))]
        finally:
            for claim in reversed(held):
                claim.release()
    return [Removed(state.sync, state.partition, where, count) for where, count in found if count]


def _cleaned(state: PartitionState, sync: Sync, version: Version, keys: Keys, run_id: str,
             engine: Embedded) -> tuple[Version, Cleaned]:
    """Put the version without the person, if this one has it."""
    if not version.files:
        return version, Cleaned({})
    folder = state.store.scratch()
    try:
        cleaned = clean_snapshot(snapshot_of(state, version, sync.kind), keys, engine, folder)
        if not cleaned.files:
            return version, cleaned
        kept = {role: file for role, file in version.files.items() if role not in cleaned.files}
        at = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        new = replace(version, number=version.number + 1, run_id=run_id, at=at, rows=version.rows - cleaned.live,
                      files=kept)
        return state.commit(new, {role: path for role, path in cleaned.files.items() if path is not None}), cleaned
    finally:
        remove_folder(folder)


def _drop(state: PartitionState, old_files: list[str], new: Version, user_id: str) -> int:
    """Remove the versions before the new one, and the files that it does not name. Returns how many of these held the
    person."""
    kept = {file.name for file in new.files.values()}
    gone = 0
    for name in old_files:
        is_version = name.startswith(state.name("versions/"))
        if name in kept or (is_version and int(Path(name).stem) >= new.number):
            continue
        path = None if is_version else state.store.local(name)
        gone += path is not None and holds(path, user_id)
        state.store.delete(name)
    return gone


def _beside(state: PartitionState, keys: Keys, user_id: str) -> Iterator[tuple[str, int]]:
    """Remove the person from the other files of the partition."""
    for where, name in (("invalid rows", INVALID), ("history", f"{FOLDER}/{INVALID}")):
        yield where, _without(state, state.name(name), keys)
    yield "uncertain events", sum(_certain(state, name, keys) for name in state.store.list(state.name("uncertain/")))
    yield "staged changes", _unstaged(state, user_id)
    yield "last run", _unsaid(state, user_id)


def _without(state: PartitionState, name: str, keys: Keys) -> int:
    path = state.store.local(name)
    if path is None:
        return 0
    folder = state.store.scratch()
    try:
        new = folder / "left.arrow"
        gone, _ = without_keys(path, keys, new)
        if gone:
            state.store.add(name, new)
        return gone
    finally:
        remove_folder(folder)


def _certain(state: PartitionState, name: str, keys: Keys) -> int:
    below = name.removeprefix(state.name(""))
    body = state.read_json(below) or {}
    left = [key for key in body.get("keys", []) if not keys.name(key)]
    gone = len(body.get("keys", [])) - len(left)
    if gone:
        state.write_json(below, body | {"keys": left, "count": max(0, body["count"] - gone)})
    return gone


def _unstaged(state: PartitionState, user_id: str) -> int:
    """Remove the change sets that hold the person, with their receipts, which are folded in. Returns how many."""
    names = state.store.list(state.name("runs/"))
    runs = {name.removeprefix(state.name("runs/")).split("/")[0] for name in names}
    gone = 0
    for run in sorted(runs):
        mine = [name for name in names if name.startswith(state.name("runs", run, ""))]
        staged = any(name.endswith(f"/{FILES[0]}") for name in mine)
        if any(path is not None and holds(path, user_id) for path in map(state.store.local, mine)):
            gone += 1
            if staged and (state.read_json(STAGED) or {}).get("run_id") == run:
                state.store.delete(state.name(STAGED))
            for name in mine:
                state.store.delete(name)
    return gone


def _unsaid(state: PartitionState, user_id: str) -> int:
    """The sentences about the last run may name a key."""
    body = state.read_record()
    new = without_id(body, user_id)
    if new == body:
        return 0
    state.rewrite_record(new)
    return 1
