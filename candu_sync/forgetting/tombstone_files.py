"""The objects of tombstones in the state. No rows are read here, and no database is loaded.

One is ``forgotten/<hash>.json`` at the root of the state, with the time when it was put and when the forgetting was
finished (null: it was interrupted). The salt of the hash is the state's id: a person who has the state can test a
guess, but cannot read an id.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from pathlib import PurePosixPath

from candu_sync.state import State

_FOLDER = "forgotten/"
_CERTIFICATES = f"{_FOLDER}certificates/"


def hash_of(salt: str, user_id: str) -> str:
    """The hash of a person's id."""
    return hashlib.sha256((salt + user_id).encode()).hexdigest()


def hashes_of_all(state: State, *, lately: bool) -> frozenset[str]:
    """The hashes of the people who are forgotten now. Arguments and errors as for ``read_tombstones``."""
    # On a disk, the folder itself is looked at sooner than all others.
    if lately and state.store.folder is None and _FOLDER.rstrip("/") not in state.root.folders():
        return frozenset()
    return frozenset(PurePosixPath(name).stem for name in _names(state))


def is_forgotten(state: State, user_id: str) -> bool:
    """Whether a person is forgotten, by the id.

    Raises:
        StateError: the state cannot be read.
    """
    return state.store.get(_name(state, user_id)) is not None


def unfinished(state: State) -> int:
    """How many people are being forgotten, or were when that was interrupted.

    Raises:
        StateError: the state cannot be read.
    """
    bodies = map(state.store.get, _names(state))
    return sum(json.loads(body)["finished"] is None for body in bodies if body)


def put_tombstone(state: State, user_id: str, *, finished: bool) -> None:
    """Put a person's tombstone, or write down that the forgetting is finished."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    state.store.put(_name(state, user_id), json.dumps({"at": now, "finished": now if finished else None}).encode())


def lift_tombstone(state: State, user_id: str) -> bool:
    """Remove a person's tombstone; False: there is none."""
    if not is_forgotten(state, user_id):
        return False
    state.store.delete(_name(state, user_id))
    return True


def keep_certificate(state: State, certificate: dict[str, object], run_id: str) -> str:
    """Write down what was removed from where; returns where that is."""
    name = f"{_CERTIFICATES}{run_id}.json"
    state.store.put(name, json.dumps(certificate, indent=1).encode())
    return state.store.place(name)


def _name(state: State, user_id: str) -> str:
    return f"{_FOLDER}{hash_of(str(state.workspace), user_id)}.json"


def _names(state: State) -> list[str]:
    return [name for name in state.store.list(_FOLDER) if not name.startswith(_CERTIFICATES)]
