"""How many messages the next request has: batches find their size.

They begin small and double while requests are accepted. What is too large, or takes too long, sets a bound: the next
ones are as large as the largest that was accepted, and then grow half of the way to the bound each time, until a tenth
is left.

Requests of events keep their size: after a crash, what is uncertain of events is a request's worth.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from dataclasses import dataclass

# Messages of a request, at most, where nobody asks for more. What others publish: Segment takes 2,500, Customer.io and
# RudderStack take what fits 500 KB.
LARGEST = 1_000

# Requests of each worker that are cut before the first is answered: one is under way, two wait.
UNANSWERED = 3

# A bound is looked for again after so long: it may have been a bad day.
_BOUND_HOLDS = dt.timedelta(days=7)

# Of the size: a step that is smaller is not worth a refusal.
_STEP = 0.1


@dataclass(frozen=True)
class Learned:
    """What a workspace taught.

    Attributes:
        begin: the size that requests began with.
        size: the size that the next request has.
        bound: so many messages were too many; None: no number was.
        bound_at: when that was.
    """

    begin: int
    size: int
    bound: int | None = None
    bound_at: dt.datetime | None = None


class BatchSizes:
    """The size of the next request. Safe to use from several threads.

    Args:
        begin: messages of the first request.
        most: messages of the largest; None: all requests have ``begin``.
        learned: by an earlier run. What was learnt from another ``begin`` does not count.
        on_bound: called when something was too large and the next requests are smaller, in the thread that found out.

    Example:
        >>> sizes = BatchSizes(100, most=1_000)
        >>> for _ in range(3):
        ...     sizes.accepted(sizes.size)
        >>> sizes.size
        800
        >>> sizes.too_large(800)
        >>> sizes.accepted(400)
        >>> sizes.size, sizes.learned.bound
        (600, 800)
    """

    def __init__(self, begin: int, *, most: int | None = None, learned: Learned | None = None,
                 on_bound: Callable[[], None] = lambda: None) -> None:
        self._begin = begin
        self._most = max(begin, most) if most is not None else None
        self._lock = threading.Lock()
        self._on_bound = on_bound
        self._size = begin
        # The largest that was accepted below the bound; 0: none was.
        self._good = 0
        self._bound: int | None = None
        self._bound_at: dt.datetime | None = None
        if self._most is not None and learned is not None and learned.begin == begin:
            self._size = self._good = max(1, min(learned.size, self._most))
            if learned.bound_at is not None and dt.datetime.now(dt.UTC) - learned.bound_at < _BOUND_HOLDS:
                self._bound, self._bound_at = learned.bound, learned.bound_at

    @property
    def fixed(self) -> bool:
        """Whether all requests have one size."""
        return self._most is None

    @property
    def begin(self) -> int:
        """Messages of the first request: a size that is known to be right."""
        return self._begin

    @property
    def size(self) -> int:
        """Messages of the next request, at most."""
        return self._size

    @property
    def learned(self) -> Learned:
        """What the next run may begin with."""
        with self._lock:
            return Learned(self._begin, self._size, self._bound, self._bound_at)

    def accepted(self, messages: int) -> None:
        """A request of so many messages was taken. Requests grow when it was one of the largest."""
        with self._lock:
            if self._most is None or messages < self._size:
                return
            self._good = max(self._good, messages)
            if self._bound is not None and messages >= self._bound:
                self._bound = self._bound_at = None
            larger = min(2 * self._size, self._most)
            if self._bound is not None:
                larger = min(larger, (self._size + self._bound) // 2)
                if larger - self._size < max(1, self._size * _STEP):
                    return
            self._size = larger

    def requests(self, messages: int, most: int, unanswered: int) -> int:
        """About how many requests so many messages take, when all are accepted.

        Args:
            most: messages of a request that fit its bytes.
            unanswered: requests that are cut before the first is answered.

        Example:
            >>> BatchSizes(100).requests(1_000_000, most=1_000, unanswered=12)
            10000
            >>> BatchSizes(100, most=1_000).requests(1_000_000, most=1_000, unanswered=12)
            1030
        """
        ahead = BatchSizes(self._begin, most=self._most, learned=self.learned)
        requests, left = 0, messages
        while left > 0:
            size = ahead.size
            ahead.accepted(size)
            count = -(-left // min(size, most))
            if ahead.size > size and size < most:
                count = min(count, unanswered)
            requests += count
            left -= count * min(size, most)
        return requests

    def too_large(self, messages: int) -> None:
        """A request of so many messages was too large, or took too long."""
        if self._most is None or messages <= 1:
            return
        with self._lock:
            before = self._size, self._bound
            if self._bound is None or messages < self._bound:
                self._bound, self._bound_at = messages, dt.datetime.now(dt.UTC).replace(microsecond=0)
            if self._good >= messages:
                self._good = 0
            self._size = min(self._size, max(1, messages // 2, self._good))
            smaller = before != (self._size, self._bound)
        if smaller:
            self._on_bound()
