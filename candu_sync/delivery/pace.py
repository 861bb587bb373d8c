"""How fast requests may be sent: a fixed time between two of them, longer while the destination says that it is too
much."""

from __future__ import annotations

import collections
import math
import threading
import time

# After a 429 or 503 the distance doubles, to 64 times at most; each accepted request takes a tenth off again.
_SLOWER = 2.0
_SLOWEST = 64.0
_FASTER = 0.9

# A little below the limit: requests arrive some milliseconds sooner or later than they left here, and must not be one
# too many in a second by the destination's clock. That is 15 ms for the first and the last of a second together, at any
# rate.
_MARGIN = 1.015

# Seconds in which no more requests go than the rate says; a little over one, for the same reason.
_WINDOW = 1.01


class Pace:
    """Turns for requests, shared by all workers: never more than ``rate`` (rounded up) in any second.

    Args:
        rate: requests a second; 0: no limit.
        slowed: seconds; the least distance that slowing down starts from. Without a limit there is no other one.
    """

    def __init__(self, rate: float, slowed: float = 0.05) -> None:
        self._distance = _MARGIN / rate if rate else 0.0
        self._slowed = max(self._distance, slowed)
        self._factor = 1.0
        self._next = 0.0
        self._last_second: collections.deque[float] = collections.deque(maxlen=math.ceil(rate))
        self._lock = threading.Lock()

    def wait(self, stop: threading.Event) -> bool:
        """Wait for a turn; False when ``stop`` came first."""
        with self._lock:
            now = time.monotonic()
            turn = max(self._next, now)
            self._next = turn + self._current()
        return not stop.wait(turn - now) if turn > now else not stop.is_set()

    def enter(self, stop: threading.Event) -> bool:
        """The last thing before a request goes; False when ``stop`` came first. If a slow disk delayed a request after
        its turn, a full second's requests must not follow it at once."""
        while (left := self._left()) > 0:
            if stop.wait(left):
                return False
        return not stop.is_set()

    def _left(self) -> float:
        """Seconds until a request may go; 0 or less: it goes now."""
        with self._lock:
            now = time.monotonic()
            if self._last_second and len(self._last_second) == self._last_second.maxlen \
                    and now < self._last_second[0] + _WINDOW:
                return self._last_second[0] + _WINDOW - now
            self._last_second.append(now)
            return 0.0

    def _current(self) -> float:
        return self._distance if self._factor <= 1.0 else self._slowed * self._factor

    def slow_down(self, seconds: float | None) -> None:
        """The destination said that it is too much; ``seconds``: what it asked to wait, for everybody."""
        with self._lock:
            self._factor = min(max(self._factor, 1.0) * _SLOWER, _SLOWEST)
            self._next = max(self._next, time.monotonic() + (seconds or 0.0))

    def speed_up(self) -> None:
        """A request was accepted."""
        if self._factor > 1.0:
            with self._lock:
                self._factor = max(1.0, self._factor * _FASTER)
