"""A sync whose YAML got another number of shards than its state has."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from candu_sync.errors import OtherShards
from candu_sync.state import State, Version, resharded_to
from candu_sync.syncs import Shard, Sync, is_partition, shard_named

_NOTHING = Version(number=0)


def window_and_shard(partition: str | None) -> tuple[str | None, Shard | None]:
    """The parts of a partition's key in a sync that has shards, or had some.

    Example:
        >>> window_and_shard("2026-11-01|3-of-8"), window_and_shard("2026-11-01")
        (('2026-11-01', Shard(number=3, of=8)), ('2026-11-01', None))
    """
    window, _, segment = (partition or "").rpartition("|")
    shard = shard_named(segment)
    return (partition, None) if shard is None else (window or None, shard)


def other_shards(state: State, sync: Sync, keys: Iterable[str | None]) -> list[str | None]:
    """The partitions of a sync that hold something, and are of another number of shards than its YAML has.

    Args:
        keys: of all partitions that have any state.

    Raises:
        StateError: the state cannot be read.
    """
    now = _count(sync)
    others = [key for key in keys if not is_partition(sync, key)
              and ((shard := window_and_shard(key)[1]) and shard.of) != now]
    return [key for key in others if (state.of(sync.name, key).newest() or _NOTHING).files]


def check_shards(state: State, sync: Sync, title: str, others: Collection[str | None]) -> None:
    """Refuse a partition to begin anew where what was sent is kept in another number of shards.

    Args:
        title: the sync and partition, as people write them.
        others: as ``other_shards`` gives them.

    Raises:
        OtherShards: it is, or a move of it was interrupted.
    """
    now = _count(sync) or 1
    if (moving := resharded_to(state, sync.name)) is not None:
        raise OtherShards(f"{title}: its state is not complete yet, since a move to {in_shards(moving)} is under way "
                          f"or was interrupted: run `candu-sync reshard {sync.name} {moving}`, which finishes it")
    counts = {shard.of for key in others if (shard := window_and_shard(key)[1])}
    if others and (counts or now > 1):
        kept = f"in {min(counts)} shards" if counts else "without shards"
        raise OtherShards(f"{title}: its YAML has {in_shards(now)}, and what was sent is kept {kept}: run `candu-sync "
                          f"reshard {sync.name} {now}`, which moves it and sends nothing. Where everything may be sent "
                          f"again, run `candu-sync reset {sync.name}`")


def in_shards(count: int) -> str:
    """For people: so many shards.

    Example:
        >>> in_shards(16), in_shards(1)
        ('16 shards', 'no shards')
    """
    return "no shards" if count == 1 else f"{count} shards"


def _count(sync: Sync) -> int | None:
    return sync.partitions.shards if sync.partitions else None
