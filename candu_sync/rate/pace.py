"""How fast the requests of one process go: its workers wait here for their turns."""

from __future__ import annotations

import collections
import math
import threading
import time

from candu_sync.rate.turns import MARGIN, Turns

# Seconds for which a process takes turns in advance: so much later may a worker wake up, and no turn is lost. With
# more, a process of many workers would take the turns of the others.
_AHEAD = 0.05


class Pace:
    """Turns for the requests of a process, shared by all its workers.

    Args:
        turns: where they come from.
        rate: requests a second; 0: no limit.

    Example:
        >>> from candu_sync.rate import pace_of_process
        >>> pace, stop = pace_of_process(10), threading.Event()
        >>> pace.wait(stop) and pace.enter(stop)
        True
    """

    def __init__(self, turns: Turns, rate: float) -> None:
        self._turns = turns
        self._ahead = max(1, math.ceil(_AHEAD * rate / MARGIN)) if rate else math.inf
        self._taken: collections.deque[float] = collections.deque()
        self._lock = threading.Lock()

    def wait(self, stop: threading.Event) -> bool:
        """Wait for a turn; False when ``stop`` came first."""
        while not stop.is_set():
            seconds, taken = self._turn()
            if seconds > 0 and stop.wait(seconds):
                return False
            if taken:
                return not stop.is_set()
        return False

    def _turn(self) -> tuple[float, bool]:
        """Seconds to wait, and whether a turn has come then. Else this process has enough turns ahead of it."""
        with self._lock:
            now = time.monotonic()
            while self._taken and self._taken[0] <= now:
                self._taken.popleft()
            if len(self._taken) >= self._ahead:
                return self._taken[0] - now, False
            seconds = self._turns.turn()
            if seconds > 0:
                self._taken.append(time.monotonic() + seconds)
            return seconds, True

    def enter(self, stop: threading.Event) -> bool:
        """The last thing before a request goes; False when ``stop`` came first. If a slow disk delayed a request after
        its turn, a full second's requests must not follow it at once."""
        while not stop.is_set():
            left = self._turns.enter()
            if left <= 0:
                return True
            if stop.wait(left):
                return False
        return False

    def slow_down(self, seconds: float | None) -> None:
        """The destination said that it is too much; ``seconds``: what it asked to wait, for everybody."""
        self._turns.slow_down(seconds or 0.0)

    def speed_up(self) -> None:
        """A request was accepted."""
        self._turns.speed_up()

    def close(self) -> None:
        """Give back what is open. The pace can be used again."""
        self._turns.close()
