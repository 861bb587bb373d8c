"""Uncertain events: they were sent to Candu at least once without an answer. Candu may have them twice or, under
``uncertain: skip``, not at all.

Such a run writes their ids to the state, ``uncertain/<run>.json``, before it commits the version that the next run
starts from. So all are reported, whenever the process dies. They are kept until a reset. If many runs have some, the
files of the older ones are joined: all events stay counted, and the newest ids stay listed.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow.compute as pc

from candu_sync.changes import ChangeSet
from candu_sync.embedded import arrow_file
from candu_sync.state import Outcome, PartitionState

_log = logging.getLogger(__name__)

# Ids that are listed for a run; more are only counted.
LISTED = 10_000

# Files of a partition. If there are more, the older half is joined.
MOST_FILES = 100

# Ids that are listed in a file that was joined; older ones are only counted.
LISTED_TOGETHER = 100_000


@dataclass(frozen=True)
class Uncertain:
    """The events of one run: when it was noted (ISO 8601, UTC), how many, and the ids of the first ``LISTED``. Or those
    of several runs: the name and the time of the newest, and in ``joined`` the names of the others."""

    run_id: str
    at: str
    count: int
    keys: list[str]
    joined: tuple[str, ...] = ()

    @classmethod
    def of(cls, body: dict[str, Any]) -> Uncertain:
        """From what is in its file."""
        return cls(**body | {"joined": tuple(body.get("joined", ()))})

    def body(self) -> dict[str, Any]:
        """What is in its file."""
        return {name: value for name, value in asdict(self).items() if name != "joined" or value}


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
    state.write_json(name, Uncertain(changes.run_id, at, len(keys), sorted(keys)[:LISTED]).body())
    join_older(state)


def join_older(state: PartitionState) -> None:
    """If there are more than ``MOST_FILES``, make one file of those of the older half. It takes the place of the newest
    of them and names the others, which are removed after that: a crash in between counts nothing twice."""
    names = state.names("uncertain/")
    if len(names) <= MOST_FILES:
        return
    recent = set(names[-MOST_FILES // 2:])
    older = [found for found in list_uncertain(state) if _file_of(state, found.run_id) not in recent]
    keys = list(dict.fromkeys(key for found in reversed(older) for key in found.keys))
    listed, newest = keys[:LISTED_TOGETHER], older[-1]
    if len(keys) > len(listed):
        _log.warning("%s: the ids of %s uncertain events, the oldest of %s, are no longer listed; they stay counted",
                     state.title, f"{len(keys) - len(listed):,}", f"{sum(found.count for found in older):,}")
    # Also what a process left that died before it removed them.
    gone = [name for name in names if name not in recent and name != _file_of(state, newest.run_id)]
    joined = Uncertain(newest.run_id, newest.at, sum(found.count for found in older), listed,
                       tuple(name.rpartition("/")[2].removesuffix(".json") for name in gone))
    state.write_json(f"uncertain/{newest.run_id}.json", joined.body())
    state.store.delete_all(gone)


def _file_of(state: PartitionState, run_id: str) -> str:
    return state.name("uncertain", f"{run_id}.json")


def uncertain_of(state: PartitionState, run_id: str) -> int:
    """How many events of one run are uncertain."""
    return int((state.read_json(f"uncertain/{run_id}.json") or {}).get("count", 0)) if run_id else 0


def list_uncertain(state: PartitionState) -> list[Uncertain]:
    """The uncertain events of all runs since the last reset, the oldest run first. One may stand for several runs."""
    names = state.names("uncertain/")
    bodies = [state.read_json(name.removeprefix(state.name(""))) for name in names]
    found = [Uncertain.of(body) for body in bodies if body is not None]
    joined = {run_id for one in found for run_id in one.joined}
    return [one for one in found if one.run_id not in joined]
