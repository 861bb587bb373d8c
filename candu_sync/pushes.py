"""The pushes of a project that are under way, of one sync or of several at a time, and how they are ended in order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from candu_sync.delivery import Delivery


class Pushes:
    """Safe in any thread, and in a signal handler.

    Attributes:
        stopped: whether ``stop`` was called.

    Example:
        >>> pushes = Pushes()
        >>> with pushes.marked():
        ...     pushes.under_way
        True
        >>> pushes.stop()
        >>> pushes.under_way, pushes.stopped
        (False, True)
    """

    def __init__(self) -> None:
        self.stopped = False
        self._count = 0
        self._deliveries: list[Delivery] = []
        # A signal handler may come while its own thread has it.
        self._lock = threading.RLock()

    @property
    def under_way(self) -> bool:
        """Whether there is one, from its claim to its commit."""
        return self._count > 0

    def stop(self) -> None:
        """End all, also those that have not begun yet: no new request, those in flight are waited for."""
        with self._lock:
            self.stopped = True
            for delivery in self._deliveries:
                delivery.stop()

    @contextmanager
    def marked(self) -> Iterator[None]:
        """The block is a push."""
        self._add(1)
        try:
            yield
        finally:
            self._add(-1)

    @contextmanager
    def delivery(self, delivery: Delivery) -> Iterator[Delivery]:
        """The block delivers: ``stop`` ends it."""
        with self._lock:
            self._deliveries.append(delivery)
            if self.stopped:
                delivery.stop()
        try:
            yield delivery
        finally:
            with self._lock:
                self._deliveries.remove(delivery)

    def _add(self, number: int) -> None:
        with self._lock:
            self._count += number
