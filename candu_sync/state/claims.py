"""One writer for a sync and partition: whoever creates the claim file of version n+1 makes version n+1.

A claim names its run, host and process, and carries a heartbeat. It is taken over only when its owner is dead (same
host, no such process) or has been silent for longer than the lease; the one who takes over commits version n+1 from
what the old owner's receipts say, so an owner that wakes up finds its number taken and can commit no more. It does not
send on either: before every request it looks whether its own last heartbeat is young enough.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import socket
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from candu_sync.errors import Claimed, StateError
from candu_sync.state.versions import PartitionState

# A run that said nothing for this long is taken for dead. It stops sending by itself much earlier, so that a request of
# its, which may wait for its answer for CANDU_TIMEOUT (30 s), has ended before another run sends anything newer.
LEASE = 120.0
SENDING = 40.0
HEARTBEAT = 10.0


@dataclass(frozen=True)
class Owner:
    """Who holds a claim. ``started`` and ``heartbeat`` are ISO 8601 in UTC; ``process_started`` tells a process from
    a later one of the same number."""

    run_id: str
    host: str
    pid: int
    process_started: str
    started: str
    heartbeat: str

    def alive(self, now: dt.datetime) -> bool:
        """False when this owner can no longer send: its process is gone, or it missed its lease."""
        if self.host == socket.gethostname() and self.process_started != _process_started(self.pid):
            return False
        return (now - dt.datetime.fromisoformat(self.heartbeat)).total_seconds() <= LEASE


class Claim:
    """The right to make one version. Use as a context manager: the heartbeat runs while it is open."""

    def __init__(self, state: PartitionState, number: int, run_id: str) -> None:
        now = _now().isoformat(timespec="seconds")
        self._state = state
        self._name = _name(state, number)
        self._owner = Owner(run_id, socket.gethostname(), os.getpid(), _process_started(os.getpid()), now, now)
        self._beat_at = _clock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="candu-sync heartbeat", daemon=True)
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
        """Whether this owner may still send: it has said so within the lease. A process that was stopped, or whose
        machine slept, wakes up with an old heartbeat."""
        return _clock() - self._beat_at < SENDING

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT):
            began = _clock()
            if not self.held():
                return
            try:
                self._state.store.put(self._name, self._body())
                self._beat_at = began
            except StateError:
                continue  # the next beat tries again; beyond the lease ``held`` stops the sending

    def _body(self) -> bytes:
        return json.dumps(asdict(self._owner) | {"heartbeat": _now().isoformat()}).encode()


def read_claim(state: PartitionState, number: int) -> Owner | None:
    """Who claims a version; None: nobody. A claim that cannot be read counts as one whose owner is dead."""
    data = state.store.get(_name(state, number))
    try:
        return None if data is None else Owner(**json.loads(data))
    except (ValueError, TypeError):
        return Owner("-", "-", 0, "", "-", dt.datetime.fromtimestamp(0, dt.UTC).isoformat())


def refusal(state: PartitionState, owner: Owner | None) -> str:
    """The sentence for a run that finds a partition claimed."""
    if owner is None:
        return f"{state.sync} was claimed by another run a moment ago: try again"
    return (f"run {owner.run_id} on host {owner.host} (process {owner.pid}) has claimed {state.sync} since "
            f"{owner.started}: wait for it, or stop it; a dead run's claim is taken over by itself")


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
    """Seconds that go on while this process is stopped, and where the system has such a clock (clock_gettime(2),
    CLOCK_BOOTTIME) also while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def _process_started(pid: int) -> str:
    """When a process of this host began, in clock ticks since boot (proc(5), stat, field 22); empty: there is none.
    A zombie (field 3) is dead, though its parent has not asked yet. Where there is no /proc the process is asked for by
    a signal, and its number alone must tell it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    except (OSError, IndexError):
        pass
    if Path("/proc/self").exists():
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        return "running"
    return "running"
