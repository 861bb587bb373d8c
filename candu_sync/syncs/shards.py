"""Shards: a model's rows in a fixed number of parts, by a hash of one column, so that several workers share the work.

The key of a shard is its number and how many there are, like ``03-of-16``. So the keys of 16 and of 32 shards differ,
and no shard is taken for one of another number of shards.

``candu_sync.warehouse.shards`` has the hash.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_KEY = re.compile(r"(0*)(\d+)-of-([1-9]\d*)")

# How people write it.
_WORD = re.compile(r"([0-9]{1,9})(?:[ _-]?of[ _-]?([0-9]{1,9}))?", re.IGNORECASE)


class Shard(NamedTuple):
    """One shard: ``number`` is from 0 to ``of`` - 1."""

    number: int
    of: int

    @property
    def key(self) -> str:
        """The segment of a partition's key.

        Example:
            >>> Shard(3, 16).key
            '03-of-16'
        """
        return f"{self.number:0{len(str(self.of - 1))}}-of-{self.of}"


def shard_keys(count: int) -> tuple[str, ...]:
    """The keys of so many shards, in order.

    Example:
        >>> shard_keys(2)
        ('0-of-2', '1-of-2')
    """
    return tuple(Shard(number, count).key for number in range(count))


def shard_named(key: str | None) -> Shard | None:
    """The shard that a segment's key names; None: it names none.

    Example:
        >>> shard_named("03-of-16"), shard_named("3-of-16"), shard_named("eu")
        (Shard(number=3, of=16), None, None)
    """
    found = _KEY.fullmatch(key or "")
    if found is None:
        return None
    shard = Shard(int(found[2]), int(found[3]))
    return shard if shard.number < shard.of and shard.key == key else None


def shard_meant(word: str, count: int) -> str | None:
    """The key of the shard that a person means, where there are so many; None: it is not known.

    Example:
        >>> shard_meant("07-of-8", 8), shard_meant("3", 16), shard_meant("7-of-16", 8), shard_meant("8-of-8", 8)
        ('7-of-8', '03-of-16', None, None)
    """
    found = _WORD.fullmatch(word.strip())
    if found is None or int(found[2] or count) != count or int(found[1]) >= count:
        return None
    return Shard(int(found[1]), count).key
