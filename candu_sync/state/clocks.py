"""Clocks that differ: how long a claim is silent goes by the clock of the store, which all machines have in common.

Where a machine's own clock is wrong by minutes, a warning says so: windows of time and schedules go by that one.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
import weakref

from candu_sync.naming import counted
from candu_sync.state.store import Store

_log = logging.getLogger(__name__)

# Seconds of difference from which on a clock is named.
DIFFERENCE = 60.0

# Seconds after which the store's clock is asked again.
_ASKED_AGAIN = 60.0

# Store → when it was asked (``time.monotonic``), and its difference.
_asked: weakref.WeakKeyDictionary[Store, tuple[float, float]] = weakref.WeakKeyDictionary()

# Clocks that were named. Once is enough.
_named: set[str] = set()


def ahead(store: Store, host: str) -> float:
    """The seconds by which the store's clock is ahead of this machine's; below 0: it is behind.

    Args:
        host: this machine's name, for the warning.

    Raises:
        StateError: the store cannot be written.
    """
    known = _asked.get(store)
    if known is not None and time.monotonic() - known[0] < _ASKED_AGAIN:
        return known[1]
    before = _now()
    there = store.now()
    took = _now() - before
    difference = (there - before - took / 2).total_seconds()
    _asked[store] = (time.monotonic(), difference)
    if took.total_seconds() < DIFFERENCE / 2:
        compare(host, -difference)
    return difference


def compare(host: str, seconds: float) -> None:
    """Warn, once for a host, when its clock differs from the store's by more than ``DIFFERENCE``.

    Args:
        seconds: by which the host's clock is ahead; below 0: it is behind.
    """
    if abs(seconds) <= DIFFERENCE or host in _named:
        return
    _named.add(host)
    _log.warning("the clock of host %s is %s %s the clock of the state's store: set it right (NTP). Claims go by the "
                 "store's clock; but schedules, windows of time and the times that are shown go by the host's", host,
                 _in_words(abs(seconds)), "ahead of" if seconds > 0 else "behind")


def _in_words(seconds: float) -> str:
    return counted(round(seconds / 60), "minute") if seconds >= 90 else counted(round(seconds), "second")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
