"""A sync gets another name: its state moves to another folder, one partition after the other.

A marker in the new folder is put before the first copy and removed after the last removal. While it is there, a
partition of the new name that has no version yet cannot be read. In each partition the files are copied first, then
the version that names them is put, then the old folder is emptied. A move that was killed at any point can be repeated.

An empty version stays under the old name, as after a reset: the numbers go on, so that a later sync of that name sends
no messageId twice, and a run that was taken for dead finds its number taken.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection
from dataclasses import replace

from candu_sync.errors import DamagedState
from candu_sync.state import folder_names
from candu_sync.state.claims import Claim, drop_claims, read_claim, refusal
from candu_sync.state.last_run import read_last_run, write_last_run
from candu_sync.state.partition_state import PartitionState
from candu_sync.state.record_json import RECORDS
from candu_sync.state.root import State
from candu_sync.state.versions import File, Version


def renamed_from(state: State, new: str) -> str | None:
    """The old name, while the move to the name ``new`` is under way or was interrupted; None: there is no such move."""
    data = state.store.get(folder_names.renaming_file(new))
    return None if data is None else str(json.loads(data)["from"])


def begin_rename(state: State, old: str, new: str) -> None:
    """Write down that the state of ``old`` moves to ``new``."""
    state.store.put(folder_names.renaming_file(new), json.dumps({"from": old}).encode())


def end_rename(state: State, new: str) -> None:
    """All partitions are moved."""
    state.store.delete(folder_names.renaming_file(new))


def holds_anything(state: State, sync: str) -> bool:
    """Whether a partition of a sync has a version with files: something was sent, or taken as sent."""
    return any(_holds(state.of(sync, key)) for key in state.partitions(sync))


def _holds(state: PartitionState) -> bool:
    try:
        return bool(_newest(state).files)
    except DamagedState:
        return True  # nobody knows what is in it


def orphans(state: State, declared: Collection[str]) -> list[str]:
    """The syncs that hold something and are not among those that are declared, in order."""
    known = {folder_names.sync_folder(name) for name in declared}
    names = (_sync_of(state, folder) for folder in state.root.folders() if folder not in known)
    return sorted(name for name in names if name is not None and holds_anything(state, name))


def known_syncs(state: State) -> list[str]:
    """The syncs that have a folder in the state, whatever is in it, in order."""
    folders = {*state.root.folders(), *state.store.folders(f"{RECORDS}/")}
    return sorted({name for folder in folders if (name := _sync_of(state, folder)) is not None})


def _sync_of(state: State, folder: str) -> str | None:
    """The sync of a folder; None: it is not the folder of a sync, or the sync is not known."""
    if ".." not in folder:
        return folder.replace(".", "/") if "." in folder else None
    # A long name is cut off there. How a run ended says the whole name.
    for partition in state.store.folders(f"{folder}/"):
        if last := read_last_run(PartitionState(state.store, f"{folder}/{partition}", folder)):
            return str(last["sync"])
    return None


def move_partition(old: PartitionState, new: PartitionState, run_id: str, *, leave: tuple[str, ...] = ()) -> None:
    """Move one partition. A part that an interrupted move has done is not done again.

    Args:
        old: the receipts of a run that died there are folded in already.
        new: without a version that has files, unless an interrupted move put it.
        run_id: of the claims.
        leave: names of files that do not move, right below the partition's folder.

    Raises:
        Claimed: a run is at work on either.
        DamagedState: the old version cannot be read.
        StateError: the state cannot be written.
    """
    number = old.newest_number() + 1
    with Claim(old, number, run_id) as claim:
        try:
            _copied(old, new, run_id, leave)
            old.forget(number, run_id)
        finally:
            claim.release()
    drop_claims(old, number)


def _copied(old: PartitionState, new: PartitionState, run_id: str, leave: tuple[str, ...]) -> None:
    number = new.newest_number() + 1
    _drop_dead(new, number)
    with Claim(new, number, run_id) as claim:
        try:
            if not _newest(new).files:
                _copy(old, new, leave)
        finally:
            claim.release()


def _drop_dead(state: PartitionState, number: int) -> None:
    """Remove the claim of a move that died."""
    owner = read_claim(state, number)
    if owner is not None and owner.alive(dt.datetime.now(dt.UTC)):
        raise refusal(state, owner)
    drop_claims(state, number)


def _copy(old: PartitionState, new: PartitionState, leave: tuple[str, ...]) -> None:
    new.introduce()
    version = _newest(old)
    below = len(old.name(""))
    named = {role: replace(file, name=new.name(file.name[below:])) for role, file in version.files.items()}
    for role, file in version.files.items():
        # A damaged file stays where it is, and is reported there.
        old.open(file)
        old.store.copy(file.name, named[role].name)
    for name in old.store.list(old.name("")):
        if _moves(name[below:], leave):
            old.store.copy(name, new.name(name[below:]))
    if last := read_last_run(old):
        write_last_run(new, last | {"sync": new.sync})
    _put_version(new, version, named)


def _moves(name: str, leave: tuple[str, ...]) -> bool:
    """Whether a file moves that no version names: the history, the receipts, and the small ones. What was staged stays:
    its messages have ids of the old name."""
    folder, _, rest = name.partition("/")
    if folder == "runs":
        return "/receipts/" in rest
    return name not in (*leave, folder_names.KEY_FILE, "last.json") and folder not in ("versions", "claims", "data")


def _put_version(new: PartitionState, version: Version, files: dict[str, File]) -> None:
    number = max(version.number, new.newest_number() + 1)
    if version.number:
        new.commit(replace(version, number=number, files=files), {})


def _newest(state: PartitionState) -> Version:
    """The newest version, whether a move to this name is under way or not."""
    return state.newest() or Version(number=0)
