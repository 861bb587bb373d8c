"""Which partitions of a sync are worked on: those that are due, and those that have ended."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection
from functools import cache, partial
from typing import TYPE_CHECKING

from candu_sync.errors import StateError, UsageError
from candu_sync.state import last_run_of, read_claim
from candu_sync.suggestions import did_you_mean
from candu_sync.syncs import Sync, expanded, has_ended, is_partition, join, partitions_to_run, present_segments, split
from candu_sync.target import Target

if TYPE_CHECKING:
    from candu_sync.project import Project
    from candu_sync.state import PartitionStanding


def targets_of(project: Project, sync: Sync, chosen: list[str]) -> list[Target]:
    """A sync with each partition to work on: those chosen, or all that are due (see ``partitions_to_run``) and,
    after them, those that have ended (see ``ended_partitions``)."""
    project.ask_values_again()
    ended = [key for key in ended_partitions(project, sync, chosen) if not chosen or key in chosen]
    others = [key for key in chosen if key not in ended]
    keys = [] if chosen and not others else partitions_to_run(
        sync, others, values=partial(project.known_values, tag=sync.name), now=dt.datetime.now(dt.UTC),
        done=_done(project, sync))
    return [*(Target(project, sync, key, by_hand=bool(chosen)) for key in keys),
            *(Target(project, sync, key, ended=True) for key in ended)]


def partition_keys(project: Project, sync: Sync, words: Collection[str]) -> list[str]:
    """The partitions that words name, each a key or a range ``A..B`` (see ``syncs.expanded``).

    Raises:
        UsageError: as ``expanded``.
        ModelError, WarehouseError: the SQL of dynamic partitions fails.
    """
    return expanded(sync, words, values=project.known_values, now=dt.datetime.now(dt.UTC))


def target_of(project: Project, sync: Sync, partition: str | None) -> Target:
    """A sync with one partition. One that ran before, and has ended, is not read again, also when no constants of
    ``removed`` are left to send for it. Raises as ``ended_partitions``."""
    project.ask_values_again()
    ended = bool(partition and isinstance(sync.removed, dict) and partition in project.state.partitions(sync.name)
                 and has_ended(sync, partition, segments_of(project, sync)))
    return Target(project, sync, partition, ended=ended)


def ended_partitions(project: Project, sync: Sync, among: Collection[str] = ()) -> list[str]:
    """The partitions that are no longer the sync's, and whose rows the constants of ``removed`` must still be sent
    for: a key was dropped from ``static``, or ``values`` no longer finds it.

    Args:
        among: only these are asked about; empty: all.

    Raises:
        ModelError, WarehouseError: the SQL of dynamic partitions fails.
        StateError: the state cannot be read.
    """
    if sync.partitions is None or not isinstance(sync.removed, dict):
        return []
    ran = [key for key in project.state.partitions(sync.name)
           if key is not None and (not among or key in among)]
    segments = segments_of(project, sync) if ran else None
    return [key for key in ran if has_ended(sync, key, segments) and _holds_rows(project, sync, key)]


def segments_of(project: Project, sync: Sync) -> Collection[str] | None:
    """The segments that a partition of the sync can have now (see ``present_segments``); the warehouse is asked
    once."""
    return present_segments(sync, partial(project.known_values, tag=sync.name))


def check_is_known(target: Target) -> None:
    """Refuse a partition without rows that a person named and nothing knows: the SQL of ``values`` does not find its
    segment, and no partition with that segment has a snapshot. The key is probably mistyped.

    Raises:
        UsageError: it is one.
        ModelError, WarehouseError: the SQL of ``values`` fails.
        StateError: the state cannot be read.
    """
    project, sync, key = target.project, target.sync, target.partition
    partitions = sync.partitions
    if partitions is None or partitions.dynamic is None or key is None or target.ended or not target.by_hand:
        return
    segments = project.known_values(partitions.values or "", sync.name)
    start, segment = split(partitions, key)
    if segment in segments or any(
            _segment(sync, ran) == segment and project.state.of(sync.name, ran).current().files
            for ran in project.state.partitions(sync.name)):
        return
    meant = did_you_mean(str(segment), segments, shown=join(start, "{}"))
    raise UsageError(f"{sync.name} has no partition {key}{meant} (the model returns no row for it, and the SQL of "
                     "`values` does not find it)")


def _segment(sync: Sync, ran: str | None) -> str | None:
    """The segment of a partition that ran before; None: its key is of another scheme."""
    if ran is None or not is_partition(sync, ran):
        return None
    assert sync.partitions is not None
    return split(sync.partitions, ran)[1]


def share_of_ended(project: Project, sync: Sync) -> tuple[int, int]:
    """How many rows the partitions that have ended hold, and how many all partitions of the sync.

    Raises:
        As ``ended_partitions``; DamagedState when a partition's version cannot be read.
    """
    rows = {key: project.state.of(sync.name, key).current().rows for key in project.state.partitions(sync.name)}
    segments = segments_of(project, sync)
    return sum(count for key, count in rows.items() if has_ended(sync, key, segments)), sum(rows.values())


def _holds_rows(project: Project, sync: Sync, partition: str) -> bool:
    """Whether a partition has rows that did not leave, or a run that died in it may have sent some. What cannot be
    read counts as that: its plan then says what is wrong."""
    state = project.state.of(sync.name, partition)
    try:
        version = state.current()
    except StateError:
        return True
    return version.rows > 0 or read_claim(state, version.number + 1) is not None


def _done(project: Project, sync: Sync) -> Callable[[str], bool]:
    """Whether a partition's last run ended well and left nothing: a sample leaves the rest waiting. The records of all
    partitions are read at once, when the first is asked about. The state is not opened before."""
    @cache
    def standings() -> dict[str | None, PartitionStanding]:
        return project.state.standings(sync.name)

    def done(partition: str) -> bool:
        standing = standings().get(partition)
        last = {} if standing is None else last_run_of(standing.record)
        return last.get("status") == "succeeded" and not last.get("waiting")

    return done
