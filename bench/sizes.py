"""How much a bench does: which sections, of how many rows, how often."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Size:
    """A size of the bench.

    Attributes:
        rows: of the tables, ascending.
        times, times_slow, times_large: as ``Bench`` has them.
        hash_seconds: how long the search for one changed value may take.
        brief: only what the targets need, each at one size.
    """

    rows: tuple[int, ...]
    times: int
    times_slow: int
    times_large: int
    hash_seconds: float
    brief: bool = False


SIZES = {
    "full": Size(rows=(10_000, 100_000, 1_000_000, 10_000_000), times=3, times_slow=1, times_large=2,
                 hash_seconds=600),
    "targets": Size(rows=(1_000_000, 10_000_000), times=2, times_slow=1, times_large=1, hash_seconds=75, brief=True),
    "quick": Size(rows=(10_000, 100_000), times=3, times_slow=1, times_large=1, hash_seconds=20),
}
