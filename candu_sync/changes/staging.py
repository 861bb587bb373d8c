"""Change sets in the state: staged by a plan, opened by a push, removed when they are settled.

Only this module knows ``staged.json``, the pointer to the change set that awaits its push, and which guards it may
pass. The files of a change set are in ``runs/<run>/`` of the partition's state, next to the receipts of its
messages. One that found nothing to do has no files: the pointer holds its plan. ``invalid.arrow`` has the rows that the
last plan set aside. docs/architecture.md has the whole layout.
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Collection
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from candu_sync.arrow_rows import stored_batches
from candu_sync.changes.change_set import FILES, INVALID, MORE_FILES, ChangeSet
from candu_sync.changes.noise import MOVES
from candu_sync.errors import Claimed, StaleChanges
from candu_sync.naming import named
from candu_sync.routes import ROUTES, Route
from candu_sync.state import Claim, PartitionState, Version, local_folder, remove_folder

STAGED = "staged.json"

# Seconds after which a change set that nobody pushed is removed by the next plan.
_OLD = 3600.0

# Change sets that nobody pushed. A newer plan took their place, but a push that began before it may still need one.
_KEPT_STAGED = 3

# Runs whose receipts are kept.
_KEPT_RUNS = 20


def new_run_id() -> str:
    """A run's name: when it began (UTC), and eight letters that no other run has: ``20261101T060000-1a2b3c4d``."""
    return f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"


def stage(state: PartitionState, changes: ChangeSet, *, force: bool, allow: Collection[str] = (),
          waits: bool = True) -> ChangeSet:
    """Move a change set into the state. It then awaits its push, and replaces one that was staged before. Only the
    owner of the claim removes the files of other change sets (``take_over``), so that no push loses its own files.

    Args:
        force: it may go past all guards when it is pushed.
        allow: the guards that it may pass when it is pushed.
        waits: its push comes later. One that is pushed at once is found by its claim, if this process dies; so a power
            cut may lose that it awaits a push.

    Returns:
        The change set, its folder in the state.

    Raises:
        StateError: it cannot be written.
    """
    before, none_set_aside = _pointer(state), state.lacks(INVALID)
    state.introduce()
    pointer = {"run_id": changes.run_id, "force": force, "allow": sorted(allow), "at": time.time()}
    if changes.folder is None:
        pointer["plan"] = changes.body()
    else:
        _add_files(state, changes, none_set_aside=none_set_aside, waits=waits)
    state.write_json(STAGED, pointer, sync=waits)
    if before:
        _drop_replaced(state, changes, old=time.time() - before.get("at", 0) > _OLD)
    # All its files are on this machine.
    return changes if changes.folder is None else replace(changes, folder=local_folder(state, changes.run_id, FILES))


def _drop_replaced(state: PartitionState, changes: ChangeSet, *, old: bool) -> None:
    """Remove change sets that another one took the place of: all, if the newest of them is old; else those beyond the
    newest few. While a run is at work on the partition, they stay."""
    if changes.folder is None and not old:
        return
    others = _others(state, state.store.list(state.name("runs/")), changes.run_id)
    if not old:
        others = others[:-_KEPT_STAGED]
    if not others:
        return
    with suppress(Claimed), Claim(state, state.current().number + 1, changes.run_id) as claim:
        for run_id in others:
            _unstage(state, run_id)
        claim.release()


def _add_files(state: PartitionState, changes: ChangeSet, *, none_set_aside: bool, waits: bool) -> None:
    """``none_set_aside``: the state has no invalid rows of an earlier plan; ``waits`` as for ``stage``."""
    *files, last = [*(file for file in (*MORE_FILES, MOVES) if changes.file(file).exists()), *FILES]
    for file in (*files, last):
        state.store.add(state.name("runs", changes.run_id, file), changes.file(file), more=file != last)
    if changes.keys:
        return  # the invalid rows of the last plan of all rows are kept
    if changes.file(INVALID).exists():
        # The pointer follows, in the same folder.
        state.store.add(state.name(INVALID), changes.file(INVALID), more=waits)
    elif not none_set_aside:
        state.store.delete(state.name(INVALID))


def staged(state: PartitionState) -> ChangeSet:
    """The change set that awaits its push, its files on this machine.

    Raises:
        StaleChanges: there is none, or it belongs to a snapshot that is no longer the current one.
    """
    pointer = _pointer(state)
    if "run_id" not in pointer:
        raise StaleChanges(f"{state.title}: no changes are staged: make the plan first")
    plan = pointer.get("plan")
    changes = ChangeSet.load(_folder(state, pointer["run_id"])) if plan is None else ChangeSet.of(plan, None)
    check_fresh(changes, state.current())
    return changes


def check_fresh(changes: ChangeSet, current: Version) -> None:
    """A change set may be pushed on the version that it was computed from, or on one that its own push made.

    Raises:
        StaleChanges: the snapshot is at another version.
    """
    if current.number != changes.base and current.run_id != changes.run_id:
        raise _stale(changes, current.number)


def check_planned_for(changes: ChangeSet, route: Route) -> None:
    """A change set may be pushed by the route for which it was planned.

    Raises:
        StaleChanges: the settings name another route now.
    """
    if changes.route != route.name:
        raise StaleChanges(f"{named(changes.sync, changes.partition)}: the staged changes were planned to go "
                           f"{ROUTES[changes.route].way}, and now they would go {route.way}: make the plan again")


