"""Who holds a claim, and whether that process can still send."""

from __future__ import annotations

import datetime as dt
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from candu_sync.state import processes

# Seconds of silence after which a run counts as dead, whether or not its process can be seen.
LEASE = 120.0

# Runs of this process that are over, and could not give their claim back, as where the store was away.
_over: set[str] = set()


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The process that holds a claim.

    Attributes:
        host, pid: its host name and process number, for people.
        process_started: distinguishes a process from a later one of the same number (``processes.started``).
        boot_id, pid_namespace: the process table that ``pid`` belongs to; empty: not known.
        process_id: a random id of the process.
        started, heartbeat: ISO 8601 in UTC.
    """

    run_id: str
    host: str
    pid: int
    process_started: str
    started: str
    heartbeat: str
    boot_id: str = ""
    pid_namespace: str = ""
    process_id: str = ""

    def alive(self, now: dt.datetime) -> bool:
        """False when this owner can no longer send: its process is gone, or its lease has ended.

        The process table is asked only where it is the owner's own; for all others the lease decides.
        """
        if self.in_this_table() and not self._running():
            return False
        return self.silent(now) <= LEASE

    @property
    def heard(self) -> dt.datetime:
        """The time of its last heartbeat."""
        return dt.datetime.fromisoformat(self.heartbeat)

    def silent(self, now: dt.datetime) -> float:
        """The seconds since its last heartbeat."""
        return (now - self.heard).total_seconds()

    def lease_left(self, now: dt.datetime) -> float:
        """The seconds until its lease ends, if it is silent from now on; 0: it has ended."""
        return max(0.0, LEASE - self.silent(now))

    def in_this_table(self) -> bool:
        """Whether this process sees the owner's in its process table."""
        there = (self.boot_id, self.pid_namespace)
        return all(there) and there == (processes.boot_id(), processes.pid_namespace())

    def _running(self) -> bool:
        if self.pid == os.getpid():
            return self.process_id == processes.process_id() and self.run_id not in _over
        return self.process_started == processes.started(self.pid)


_FIELDS = tuple(field.name for field in fields(Owner))


def this_process(run_id: str) -> Owner:
    """This process as the owner of a claim, with a heartbeat of now."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    pid = os.getpid()
    return Owner(run_id=run_id, host=socket.gethostname(), pid=pid, process_started=processes.started(pid),
                 started=now, heartbeat=now, boot_id=processes.boot_id(), pid_namespace=processes.pid_namespace(),
                 process_id=processes.process_id())


def at_work(run_id: str, *, now: bool) -> None:
    """Whether this process works under the claim of a run; a process may live on when its run is over."""
    (_over.discard if now else _over.add)(run_id)


def owner_of(body: Mapping[str, Any]) -> Owner:
    """An owner that was written as JSON. A later version may have written more about it.

    Raises:
        TypeError: something is missing.
    """
    return Owner(**{name: body[name] for name in _FIELDS if name in body})
