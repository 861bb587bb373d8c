"""Partitions of a sync whose rows its present settings would send for another partition.

Most are found by their keys: a key that is no partition now belonged to other settings. But a week and a day can share
a key, and two windows of one length may be of different time zones. So the versions of the few neighbours of a new
partition are read, too.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from functools import cached_property

from candu_sync.changes.identities import identity_changes, row_identity
from candu_sync.state import State, Version
from candu_sync.syncs import Sync, is_partition, join, split, window

_WINDOW_KEY = re.compile(r"\d{4}-\d\d-\d\d(-\d\d:00)?(\|.*)?")


class FormerPartitions:
    """The former partitions of one sync, looked up once for all of its partitions. ``keys``: gives those of all
    partitions that have any state."""

    def __init__(self, state: State, sync: Sync, keys: Callable[[], list[str | None]]) -> None:
        self._state = state
        self._sync = sync
        self._look_up = keys
        self._now = row_identity(sync)

    @cached_property
    def _keys(self) -> list[str | None]:
        return self._look_up()

    @cached_property
    def _gone(self) -> list[tuple[str | None, Version]]:
        """The partitions that the sync does not have any more."""
        certain = [(key, self._version(key)) for key in self._keys if not is_partition(self._sync, key)]
        perhaps = [(key, self._version(key)) for key in self._keys if _looks_like_a_window(self._sync, key)]
        return [*certain, *((key, version) for key, version in perhaps if self._differs(version))]

    def _version(self, key: str | None) -> Version:
        return self._state.of(self._sync.name, key).newest() or Version(number=0)

    def _differs(self, version: Version) -> bool:
        return bool(identity_changes(version.identity, self._now))

    def beside(self, partition: str | None, version: Version) -> list[Version]:
        """The newest versions of former partitions that hold rows and that were committed after ``version``.

        Args:
            version: the newest one of ``partition``.

        Raises:
            DamagedState: one of them cannot be read.
        """
        found = [other for key, other in self._gone if key != partition]
        if partition is not None and not version.rows:
            near = [key for key in _near(self._sync, partition) if key in self._keys and key != partition]
            found += [other for other in map(self._version, near) if self._differs(other)]
        return [other for other in found if other.rows and other.at > version.at]


def _looks_like_a_window(sync: Sync, key: str | None) -> bool:
    """The key of a dynamic segment may be any text, also one that looks like a window's key."""
    dynamic = sync.partitions is not None and sync.partitions.every is None and sync.partitions.dynamic is not None
    return dynamic and key is not None and _WINDOW_KEY.fullmatch(key) is not None


def _near(sync: Sync, partition: str) -> list[str]:
    """The keys of windows that have the form of this one's: the longer ones that may contain it, and its neighbours."""
    assert sync.partitions is not None
    start, segment = split(sync.partitions, partition)
    if start is None:
        return []
    here = window(sync.partitions, start)
    day = dt.timedelta(days=1)
    starts = [here.end, here.start - (here.end - here.start)]
    if sync.partitions.every != "hourly":
        month = here.start.replace(day=1)
        starts += [here.start - day * here.start.weekday(), month, (month - day).replace(day=1)]
    form = "%Y-%m-%d-%H:%M" if sync.partitions.every == "hourly" else "%Y-%m-%d"
    return [join(begin.strftime(form), segment) for begin in dict.fromkeys(starts)]
