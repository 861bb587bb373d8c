"""Which turns a process takes: its own, those of a file, or those of Redis."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path

from candu_sync.rate.books import FileBook, MemoryBook
from candu_sync.rate.fallback import RETRY, WithFallback
from candu_sync.rate.pace import Pace
from candu_sync.rate.turns import BookTurns, Turns, TurnsTrouble

# Seconds; the least distance that slowing down starts from.
SLOWED = 0.05


def pace_of_process(rate: float, slowed: float = SLOWED) -> Pace:
    """The pace of a process that shares it with no other.

    Args:
        rate: requests a second; 0: no limit.
        slowed: seconds; the least distance that slowing down starts from. Without a limit there is no other one.
    """
    return Pace(BookTurns(rate, slowed, MemoryBook()), rate)


def open_pace(rate: float, file: Path, *, url: str | None, key: str, say: Callable[[str], None]) -> Pace:
    """The pace of a process that shares a rate with others.

    Args:
        rate: requests a second, of all together; more than 0.
        file: all processes of this machine that share the rate have the same one.
        url: of the Redis by which several machines share it; None: it is this machine's.
        key: names the rate in Redis.
        say: called once when the rate cannot be shared, with a sentence, and when it can be again.

    Raises:
        SettingsError: see ``RedisTurns``.
    """
    machine = _of_machine(rate, file, say)
    return Pace(machine.turns if url is None else _of_redis(rate, url, key, machine, say), rate)


class _OfMachine:
    """The turns of a file, and what else the file knows."""

    def __init__(self, turns: Turns, kept: BookTurns, book: FileBook) -> None:
        self.turns = turns
        self._kept = kept
        self._book = book

    def name(self) -> str:
        """What tells this machine from others: all that share the file have the same."""
        try:
            return f"{self._book.id:x}"
        except TurnsTrouble:
            return secrets.token_hex(8)

    def machines(self, found: int | None = None) -> int:
        """How many machines shared the rate when that was last known. See ``BookTurns.machines``."""
        try:
            return self._kept.machines(found)
        except TurnsTrouble:
            return 0


def _of_machine(rate: float, file: Path, say: Callable[[str], None]) -> _OfMachine:
    def fell(why: str, share: float, processes: int) -> None:
        say(f"CANDU_RATE cannot be shared with other processes: {why}. This one goes on at {share:g} requests a "
            f"second, its share among {processes}, and tries again every {RETRY:g} s")

    book = FileBook(file)
    kept = BookTurns(rate, SLOWED, book)
    turns = WithFallback(rate, kept, BookTurns(rate, SLOWED, MemoryBook()), sharers=book.processes, fell=fell,
                         came_back=partial(say, "CANDU_RATE is shared with other processes again"))
    return _OfMachine(turns, kept, book)


def _of_redis(rate: float, url: str, key: str, machine: _OfMachine, say: Callable[[str], None]) -> Turns:
    from candu_sync.rate.redis_turns import RedisTurns

    def fell(why: str, share: float, machines: int) -> None:
        others = f"its share among {machines}" if machines > 1 else "all of CANDU_RATE, as no other machine is known"
        say(f"CANDU_RATE cannot be shared with other machines: {why}. This machine goes on at {share:g} requests a "
            f"second, {others}, and tries again every {RETRY:g} s. CANDU_RATE_URL says where Redis is")

    turns = RedisTurns(rate, SLOWED, url, key, machine.name(), note=machine.machines)
    return WithFallback(rate, turns, machine.turns, sharers=lambda: turns.machines or machine.machines() or 1,
                        fell=fell, came_back=partial(say, "CANDU_RATE is shared with other machines again"))
