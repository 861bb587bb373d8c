"""Turns across machines, by Redis: one script, which goes by Redis' own clock."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from candu_sync.errors import SettingsError
from candu_sync.rate.turns import Rhythm, TurnsTrouble

# Seconds that Redis has to answer. The URL may have another number: redis://host?socket_timeout=3.
PATIENCE = 1.0

# Seconds by which this process may underestimate the time since it last asked: a request may be long on its way.
_SLACK = 0.2


class RedisTurns:
    """Turns that Redis gives.

    Args:
        rate: requests a second; more than 0.
        slowed: see ``Rhythm``.
        url: of Redis; it may hold a password, and is part of no message.
        key: names the rate: all who have the same key share it.
        machine: names this machine, or what else shares the file that is used without Redis.
        note: called with the number of machines that share the rate, when it has changed.

    Raises:
        SettingsError: redis-py is not installed, or cannot take the URL.

    Attributes:
        machines: how many machines have asked for turns in the last minute, as far as this process knows; 0: unknown.
    """

    def __init__(self, rate: float, slowed: float, url: str, key: str, machine: str,
                 note: Callable[[int], object] = lambda _: None) -> None:
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError:
            raise SettingsError("CANDU_RATE_URL needs the package redis: install candu-sync[redis]") from None
        self._errors = redis.exceptions
        try:
            # No repetition: a script that was run twice takes two turns.
            self._redis = redis.Redis.from_url(url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE,
                                               retry=Retry(NoBackoff(), 0))
        except (ValueError, TypeError, redis.RedisError):
            raise SettingsError("CANDU_RATE_URL is no URL that redis-py takes; use redis://host:6379/0") from None
        self._script: Any = self._redis.register_script(
            files("candu_sync.rate").joinpath("redis_turns.lua").read_text("utf-8"))
        # The braces keep both keys on one node of a cluster.
        self._keys = [f"candu-sync:rate:{{{key}}}", f"candu-sync:rate:{{{key}}}:machines"]
        self._machine = machine
        self._note = note
        self._slowed = slowed
        self._asked_at: float | None = None
        self._factor = 1.0
        self.machines = 0
        self.keep_to(rate)

    def keep_to(self, rate: float) -> None:
        rhythm = Rhythm.of(rate, self._slowed)
        self._rhythm = [_micro(rhythm.distance), _micro(rhythm.slowed), rhythm.most, _micro(rhythm.window)]

    def turn(self) -> float:
        return self._ask("turn")

    def enter(self) -> float:
        return self._ask("enter")

    def slow_down(self, seconds: float) -> None:
        self._ask("slow", seconds)

    def hold(self, seconds: float) -> None:
        self._ask("hold", seconds)

    def speed_up(self) -> None:
        if self._factor > 1.0:
            self._ask("speed")

    def _ask(self, what: str, seconds: float = 0.0) -> float:
        now, before = time.monotonic(), self._asked_at
        since = -1 if before is None else _micro(now - before + _SLACK)
        try:
            wait, factor, machines = self._script(self._keys, [what, *self._rhythm, since, self._machine,
                                                               _micro(seconds)])
        except (self._errors.RedisError, OSError, UnicodeError) as error:
            raise TurnsTrouble(self._sentence(error)) from None
        self._asked_at = now
        self._factor = factor / 1000
        if machines != self.machines:
            self.machines = machines
            self._note(machines)
        return float(wait) / 1e6

    def _sentence(self, error: Exception) -> str:
        """In words of our own: an error of redis-py may quote what it was given."""
        errors = self._errors
        if isinstance(error, (errors.AuthenticationError, errors.NoPermissionError)):
            return f"Redis refuses the user or the password ({type(error).__name__})"
        if isinstance(error, (errors.TimeoutError, TimeoutError)):
            return "Redis does not answer"
        if isinstance(error, (errors.ConnectionError, OSError)):
            return f"Redis cannot be reached ({type(error).__name__})"
        return f"Redis answers with an error ({type(error).__name__})"

    def close(self) -> None:
        self._redis.close()


def _micro(seconds: float) -> int:
    return math.ceil(seconds * 1e6)
