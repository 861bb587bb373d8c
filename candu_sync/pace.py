"""How fast requests may go: a fixed distance between two of them, longer while Candu says that it is too much."""

from __future__ import annotations

import threading
import time

# After a 429 or 503 the distance doubles, to 64 times at most; each accepted request takes a tenth off again.
_SLOWER = 2.0
_SLOWEST = 64.0
_FASTER = 0.9

# The distance that slowing down starts from when there is no limit: 20 requests a second.
_UNLIMITED_START = 0.05


class Pace:
    """Turns for requests, shared by all workers.

    Args:
        rate: requests a second; 0: no limit.
    """

    def __init__(self, rate: float) -> None:
        self._distance = 1 / rate if rate else 0.0
        self._factor = 1.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self, stop: threading.Event) -> bool:
        """Wait for a turn; False when ``stop`` came first."""
        with self._lock:
            turn = max(self._next, time.monotonic())
            self._next = turn + self._current()
        while (left := turn - time.monotonic()) > 0:
            if stop.wait(left):
                return False
        return not stop.is_set()

    def _current(self) -> float:
        if self._factor <= 1.0:
            return self._distance
        return max(self._distance, _UNLIMITED_START) * self._factor

    def slow_down(self, seconds: float | None) -> None:
        """Candu said that it is too much; ``seconds``: what it asked to wait, for everybody."""
        with self._lock:
            self._factor = min(max(self._factor, 1.0) * _SLOWER, _SLOWEST)
            self._next = max(self._next, time.monotonic() + (seconds or 0.0))

    def speed_up(self) -> None:
        """A request was accepted."""
        if self._factor > 1.0:
            with self._lock:
                self._factor = max(1.0, self._factor * _FASTER)
