"""Counts that are unlike those of the last runs: a deviation, by a rule that a few odd runs do not spoil.

A number is unusual when it is far from the median of the last 20, and beyond all of them but the most extreme one. Far
means more than five times their usual distance from it (the median absolute deviation, scaled to a normal
distribution's standard deviation), more than a fifth of it, and more than 100. The second condition lets a weekend be a
weekend: what was there twice before is nothing new.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

# Runs that a run is compared with, and the fewest that say anything.
MOST_RUNS = 20
FEWEST_RUNS = 8

_DISTANCES = 5
_TO_A_DEVIATION = 1.4826
_SHARE = 0.2
_LEAST = 100


def unusual(number: int, before: Sequence[int], *, low: bool = True) -> bool:
    """Whether a number is unlike those before it.

    Args:
        before: in any order; the last ``MOST_RUNS`` are looked at.
        low: whether a number can be unusually low.

    Example:
        >>> usual = [1400, 1380, 1420, 1410, 1395, 1405, 1390, 1400]
        >>> unusual(0, usual), unusual(1450, usual), unusual(9000, usual), unusual(0, usual[:7])
        (True, False, True, False)
    """
    known = sorted(before[-MOST_RUNS:])
    if len(known) < FEWEST_RUNS:
        return False
    middle = median(known)
    usual = _DISTANCES * _TO_A_DEVIATION * median(abs(one - middle) for one in known)
    if abs(number - middle) <= max(usual, _SHARE * middle, _LEAST):
        return False
    if number > middle:
        return number > known[-2] * (1 + _SHARE)
    return low and number < known[1] * (1 - _SHARE)


def usual_range(before: Sequence[int]) -> str:
    """What the numbers before were, for a sentence.

    Example:
        >>> usual_range([1400, 1380, 1420])
        'the last 3 had 1,380 to 1,420'
    """
    known = before[-MOST_RUNS:]
    return f"the last {len(known)} had {min(known):,} to {max(known):,}"
