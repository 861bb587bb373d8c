"""Turns for requests, and the rules by which they are given.

A request takes two steps. First it takes a *turn*: turns have a fixed distance, longer while the destination says that
it is too much. When its turn has come, its receipt is written, which may take long on a slow disk. Then it *enters*:
it is counted, and waits if too many have entered within the last second.

What is counted is kept in a *book*: in memory, or in a file that several processes share. ``redis_turns.lua`` has the
same rules for Redis.
"""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

# After a 429 or 503 the distance doubles, to 64 times at most; each accepted request takes a tenth off again.
SLOWER = 2.0
SLOWEST = 64.0
FASTER = 0.9

# Seconds after a doubling in which further 429s count as answers to requests that were already under way.
SAME_TROUBLE = 1.0

# A little below the limit: requests arrive some milliseconds sooner or later than they left here, and must not be one
# too many in a second by the destination's clock. That is 15 ms for the first and the last of a second together, at any
# rate.
MARGIN = 1.015

# Seconds in which no more requests go than the rate says; a little over one, for the same reason.
WINDOW = 1.01

# Entries that a book keeps. A higher rate is counted over less than a second.
SLOTS = 4096


class TurnsTrouble(Exception):
    """Turns cannot be shared at the moment; the text says why, without any secret."""


class Turns(Protocol):
    """Gives turns to requests. Safe in any thread. All but ``close`` may raise TurnsTrouble."""

    def turn(self) -> float:
        """Take the next turn; the seconds until it comes."""

    def enter(self) -> float:
        """0: a request goes now, and was counted. Else seconds after which to ask again."""

    def slow_down(self, seconds: float) -> None:
        """The destination said that it is too much; ``seconds``: what it asked to wait."""

    def speed_up(self) -> None:
        """A request was accepted."""

    def hold(self, seconds: float) -> None:
        """No request enters within so many seconds."""

    def keep_to(self, rate: float) -> None:
        """Another rate from now on."""

    def close(self) -> None:
        """Give back what is open."""


@dataclass(frozen=True)
class Rhythm:
    """A rate, as it is counted.

    Attributes:
        distance: seconds between two turns.
        slowed: seconds; the least distance that slowing down starts from. Without a rate there is no other one.
        most: requests that may enter within a window; 0: any number.
        window: seconds.
    """

    distance: float
    slowed: float
    most: int
    window: float

    @classmethod
    def of(cls, rate: float, slowed: float) -> Rhythm:
        """Of requests a second; 0: no limit."""
        if not rate:
            return cls(0.0, slowed, 0, 0.0)
        most = min(math.ceil(rate), SLOTS)
        window = WINDOW if rate <= SLOTS else WINDOW * SLOTS / rate
        return cls(MARGIN / rate, max(slowed, MARGIN / rate), most, window)

    def current(self, factor: float) -> float:
        """The distance now, in seconds."""
        return self.distance if factor <= 1.0 else self.slowed * factor


@dataclass(kw_only=True)
class Page:
    """What a book holds. Times are seconds of one clock, ``time.monotonic``: a wall clock may jump.

    Attributes:
        last: when the page was last used.
        next: the next turn that is free.
        held: nothing enters before this.
        factor: how much longer than usual the distance is.
        slowed_at: when the factor was last doubled.
        known: how many machines shared the rate when that was last known; 0: never.
        count: requests that have entered.
        entries: when the last of them entered; that of number n at n modulo ``SLOTS``.
    """

    last: float = 0.0
    next: float = 0.0
    held: float = 0.0
    factor: float = 1.0
    slowed_at: float = -math.inf
    known: int = 0
    count: int = 0
    entries: dict[int, float] = field(default_factory=dict)

    def entered_at(self, number: int) -> float:
        """When a request entered, of the last ``SLOTS``."""
        return self.entries[number % SLOTS]

    def note(self, now: float) -> None:
        """One more request has entered."""
        self.entries[self.count % SLOTS] = now
        self.count += 1


# A page that is held by nobody else, until the end of the block.
Book = AbstractContextManager[Page]


class BookTurns:
    """Turns by a book on this machine.

    Args:
        rate: requests a second; 0: no limit.
        slowed: see ``Rhythm``.
        book: may raise TurnsTrouble.
    """

    def __init__(self, rate: float, slowed: float, book: Book) -> None:
        self._slowed = slowed
        self._book = book
        self._rhythm = Rhythm.of(rate, slowed)
        self._factor = 1.0

    def turn(self) -> float:
        with self._book as page:
            return self._take(page, time.monotonic())

    def _take(self, page: Page, now: float) -> float:
        turn = max(page.next, page.held, now)
        page.next = turn + self._rhythm.current(page.factor)
        self._factor = page.factor
        return turn - now

    def enter(self) -> float:
        with self._book as page:
            now, most = time.monotonic(), self._rhythm.most
            if now < page.held:
                # Its turn came before the destination asked to wait. It takes another one.
                return self._take(page, now)
            if most and page.count >= most:
                left = page.entered_at(page.count - most) + self._rhythm.window - now
                if left > 0:
                    return left
            page.note(now)
            return 0.0

    def slow_down(self, seconds: float) -> None:
        with self._book as page:
            now = time.monotonic()
            if now >= page.slowed_at + SAME_TROUBLE:
                page.factor = min(max(page.factor, 1.0) * SLOWER, SLOWEST)
                page.slowed_at = now
            page.held = max(page.held, now + seconds)
            self._factor = page.factor

    def speed_up(self) -> None:
        if self._factor > 1.0:
            with self._book as page:
                page.factor = self._factor = max(1.0, page.factor * FASTER)

    def hold(self, seconds: float) -> None:
        with self._book as page:
            page.held = max(page.held, time.monotonic() + seconds)

    def keep_to(self, rate: float) -> None:
        self._rhythm = Rhythm.of(rate, self._slowed)

    def machines(self, found: int | None = None) -> int:
        """How many machines share the rate, as last noted; 0: never.

        Args:
            found: note this number.
        """
        with self._book as page:
            if found is not None:
                page.known = found
            return page.known

    def close(self) -> None:
        close = getattr(self._book, "close", None)
        if close is not None:
            close()
