"""Work that begins a while from now, in a thread of its own, unless it is no longer wanted by then.

A push of one message is over before anything of that kind begins. To start a thread for each takes longer than the
message. So one thread of the process waits for all of them, and starts the thread of a work when its time has come.
"""

from __future__ import annotations

import heapq
import itertools
import os
import threading
import time
from collections.abc import Callable

# Seconds after which a thread that the system would not start is tried again.
_AGAIN = 1.0


class Later:
    """Work that begins ``seconds`` from now.

    Args:
        work: ends by itself, or soon after what tells it to; what it raises is lost.
        name: of its thread.

    Example:
        >>> began = threading.Event()
        >>> later = Later(0.001, began.set, "example")
        >>> began.wait(10)
        True
        >>> later.end()
    """

    def __init__(self, seconds: float, work: Callable[[], object], name: str) -> None:
        self._work: Callable[[], object] | None = work
        self._name = name
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        _waiting.add(self, seconds)

    @property
    def wanted(self) -> bool:
        """Whether it has not ended."""
        return self._work is not None

    def end(self) -> None:
        """It does not begin any more. If it has begun, wait for its end."""
        with self._lock:
            self._work = None
        if self._thread is not None:
            self._thread.join()

    def begin(self) -> None:
        """Start its thread, where it is still wanted. Raises RuntimeError: the system has no thread."""
        with self._lock:
            if self._work is not None:
                thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                thread.start()
                self._thread = thread


class _Waiting:
    """What has not begun, by its time, and the thread that waits for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._entries: list[tuple[float, int, Later]] = []
        self._thread: threading.Thread | None = None

    def add(self, later: Later, seconds: float) -> None:
        with self._changed:
            entry = time.monotonic() + seconds, next(self._numbers), later
            heapq.heappush(self._entries, entry)
            if self._thread is None:
                self._thread = threading.Thread(target=self._begin_all, name="candu-sync later", daemon=True)
                self._thread.start()
            elif self._entries[0] is entry:
                # Otherwise it wakes up earlier, and then sees this one too.
                self._changed.notify()

    def _begin_all(self) -> None:
        while True:
            later = self._due()
            try:
                later.begin()
            except RuntimeError:
                self.add(later, _AGAIN)

    def _due(self) -> Later:
        """Wait for the next one."""
        with self._changed:
            while True:
                while self._entries and not self._entries[0][2].wanted:
                    heapq.heappop(self._entries)
                left = self._entries[0][0] - time.monotonic() if self._entries else None
                if left is not None and left <= 0:
                    return heapq.heappop(self._entries)[2]
                self._changed.wait(left)


_waiting = _Waiting()


def _forget() -> None:
    """A process that was forked has none of its parent's threads."""
    global _waiting
    _waiting = _Waiting()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
