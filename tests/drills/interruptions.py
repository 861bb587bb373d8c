"""Points of a run at which something may happen: before and after every durable write and every request.

A run in this process is killed by raising ``Killed`` at such a point, and at every later one: whatever the unwinding
code still tries to write or send fails the same way, so that the disk and Candu are left as by SIGKILL. Nothing in the
product knows of this; its methods are wrapped.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from candu_sync import claimed_push
from candu_sync.delivery.connection import HttpConnection
from candu_sync.delivery.limits import Limits
from candu_sync.errors import StateError
from candu_sync.state import processes
from candu_sync.state.disk import DiskStore
from candu_sync.state.receipt_log import ReceiptLog

# What leaves a trace on the disk or at Candu.
TRACES: tuple[tuple[type, str], ...] = ((DiskStore, "put"), (DiskStore, "add"), (DiskStore, "delete"),
                                        (ReceiptLog, "write"), (HttpConnection, "send"))


class Killed(BaseException):
    """The process is no more."""


class Points:
    """Counts the points that are reached and acts at one of them. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._at = 0
        self._act: Callable[[], None] | None = None
        self._dead = False
        self._failing = 0
        self.incarnation = 0

    @property
    def count(self) -> int:
        """How many points were reached since it was armed."""
        return self._count

    def arm(self, at: int, act: Callable[[], None] | None) -> None:
        """Do something at the at-th point (from 1) from here on."""
        self._count, self._at, self._act = 0, at, act

    @contextmanager
    def acting(self, at: int, act: Callable[[], None] | None) -> Iterator[None]:
        """Do something at the at-th point of what is run inside, as one process of its own."""
        self.arm(at, act)
        try:
            yield
        finally:
            self._act, self._dead, self._failing = None, False, 0
            self.incarnation += 1

    def kill(self) -> None:
        """An act: the process dies here."""
        self._dead = True
        raise Killed

    def fail(self, times: int) -> None:
        """An act: the state cannot be written for so many points."""
        self._failing = times

    def reached(self, *, write: bool) -> None:
        """A point: go on, act, or be dead."""
        with self._lock:
            if self._dead:
                raise Killed
            self._count += 1
            act = self._act if self._count == self._at else None
            if act is not None:
                self._act = None
        if act is not None:
            act()
        if write and self._failing > 0:
            self._failing -= 1
            raise StateError("the state cannot be written: a made-up fault")

    def wrapped(self, method: Callable[..., Any], *, write: bool) -> Callable[..., Any]:
        """The method with a point before and one after it."""
        @functools.wraps(method)
        def call(*arguments: Any, **options: Any) -> Any:
            self.reached(write=write)
            try:
                return method(*arguments, **options)
            finally:
                self.reached(write=write)
        return call


def place(patch: pytest.MonkeyPatch) -> Points:
    """Wrap the product's durable writes and requests."""
    points = Points()
    for owner, name in TRACES:
        patch.setattr(owner, name, points.wrapped(getattr(owner, name), write=owner is not HttpConnection))
    return points


def install(patch: pytest.MonkeyPatch) -> Points:
    """The points for runs in this process, each a process of its own to the claims; retries wait for milliseconds."""
    points = place(patch)
    started, process_id = processes.started, processes.process_id
    patch.setattr(processes, "started", lambda pid: f"{started(pid)}.{points.incarnation}")
    patch.setattr(processes, "process_id", lambda: f"{process_id()}.{points.incarnation}")
    patch.setattr(claimed_push, "Limits", functools.partial(Limits, first_pause=0.002, longest_pause=0.01))
    return points
