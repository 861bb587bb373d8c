"""What is wrong with a sync now, as others judged it: its condition."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

# Code → what a title says of a sync.
CODES: Mapping[str, str] = {
    "broken": "cannot be read",
    "died": "had a run that died",
    "failing": "is failing",
    "guarded": "was stopped by a guard",
    "stale": "is late",
    "tolerance": "has more bad rows than it may",
    "growing": "leaves more and more rows over",
    "unusual": "is unlike its last runs",
}

# Where the last run did not end well, what it left over, and that no other ended well, says nothing new.
_ENDED_BADLY = frozenset({"broken", "died", "failing", "guarded"})


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a sync.

    Attributes:
        code: one of ``CODES``.
        sentence: for people, with what to do. It has no value of a trait, and no key.
        partition: the one that it is about; None: the sync has none, or the problem is the whole sync's.
    """

    code: str
    sentence: str
    partition: str | None = None


@dataclass(frozen=True)
class Standing:
    """How one partition is, or the sync as a whole.

    Attributes:
        partition: None: the sync as a whole.
        problems: empty: nothing is wrong.
        well: the sentence about it for a notice of its recovery.
        link: the page of the last run, or the id that an orchestrator gave it; None: neither is known.
        ended: when the last run ended, aware; None: there was none.
    """

    partition: str | None
    problems: tuple[Problem, ...] = ()
    well: str = ""
    link: str | None = None
    ended: dt.datetime | None = None

    @property
    def codes(self) -> tuple[str, ...]:
        """What a notice is about: it is sent when these change.

        Example:
            >>> Standing(None, (Problem("stale", "…"), Problem("failing", "…"))).codes
            ('failing',)
        """
        found = {problem.code for problem in self.problems}
        return tuple(code for code in CODES if code in (found & _ENDED_BADLY or found))

    @property
    def said(self) -> tuple[Problem, ...]:
        """The problems that a notice names: those of the codes."""
        codes = self.codes
        return tuple(problem for problem in self.problems if problem.code in codes)


@dataclass(frozen=True)
class Condition:
    """How a sync is.

    Attributes:
        standings: of the sync as a whole, and of each partition that anything is known of.
    """

    sync: str
    owners: tuple[str, ...]
    standings: tuple[Standing, ...]
