"""One writer for a sync and partition: the run that creates the claim file of version n+1 makes version n+1.

A claim names its run and its process, and carries a heartbeat. Another run takes it over only when the owner is dead,
or was silent for longer than the lease. That run first commits version n+1 from the owner's receipts. So an owner that
wakes up again finds its number taken, and cannot commit. It does not continue to send, either. Before each request it
checks the age of its own last heartbeat. At each heartbeat it checks that the claim is still its own.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from pathlib import Path

from candu_sync.errors import Claimed, StateError
from candu_sync.state.owner import Owner, this_process
from candu_sync.state.partition_state import PartitionState

# A run stops sending long before its lease (``owner.LEASE``) ends, so that its last request, which may wait for an
# answer for CANDU_TIMEOUT (30 s), has ended before another run sends anything newer.
SENDING = 40.0
HEARTBEAT = 10.0


class Claim:
    """The right to make one version. Use as a context manager: the heartbeat runs while it is open."""

    def __init__(self, state: PartitionState, number: int, run_id: str) -> None:
        self._state = state
        self._name = _name(state, number)
        self._number = number
        self._owner = this_process(run_id)
        self._lost = False
        self._beat_at = _clock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="candu-sync heartbeat", daemon=True)
        state.introduce()
        if not state.store.put(self._name, self._body(), create=True):
            raise Claimed(refusal(state, read_claim(state, number)))

    def __enter__(self) -> Claim:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def release(self) -> None:
        """Give the claim back; only for its owner, after the commit or when there was nothing to commit."""
        self._stop.set()
        self._state.store.delete(self._name)

    def held(self) -> bool:
        """Whether this owner may still send: its last heartbeat is young enough, and the claim was its own then. A
        process has an old heartbeat after it was stopped, or its machine slept."""
        return not self._lost and _clock() - self._beat_at < SENDING

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT):
            began = _clock()
            if not self.held():
                return
            try:
                found = read_claim(self._state, self._number)
                if found is None or found.process_id != self._owner.process_id:
                    self._lost = True
                    return
                self._state.store.put(self._name, self._body())
                self._beat_at = began
            except StateError:
                continue  # the next beat tries again; after SENDING seconds ``held`` stops the sending

    def _body(self) -> bytes:
        return json.dumps(vars(self._owner) | {"heartbeat": _now().isoformat()}).encode()


def read_claim(state: PartitionState, number: int) -> Owner | None:
    """The owner of a version's claim; None: nobody has claimed it. A claim that cannot be read counts as dead."""
    data = state.store.get(_name(state, number))
    try:
        return None if data is None else Owner(**json.loads(data))
    except (ValueError, TypeError):
        long_ago = dt.datetime.fromtimestamp(0, dt.UTC).isoformat()
        return Owner(run_id="-", host="-", pid=0, process_started="", started="-", heartbeat=long_ago)


def refusal(state: PartitionState, owner: Owner | None) -> str:
    """The sentence for a run that finds a partition claimed."""
    if owner is None:
        return f"{state.title} was claimed by another run a moment ago: try again"
    return (f"run {owner.run_id} on host {owner.host} (process {owner.pid}) has claimed {state.title} since "
            f"{owner.started}: wait for it, or stop it; the next run takes over the claim of a dead one by itself")


def drop_claims(state: PartitionState, up_to: int) -> None:
    """Remove the claims of versions that exist."""
    for name in state.store.list(state.name("claims/")):
        if int(Path(name).stem) <= up_to:
            state.store.delete(name)


def _name(state: PartitionState, number: int) -> str:
    return state.name("claims", f"{number:08d}.json")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _clock() -> float:
    """Seconds of a clock that runs while this process is stopped, and where the system has such a clock
    (clock_gettime(2), CLOCK_BOOTTIME) also while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
