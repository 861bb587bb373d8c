"""Change sets in the state: staged by a plan, opened by a push, removed when they are settled.

    runs/<run>/changes.arrow …   the files of a change set, and the receipts of its messages
    staged.json                  which one awaits its push, and whether it may go past the guards
    invalid.arrow                the rows that the last plan set aside
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from contextlib import suppress

from candu_sync.changes.change_set import FILES, INVALID, ChangeSet
from candu_sync.errors import Claimed, StaleChanges
from candu_sync.state import Claim, PartitionState, local_folder, remove_folder
from candu_sync.syncs import named

# Seconds after which a change set that nobody pushed is removed by the next plan.
_OLD = 3600.0

# Runs whose receipts are kept.
_KEPT_RUNS = 20


def new_run_id() -> str:
    """A run's name: when it began, and a few letters that no other has."""
    return f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"


def stage(state: PartitionState, changes: ChangeSet, *, force: bool) -> ChangeSet:
    """Move a change set into the state; it is the one that awaits its push, in place of one that was staged before.

    The files of others are removed by the owner of the claim alone (``take_over``), so that no push ever loses its own.
    """
    before = state.read_json("staged.json") or {}
    for file in FILES:
        state.store.add(state.name("runs", changes.run_id, file), changes.folder / file)
    state.store.add(state.name(INVALID), changes.folder / INVALID)
    state.write_json("staged.json", {"run_id": changes.run_id, "force": force, "at": time.time()})
    if before and time.time() - before.get("at", 0) > _OLD:
        with suppress(Claimed), Claim(state, state.current().number + 1, changes.run_id) as claim:
            _unstage_others(state, changes.run_id)
            claim.release()
    return opened(state, changes.run_id)


def take_over(state: PartitionState, changes: ChangeSet) -> None:
    """For the owner of a claim, before it sends anything: look that its change set is there, remove all others.

    Raises:
        StaleChanges: it is settled, or another owner has removed it.
    """
    names = state.store.list(state.name("runs", changes.run_id) + "/")
    if not {state.name("runs", changes.run_id, file) for file in FILES} <= set(names):
        raise StaleChanges(f"{named(changes.sync, changes.partition)}: these changes are settled, or another run took "
                           "their place: make the plan again")
    _unstage_others(state, changes.run_id)


def _unstage_others(state: PartitionState, run_id: str) -> None:
    for name in state.store.list(state.name("runs/")):
        if name.endswith("/" + FILES[0]) and (other := name.split("/")[-2]) != run_id:
            unstage(state, other)


def opened(state: PartitionState, run_id: str) -> ChangeSet:
    """A staged change set, its files on this machine.

    Raises:
        StaleChanges: it is not all there, since another run has claimed the partition meanwhile.
    """
    folder = local_folder(state, run_id, FILES)
    if folder is None:
        raise StaleChanges(f"{state.sync}: the staged changes {run_id} are gone, another run took their place: make "
                           "the plan again")
    return ChangeSet.load(folder)


def unstage(state: PartitionState, run_id: str) -> None:
    """Remove a change set's files; its receipts stay."""
    for file in FILES:
        state.store.delete(state.name("runs", run_id, file))


def discard(changes: ChangeSet) -> None:
    """Remove a change set that was not kept."""
    remove_folder(changes.folder)


def forced(state: PartitionState, changes: ChangeSet) -> bool:
    """Whether a change set was staged to go past the guards."""
    pointer = state.read_json("staged.json") or {}
    return pointer.get("run_id") == changes.run_id and bool(pointer.get("force"))


def settle(state: PartitionState, changes: ChangeSet) -> None:
    """A change set that is settled is of no more use; receipts are kept for some runs."""
    unstage(state, changes.run_id)
    if (state.read_json("staged.json") or {}).get("run_id") == changes.run_id:
        state.store.delete(state.name("staged.json"))
    runs = sorted({name[len(state.name("runs/")):].split("/")[0] for name in state.store.list(state.name("runs/"))})
    for run_id in runs[:-_KEPT_RUNS]:
        for name in state.store.list(state.name("runs", run_id) + "/"):
            state.store.delete(name)
