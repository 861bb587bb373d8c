"""Which partitions a command is about, and what each binds in its model's SQL."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Sequence

from candu_sync.errors import UsageError
from candu_sync.naming import counted
from candu_sync.suggestions import nearest
from candu_sync.syncs.partitions import first_window, join, split, window, windows
from candu_sync.syncs.shards import shard_meant
from candu_sync.syncs.sync import Sync


def partitions_to_run(sync: Sync, chosen: list[str], *, values: Callable[[str], list[str]], done: Callable[[str], bool],
            now: dt.datetime) -> list[str | None]:
    """The partitions to work on, in order.

    Args:
        chosen: what the user named; empty: all that are due, which for windows are those that have ended and were not
            done yet, and the newest one again, since late rows belong there; with segments, each window of each
            segment.
        values: runs the SQL that finds the keys of dynamic partitions.
        done: whether a window's last run ended well.
        now: an aware time.

    Raises:
        UsageError: a partition is named that does not exist or has not begun, or the sync has none.
    """
    if sync.partitions is None:
        if chosen:
            raise UsageError(f"{sync.name} has no partitions: leave --partition {chosen[0]} out, or add `partitions` "
                             "to its YAML")
        return [None]
    if chosen:
        return [_begun(sync, _checked(sync, key), now) for key in dict.fromkeys(chosen)]
    return list(_due(sync, values, done, now))


def _due(sync: Sync, values: Callable[[str], list[str]], done: Callable[[str], bool], now: dt.datetime) -> list[str]:
    assert sync.partitions is not None
    segments = present_keys(sync, values)
    if sync.partitions.every is None:
        return [join(None, segment) for segment in segments]
    ended = [w.key for w in windows(sync.partitions, now)]
    earlier = (join(key, segment) for key in ended[:-1] for segment in segments)
    newest = (join(key, segment) for key in ended[-1:] for segment in segments)
    return [*(key for key in earlier if not done(key)), *newest]


def present_keys(sync: Sync, values: Callable[[str], list[str]]) -> Sequence[str | None]:
    """The segments that there are now; without any, the one that is none."""
    assert sync.partitions is not None
    if sync.partitions.keys is not None:
        return sync.partitions.keys
    if sync.partitions.dynamic is not None:
        return [_not_blank(sync, key) for key in values(sync.partitions.values or "")]
    return [None]


def partition_to_prepare(sync: Sync, values: Callable[[str], list[str]]) -> str | None:
    """A partition to prepare the model with; it may be empty; None: the sync has none."""
    if sync.partitions is None:
        return None
    start = None if sync.partitions.every is None else first_window(sync.partitions).key
    return join(start, next(iter(present_keys(sync, values)), "none"))


def present_segments(sync: Sync, values: Callable[[str], list[str]]) -> Collection[str] | None:
    """The segments that a partition can have now: the keys of ``static``, or what the SQL of ``values`` finds.

    None: they say nothing about partitions that ran before. That holds for windows of time without segments, for
    windows with dynamic segments, since the SQL finds today's segments and not those of an earlier window, and for
    shards: another number of them moves the rows.
    """
    partitions = sync.partitions
    if partitions is None:
        return None
    if partitions.static is not None:
        return partitions.static
    return values(partitions.values or "") if partitions.dynamic is not None and partitions.every is None else None


def has_ended(sync: Sync, key: str | None, segments: Collection[str] | None) -> bool:
    """Whether a partition that ran before is none of the sync's any more, since its segment is gone.

    A key of another scheme (``eu``, where the sync has windows with segments now) is not one that has ended: it is not
    known what became of its rows.

    Args:
        key: as the state has it; None: it ran before the sync had partitions.
        segments: as ``present_segments`` gives them.
    """
    return segments is not None and _fits(sync, key) and not is_present(sync, key, segments)


def is_present(sync: Sync, key: str | None, segments: Collection[str] | None) -> bool:
    """Whether a partition that ran before still is one of the sync's. Args as for ``has_ended``."""
    return _fits(sync, key) and (segments is None or _parts(sync, key)[1] in segments)


def _fits(sync: Sync, key: str | None) -> bool:
    try:
        return _parts(sync, key) != (None, None)
    except UsageError:
        return False


def _parts(sync: Sync, key: str | None) -> tuple[str | None, str | None]:
    return (None, None) if key is None or sync.partitions is None else split(sync.partitions, key)


def _begun(sync: Sync, key: str, now: dt.datetime) -> str:
    """The key, unless its window lies in the future: a run would find no row, and look like a success."""
    assert sync.partitions is not None
    start, _ = split(sync.partitions, key)
    begins = None if start is None else window(sync.partitions, start).start
    if begins is not None and begins > now:
        raise UsageError(f"{sync.name}: the window {start} begins at {begins:%Y-%m-%dT%H:%M}Z: it has no rows yet")
    return key


def _checked(sync: Sync, key: str) -> str:
    """The key, if it can be a partition. Any key of a dynamic one may be asked for: it may be new today."""
    assert sync.partitions is not None
    start, segment = split(sync.partitions, key)
    if start is not None:
        window(sync.partitions, start)
    if segment is not None:
        check_segment(sync, start, segment)
    return key


def check_segment(sync: Sync, start: str | None, segment: str) -> None:
    """Refuse a segment that the sync cannot have.

    Args:
        start: the key of its window; None: it has none.

    Raises:
        UsageError: it is not in ``static``, is no shard, or is blank.
    """
    assert sync.partitions is not None
    keys = sync.partitions.keys
    if keys is not None and segment not in keys:
        count = sync.partitions.shards
        meant = nearest(segment, keys) if count is None else shard_meant(segment, count)
        hint = f"; did you mean {join(start, meant)}?" if meant else ""
        listed = ", ".join(keys) if count is None else f"{counted(count, 'shard')}: {keys[0]} to {keys[-1]}"
        raise UsageError(f"{sync.name} has no partition {join(start, segment)}{hint} (it has {listed})")
    _not_blank(sync, segment)


def is_partition(sync: Sync, key: str | None) -> bool:
    """Whether the sync can have a partition of this key; None: that of a sync without partitions.

    Example:
        >>> is_partition(sync, None), is_partition(sync, "eu")
        (True, False)
    """
    if sync.partitions is None or key is None:
        return sync.partitions is None and key is None
    try:
        _checked(sync, key)
    except UsageError:
        return False
    return True


def _not_blank(sync: Sync, key: str) -> str:
    """The key; a blank one names no folder of its own in the state."""
    if not key.strip():
        raise UsageError(f"{sync.name}: a partition's key cannot be blank; where the SQL of dynamic partitions gives "
                         "one, leave it out there")
    return key
