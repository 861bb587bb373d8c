"""Turns that are shared, and what is done while they cannot be.

A process then goes on at its share of the limit, and tries again every ``RETRY`` seconds. The others come back at other
moments: so for a while after it is back it keeps to its share as well as to the shared turns.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from candu_sync.rate.turns import WINDOW, Turns, TurnsTrouble

# Seconds between two attempts to come back.
RETRY = 5.0

# Seconds until all others have come back, too: their next attempt, an answer that comes late, and the second of which
# what they sent alone was not counted.
ALL_BACK = RETRY + 2.5


def share_of(rate: float, sharers: int) -> float:
    """What one of several may send, in requests a second. Whole ones, where there are enough: two processes with 2.5 a
    second have six requests in some seconds.

    Example:
        >>> share_of(10, 4), share_of(10, 20)
        (2, 0.5)
    """
    share = rate / sharers
    return math.floor(share) if share >= 1 and sharers > 1 else share


class WithFallback:
    """Turns that are shared whenever that is possible.

    Args:
        rate: requests a second, of all who share.
        shared, alone: the turns that are shared, and those of a share.
        sharers: how many share, as far as is known; 1 or more.
        fell: called when turns cannot be shared: why, the requests a second from now on, and how many sharers are
            known.
        came_back: called when they are shared again.
    """

    def __init__(self, rate: float, shared: Turns, alone: Turns, *, sharers: Callable[[], int],
                 fell: Callable[[str, float, int], None], came_back: Callable[[], None] = lambda: None) -> None:
        self._rate = rate
        self._shared = shared
        self._alone = alone
        self._sharers = sharers
        self._fell = fell
        self._came_back = came_back
        self._lock = threading.Lock()
        self._away = False
        self._try_at = 0.0
        self._careful_until = 0.0

    def turn(self) -> float:
        alone = self._alone.turn() if self._is_careful() else None
        found = self._ask(lambda turns: turns.turn())
        if found is None:
            return self._alone.turn() if alone is None else alone
        return max(alone or 0.0, found)

    def enter(self) -> float:
        careful = self._is_careful()
        if careful and (left := self._alone.enter()) > 0:
            return left
        found = self._ask(lambda turns: turns.enter())
        if found is None:
            return 0.0 if careful else self._alone.enter()
        return found

    def slow_down(self, seconds: float) -> None:
        self._tell(lambda turns: turns.slow_down(seconds))

    def speed_up(self) -> None:
        self._tell(lambda turns: turns.speed_up())

    def hold(self, seconds: float) -> None:
        self._tell(lambda turns: turns.hold(seconds))

    def keep_to(self, rate: float) -> None:
        self._rate = rate
        self._shared.keep_to(rate)
        self._alone.keep_to(share_of(rate, self._sharers()))

    def close(self) -> None:
        self._shared.close()
        self._alone.close()

    def _is_careful(self) -> bool:
        return self._away or time.monotonic() < self._careful_until

    def _tell(self, what: Callable[[Turns], None]) -> None:
        if self._is_careful():
            what(self._alone)

        def told(turns: Turns) -> float:
            what(turns)
            return 0.0

        if self._ask(told) is None and not self._is_careful():
            what(self._alone)

    def _ask(self, what: Callable[[Turns], float]) -> float | None:
        """The answer of the shared turns; None: there is none."""
        if not self._may_try():
            return None
        try:
            found = what(self._shared)
        except TurnsTrouble as trouble:
            self._fall_back(str(trouble))
            return None
        if self._away:
            self._return()
        return found

    def _may_try(self) -> bool:
        """While turns cannot be shared, one thread tries it every few seconds."""
        if not self._away:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._try_at:
                return False
            self._try_at = now + RETRY
            return True

    def _fall_back(self, why: str) -> None:
        with self._lock:
            first, self._away = not self._away, True
            known = time.monotonic() < self._careful_until
            self._try_at = time.monotonic() + RETRY
            if not first:
                return
            sharers = max(1, self._sharers())
            share = share_of(self._rate, sharers)
            self._alone.keep_to(share)
            # Who entered within the last second was counted elsewhere.
            self._alone.hold(WINDOW)
        if not known:
            self._fell(why, share, sharers)

    def _return(self) -> None:
        with self._lock:
            if not self._away:
                return
            self._careful_until = time.monotonic() + ALL_BACK
            self._away = False
        self._came_back()
