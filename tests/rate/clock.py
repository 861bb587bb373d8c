"""A clock that stops while any thread works, and moves on at once when all wait."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from candu_sync.rate import pace, turns


class Clock:
    """Stands for the module ``time`` in the room ``rate``. Threads that ``run`` starts wait by it, in order."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._working = 0
        self._waiting: list[float] = []
        self._changed = threading.Condition()

    def monotonic(self) -> float:
        """Seconds."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Wait; the clock goes on once all workers wait."""
        with self._changed:
            until = self._now + max(0.0, seconds)
            self._waiting.append(until)
            self._working -= 1
            self._go_on()
            while self._now < until:
                self._changed.wait()
            self._waiting.remove(until)
            self._working += 1

    def _go_on(self) -> None:
        if self._working <= 0 and self._waiting:
            self._now = max(self._now, min(self._waiting))
            self._changed.notify_all()

    def run(self, work: Callable[[], None], workers: int) -> None:
        """Run a function in so many threads, until all have ended."""
        def begin() -> None:
            try:
                work()
            finally:
                with self._changed:
                    self._working -= 1
                    self._go_on()

        self._working = workers
        threads = [threading.Thread(target=begin) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
            assert not thread.is_alive()


class Never(threading.Event):
    """The stop of a delivery that is never stopped, which waits by the clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self._clock.sleep(timeout)
        return False


def install(patch: pytest.MonkeyPatch) -> Clock:
    """A clock that the pace goes by."""
    clock = Clock()
    for module in (pace, turns):
        patch.setattr(module, "time", clock)
    return clock
