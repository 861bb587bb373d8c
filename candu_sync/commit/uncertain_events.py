"""Uncertain events: they were sent to Candu at least once without an answer. Candu may have them twice or, under
``uncertain: skip``, not at all.

Such a run writes their ids to the state, ``uncertain/<run>.json``, before it commits the version that the next run
starts from. So all are reported, whenever the process dies. They are rare, and are kept until a reset.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass

import pyarrow.compute as pc

from candu_sync.changes import ChangeSet
from candu_sync.embedded import arrow_file
from candu_sync.state import Outcome, PartitionState

# Ids that are listed for a run; more are only counted.
LISTED = 10_000


@dataclass(frozen=True)
class Uncertain:
    """The events of one run: when it was noted (ISO 8601, UTC), how many, and the ids of the first ``LISTED``."""

    run_id: str
    at: str
    count: int
    keys: list[str]


def note_uncertain(state: PartitionState, changes: ChangeSet, outcome: Outcome) -> None:
    """Write down which events of a run are uncertain; for users and groups there are none: they are sent again.

    Raises:
        StateError: it cannot be written.
    """
    if changes.kind != "events" or not outcome.uncertain:
        return
    numbers = [number for low, high in outcome.uncertain for number in range(low, high + 1)]
    scan = arrow_file(changes.file("changes.arrow")).scanner(["key"], pc.field("message").isin(numbers))
    keys = set(scan.to_reader().read_all().column("key").to_pylist())
    name = f"uncertain/{changes.run_id}.json"
    # What another process noted for this run, which it took for dead, stays.
    keys |= set((state.read_json(name) or {}).get("keys", []))
    at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    state.write_json(name, asdict(Uncertain(changes.run_id, at, len(keys), sorted(keys)[:LISTED])))


def uncertain_of(state: PartitionState, run_id: str) -> int:
    """How many events of one run are uncertain."""
    return int((state.read_json(f"uncertain/{run_id}.json") or {}).get("count", 0)) if run_id else 0


def list_uncertain(state: PartitionState) -> list[Uncertain]:
    """The uncertain events of all runs since the last reset, the oldest run first."""
    names = state.names("uncertain/")
    found = [state.read_json(name.removeprefix(state.name(""))) for name in names]
    return [Uncertain(**body) for body in found if body is not None]
