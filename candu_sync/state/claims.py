"""One writer for a sync and partition: the run that creates the claim file of version n+1 makes version n+1.

A claim names its run and its process, and carries a heartbeat. Another run takes it over only when the owner is dead,
or was silent for longer than the lease. That run first commits version n+1 from the owner's receipts. So an owner that
wakes up again finds its number taken, and cannot commit. It does not continue to send, either. Before each request it
checks the age of its own last heartbeat. At each heartbeat it checks that the claim is still its own.
"""

from __future__ import annotations

import datetime as dt
import json
import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from candu_sync.errors import Claimed, StateError
from candu_sync.later import Later
from candu_sync.state.clocks import ahead, compare
from candu_sync.state.owner import Owner, at_work, owner_of, this_process
from candu_sync.state.partition_state import PartitionState

# A run stops sending long before its lease (``owner.LEASE``) ends, so that its last request, which may wait for an
# answer for CANDU_TIMEOUT (30 s), has ended before another run sends anything newer.
SENDING = 40.0
HEARTBEAT = 10.0

# Seconds without a heartbeat from which on the owner may be dead. One that lives misses no two heartbeats in a row.
SILENT = 2 * HEARTBEAT

# Seconds after the end of a lease at which it has ended for certain: object stores show times in whole seconds.
_MARGIN = 2.0

# A write that took longer, in seconds, says nothing about clocks.
_QUICK = 5.0


class Claim:
    """The right to make one version. Use as a context manager: the heartbeat runs while it is open."""

    def __init__(self, state: PartitionState, number: int, run_id: str) -> None:
        self._state = state
        self._name = _name(state, number)
        self._number = number
        self._owner = this_process(run_id)
        self._lost = self._released = False
        self._beat_at = _clock()
        self._stop = threading.Event()
        self._heartbeat: Later | None = None
        state.introduce()
        # Whether the claim was written at once, and so has the store's time of its heartbeat.
        began = _clock()
        at_work(run_id, now=True)
        try:
            written = state.store.put(self._name, self._body(), create=True)
        except BaseException:
            at_work(run_id, now=False)  # it may be there all the same
            raise
        if not written:
            raise refusal(state, read_claim(state, number))
        self._quick = _clock() - began < _QUICK

    def __enter__(self) -> Claim:
        self._heartbeat = Later(HEARTBEAT, self._beat, "candu-sync heartbeat")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._heartbeat is not None:
            self._heartbeat.end()
        if not self._released:
            at_work(self._owner.run_id, now=False)

    def release(self) -> None:
        """Give the claim back; only for its owner, after the commit or when there was nothing to commit."""
        self._stop.set()
        self._state.store.delete(self._name)
        self._released = True

    def held(self) -> bool:
        """Whether this owner may still send: its last heartbeat is young enough, and the claim was its own then. A
        process has an old heartbeat after it was stopped, or its machine slept."""
        return not self._lost and _clock() - self._beat_at < SENDING

    def _beat(self) -> None:
        while not self._stop.is_set():
            began = _clock()
            if not self.held():
                return
            # One that fails is tried again by the next beat; after SENDING seconds ``held`` stops the sending.
            with suppress(StateError):
                if not self._is_own():
                    self._lost = True
                    return
                self._state.store.put(self._name, self._body())
                self._quick = _clock() - began < _QUICK
                self._beat_at = began
            self._stop.wait(HEARTBEAT)

    def _is_own(self) -> bool:
        """Whether the claim is this process's. Its file also shows whether the clock is right."""
        found = self._state.store.dated(self._name)
        owner = None if found is None else _owner(found[0])
        if found is None or owner is None or owner.process_id != self._owner.process_id:
            return False
        if self._quick:
            compare(owner.host, (owner.heard - found[1]).total_seconds())
        return True

    def _body(self) -> bytes:
        return json.dumps(vars(self._owner) | {"heartbeat": _now().isoformat()}).encode()


def read_claim(state: PartitionState, number: int) -> Owner | None:
    """The owner of a version's claim; None: nobody has claimed it. A claim that cannot be read counts as dead.

    Returns:
        The owner. The heartbeat of one on another machine is the time at which the store got it, as this machine's
        clock would show that time: the clocks of both may be wrong.
    """
    found = None if state.lacks(f"claims/{number:08d}.json") else state.store.dated(_name(state, number))
    if found is None:
        return None
    data, written = found
    owner = _owner(data)
    if owner is None:
        long_ago = dt.datetime.fromtimestamp(0, dt.UTC).isoformat()
        return Owner(run_id="-", host="-", pid=0, process_started="", started="-", heartbeat=long_ago)
    if owner.in_this_table():
        return owner
    # A file that is younger than its heartbeat may have come from a backup, or late. None is older.
    compare(owner.host, max(0.0, (owner.heard - written).total_seconds()))
    # Without the right to write, a reader such as ``status`` has only the clocks of both machines.
    with suppress(StateError):
        heard = written - dt.timedelta(seconds=ahead(state.store, socket.gethostname()))
        return replace(owner, heartbeat=heard.isoformat())
    return owner


def _owner(data: bytes) -> Owner | None:
    """The owner that a claim names; None: it cannot be read."""
    try:
        owner = owner_of(json.loads(data))
        return owner if owner.heard.tzinfo else None
    except (ValueError, TypeError):
        return None


def refusal(state: PartitionState, owner: Owner | None) -> Claimed:
    """The error for a run that finds a partition claimed. Of an owner that is silent for longer than its heartbeat
    takes, it says when the claim is free."""
    if owner is None:
        return Claimed(f"{state.title} was claimed by another run a moment ago: try again")
    silent = max(0.0, owner.silent(_now()))
    free_in = owner.lease_left(_now()) + _MARGIN
    holder = f"run {owner.run_id} on host {owner.host} (process {owner.pid}) has claimed {state.title} since " \
             f"{owner.started}"
    if silent <= SILENT:
        return Claimed(f"{holder}: wait for it, or stop it; the next run takes over the claim of a dead one by itself",
                       free_in=free_in)
    return Claimed(f"{holder}, and gave no sign of life for {silent:.0f} s: if it is dead, its claim is free in "
                   f"{free_in:.0f} s, and a run then takes over", perhaps_dead=True, free_in=free_in)


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
