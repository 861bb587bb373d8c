"""A range of partitions, ``A..B``, as the keys that are in it: windows by time, static segments in their order."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence

from candu_sync.errors import UsageError
from candu_sync.syncs.due_partitions import check_segment, present_keys
from candu_sync.syncs.partitions import join, split, window, windows_between
from candu_sync.syncs.sync import Sync

_BETWEEN = ".."


def expanded(sync: Sync, keys: Iterable[str], *, values: Callable[[str], list[str]], now: dt.datetime) -> list[str]:
    """The keys, and in place of each range those that are in it, both ends included; each key once.

    Of windows with segments, a range is of whole windows (``2026-11-01..2026-11-05``, each with all segments), or of
    windows and segments (``2026-11-01|eu..2026-11-05|us``).

    Args:
        values: runs the SQL that finds the keys of dynamic partitions.
        now: an aware time.

    Raises:
        UsageError: an end of a range is no partition, the ends are the wrong way round, or the keys have no order.

    Example:
        >>> from candu_sync.syncs import Partitions
        >>> places = sync.model_copy(update={"partitions": Partitions(static=("eu", "uk", "us"))})
        >>> expanded(places, ["uk..us", "eu"], values=list, now=dt.datetime.now(dt.UTC))
        ['uk', 'us', 'eu']
    """
    return list(dict.fromkeys(key for word in keys for key in _keys(sync, word, values, now)))


def _keys(sync: Sync, word: str, values: Callable[[str], list[str]], now: dt.datetime) -> Sequence[str]:
    partitions = sync.partitions
    if partitions is None or _BETWEEN not in word:
        return [word]
    segments = present_keys(sync, values)
    if (word if partitions.every is None else word.partition("|")[2]) in segments:  # a key may have dots, too
        return [word]
    first, _, last = word.partition(_BETWEEN)
    if not first or not last:
        raise UsageError(f"{sync.name}: --partition {word}: a range has two ends, like FIRST..LAST")
    if partitions.every is None:
        return _segments(sync, segments, first, last)
    if partitions.segments is not None and "|" in first + last:
        (first, low), (last, high) = (_pair(sync, end) for end in (first, last))
        segments = _segments(sync, segments, low, high)
    if not segments:
        raise UsageError(f"{sync.name}: --partition {word}: the SQL of `values` finds no key")
    return [join(key, segment) for key in _windows(sync, first, last, now) for segment in segments]


def _pair(sync: Sync, key: str) -> tuple[str, str]:
    assert sync.partitions is not None
    start, segment = split(sync.partitions, key)
    return str(start), str(segment)


def _windows(sync: Sync, first: str, last: str, now: dt.datetime) -> list[str]:
    """The keys of the windows from one to another."""
    assert sync.partitions is not None
    start, end = window(sync.partitions, first), window(sync.partitions, last)
    if start.start > end.start:
        raise _wrong_way(sync, first, last)
    if end.start > now:
        raise UsageError(f"{sync.name}: the partition {last} has not begun yet; let the range end before it")
    return [found.key for found in windows_between(sync.partitions, start, end)]


def _segments(sync: Sync, keys: Sequence[str | None], first: str, last: str) -> list[str]:
    """The keys from one to another. Those of dynamic partitions have no order."""
    assert sync.partitions is not None
    for key in (first, last):
        check_segment(sync, None, key)
    if first == last:
        return [first]
    if sync.partitions.keys is None:
        raise UsageError(f"{sync.name}: the keys of dynamic partitions have no order, so there is no range from "
                         f"{first} to {last}; name each with a --partition of its own")
    low, high = (keys.index(key) for key in (first, last))
    if low > high:
        raise _wrong_way(sync, first, last)
    return [str(key) for key in keys[low:high + 1]]


def _wrong_way(sync: Sync, first: str, last: str) -> UsageError:
    return UsageError(f"{sync.name}: {first} comes after {last}; write the range as {last}{_BETWEEN}{first}")
