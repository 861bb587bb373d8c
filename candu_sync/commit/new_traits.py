"""What a version knows of traits that are new, or that the model no longer gives."""

from __future__ import annotations

from candu_sync.changes import ChangeSet
from candu_sync.state import Outcome, Version


def dropped_traits(old: Version, changes: ChangeSet) -> tuple[str, ...]:
    """The names of all traits that some version had, and that the model no longer gives."""
    return tuple(sorted({*old.dropped, *changes.summary.gone_traits} - {*changes.given}))


def arriving_traits(changes: ChangeSet, outcome: Outcome) -> tuple[str, ...]:
    """The names of the new traits that the next run still counts as new.

    They are those of which no row had a value, as after a column was added that is filled later. Where a run was
    interrupted, was a sample, or was of a few rows that a person named, they are all new traits.
    """
    if changes.kind == "events":
        return ()
    if changes.base and (changes.keys or sum(outcome.settled) < changes.summary.messages):
        return changes.new_traits
    new = changes.new_traits if changes.base else changes.given
    return tuple(name for name in new if name not in changes.summary.traits)
