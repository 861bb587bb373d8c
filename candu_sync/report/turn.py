"""One process at a time writes the tables, or removes a person from them: a claim in the state, as that of a run."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from candu_sync.state import Claim, PartitionState, State, drop_claims, read_claim, refusal


def take_turn(state: State, name: str) -> Claim:
    """The claim of the tables, to be used as a context manager and released. That of a dead process is taken over.

    Args:
        name: of the work, for the sentence that others are refused with.

    Raises:
        Claimed: another process has it.
        StateError: the state cannot be written.
    """
    place = PartitionState(state.store, "report", "the report tables")
    numbers = [int(Path(found).stem) for found in state.store.list(place.name("claims/"))]
    number = max(numbers, default=0)
    if numbers:
        owner = read_claim(place, number)
        if owner is not None and owner.alive(dt.datetime.now(dt.UTC)):
            raise refusal(place, owner)
        number += 1
    claim = Claim(place, number, name)
    drop_claims(place, number - 1)
    return claim
