"""A clock that plans read, for tests of what takes weeks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from candu_sync.comparison import comparing

START = dt.datetime(2026, 11, 1, 6, tzinfo=dt.UTC)


class Clock:
    """The time of plans: ``now``, which ``wait`` moves on."""

    def __init__(self) -> None:
        self.now = START

    def read(self) -> dt.datetime:
        return self.now

    def wait(self, **time: float) -> dt.datetime:
        self.now += dt.timedelta(**time)
        return self.now


@contextmanager
def clock() -> Iterator[Clock]:
    """Plans read the time from a ``Clock``."""
    found = Clock()
    with mock.patch.object(comparing, "_now", found.read):
        yield found