def _stale(changes: ChangeSet, current: int) -> StaleChanges:
    return StaleChanges(f"{named(changes.sync, changes.partition)}: the staged changes belong to version "
                        f"{changes.base} of the snapshot, which is at version {current} now: make the plan "
                        "again")


def staged_by(state: PartitionState, run_id: str) -> ChangeSet | None:
    """The change set that a run has staged; None: its files are not all there any more."""
    folder = _local(state, run_id)
    return None if folder is None else ChangeSet.load(folder)


def _local(state: PartitionState, run_id: str) -> Path | None:
    """The folder with the files of a change set, on this machine; None: they are not all there any more."""
    folder = local_folder(state, run_id, FILES)
    for file in (*MORE_FILES, MOVES) if folder else ():
        # Most change sets have none of these.
        state.store.local(state.name("runs", run_id, file))
    return folder


def staged_traits(state: PartitionState) -> list[str]:
    """The names of the traits that the model gives, by the change set that awaits its push; []: there is none. Of its
    files only ``plan.json`` is read."""
    pointer = _pointer(state)
    body = pointer.get("plan")
    if body is None and pointer:
        body = state.read_json(f"runs/{pointer['run_id']}/plan.json")
    return [] if body is None else list(body.get("given", ()))


def anything_staged(state: PartitionState) -> bool:
    """Whether a change set awaits its push."""
    return bool(_pointer(state))


def anything_set_aside(state: PartitionState) -> bool:
    """Whether the last plan found invalid rows. Then the next plan has to list those that are invalid now."""
    path = state.local(INVALID)
    if path is None:
        return False
    with closing(stored_batches(path)) as batches:
        return any(batch.num_rows for batch in batches)


def awaits_push(state: PartitionState, run_id: str) -> bool:
    """Whether the change set of this run is the one that awaits its push."""
    return _pointer(state).get("run_id") == run_id


def forced(state: PartitionState, changes: ChangeSet) -> bool:
    """Whether a change set was staged to go past all guards."""
    return awaits_push(state, changes.run_id) and bool(_pointer(state).get("force"))


def allowed(state: PartitionState, changes: ChangeSet) -> frozenset[str]:
    """The guards that a change set was staged to pass."""
    return frozenset(_pointer(state).get("allow", ()) if awaits_push(state, changes.run_id) else ())


def take_over(state: PartitionState, changes: ChangeSet, version: Version) -> None:
    """For the owner of a claim, before it sends anything: make sure that its change set is there, remove all others.

    Raises:
        StaleChanges: the snapshot is no longer at ``version``, or the change set is settled or removed.
    """
    if (current := state.newest_number()) != version.number:
        raise _stale(changes, current)
    names = state.names("runs/")
    if not {state.name("runs", changes.run_id, file) for file in FILES} <= set(names):
        raise StaleChanges(f"{state.title}: these changes are settled, or another run took their place: make the plan "
                           "again")
    for run_id in _others(state, names, changes.run_id):
        _unstage(state, run_id)
    _drop_receipts(state, names, {changes.run_id, version.run_id})


def _drop_receipts(state: PartitionState, names: Collection[str], needed: Collection[str]) -> None:
    """Keep the receipts of the last runs, also where no run of the partition settles all of its messages. All runs but
    the present one are committed: the snapshot has what their receipts say.

    Args:
        names: of the files of all runs.
        needed: the runs whose receipts are read again: of the present one, and of the one that made the newest version
            (``full_run``).
    """
    runs = sorted({_run_of(state, name) for name in names} - set(needed))
    old = set(runs[:max(0, len(runs) + len(needed) - _KEPT_RUNS)])
    state.store.delete_all([name for name in names if _run_of(state, name) in old])


def _run_of(state: PartitionState, name: str) -> str:
    return name[len(state.name("runs/")):].split("/")[0]


def settle(state: PartitionState, changes: ChangeSet) -> None:
    """Remove a change set whose messages are all settled. Its receipts stay for a while (``take_over``)."""
    pointer = [state.name(STAGED)] if awaits_push(state, changes.run_id) else []
    state.store.delete_all([*_files_of(state, changes.run_id), *pointer])


def discard(changes: ChangeSet) -> None:
    """Remove a change set that was not staged."""
    if changes.folder is not None:
        remove_folder(changes.folder)


def _pointer(state: PartitionState) -> dict[str, Any]:
    return state.read_json(STAGED) or {}


def _folder(state: PartitionState, run_id: str) -> Path:
    """As ``_local``. Raises StaleChanges instead of None."""
    found = _local(state, run_id)
    if found is None:
        raise StaleChanges(f"{state.title}: the staged changes {run_id} are gone, another run took their place: make "
                           "the plan again")
    return found


def _others(state: PartitionState, names: Collection[str], run_id: str) -> list[str]:
    """The other runs that have staged a change set, the oldest first.

    Args:
        names: of the files of all runs.
    """
    found = (_run_of(state, name) for name in names if name.endswith(f"/{FILES[0]}"))
    return [other for other in found if other != run_id]


def _unstage(state: PartitionState, run_id: str) -> None:
    """Remove a change set's files; its receipts stay."""
    state.store.delete_all(_files_of(state, run_id))


def _files_of(state: PartitionState, run_id: str) -> list[str]:
    """The names of the files that a change set may have."""
    return [state.name("runs", run_id, file) for file in (*FILES, *MORE_FILES, MOVES)]
