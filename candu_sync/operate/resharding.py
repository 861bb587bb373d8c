"""The state of a sync moves to another number of shards: nothing is sent."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import duckdb
import pyarrow as pa

from candu_sync.arrow_rows import read_table
from candu_sync.changes import new_run_id, row_identity
from candu_sync.commit import recover
from candu_sync.embedded import scalar, write_arrow
from candu_sync.errors import UsageError
from candu_sync.forgetting import read_tombstones
from candu_sync.history import FOLDER as HISTORY
from candu_sync.project import Project
from candu_sync.shard_counts import in_shards, window_and_shard
from candu_sync.snapshot import FORGOTTEN, REJECTED, Snapshot, expose, layout, snapshot_of, write_base
from candu_sync.state import (
    Claim,
    EventTimes,
    Part,
    PartitionState,
    Version,
    begin_resharding,
    drop_claims,
    end_resharding,
    parts_set_aside,
    remove_folder,
    resharded_to,
    set_part_aside,
    write_last_run,
)
from candu_sync.syncs import Sync, is_partition, join, shard_keys
from candu_sync.warehouse import shard_number


@dataclass(frozen=True)
class Resharded:
    """What was moved: partitions before and after, and the rows in them that Candu has."""

    before: int
    after: int
    rows: int


def reshard(project: Project, sync: Sync, count: int) -> Resharded:
    """Move the state of a sync to so many shards, the number that its YAML has now. An interrupted move is finished by
    the same call.

    Args:
        count: 1: no shards.

    Returns:
        What was moved; no partitions: the state has so many shards already.

    Raises:
        UsageError: the YAML has another number, nothing was sent for the sync, or the move cannot be made.
        Claimed: a run is at work on a partition.
        StateError: the state cannot be read or written.
    """
    state = project.state
    _check_count(sync, count)
    began = resharded_to(state, sync.name)
    if began not in (None, count):
        raise UsageError(f"{sync.name}: a move to {in_shards(began or 1)} was interrupted. Write that number into its "
                         f"YAML, and run `candu-sync reshard {sync.name} {began}` first")
    old = [state.of(sync.name, key) for key in project.other_shards(sync)]
    if began is None and not old:
        return Resharded(0, 0, _rows(project, sync))
    for partition in old:
        recover(partition, sync, project.engine, project.history_policy(sync))
    if began is None:
        _check_new(project, sync, old, count)
    begin_resharding(state, sync.name, count)
    for partition in old:
        set_part_aside(state, partition, new_run_id(), keep=HISTORY)
    parts = sorted(parts_set_aside(state, sync.name), key=_window)
    after = sum(_divide(project, sync, window, list(group), count) for window, group in groupby(parts, _window))
    end_resharding(state, sync.name)
    project.other_shards(sync, again=True)
    return Resharded(len(parts), after, sum(part.version.rows for part in parts))


def _rows(project: Project, sync: Sync) -> int:
    """How many rows Candu has, where they are in the right shards already."""
    versions = [project.state.of(sync.name, key).newest() for key in project.state.partitions(sync.name)]
    if not any(version is not None and version.files for version in versions):
        raise UsageError(f"{sync.name}: there is nothing to move: nothing was sent for it")
    return sum(version.rows for version in versions if version is not None)


def _check_count(sync: Sync, count: int) -> None:
    now = (sync.partitions.shards if sync.partitions else None) or 1
    if now != count:
        do = f"Write `shards: {count}` under its `partitions`" if count > 1 else "Remove `shards` from it"
        raise UsageError(f"{sync.name}: its YAML has {in_shards(now)}. {do} first, then run this again")
    if sync.partitions is not None and sync.partitions.segments in ("static", "dynamic"):
        raise UsageError(f"{sync.name}: the rows of {sync.partitions.segments} partitions are divided by the model, "
                         "and cannot be moved")


def _check_new(project: Project, sync: Sync, old: Sequence[PartitionState], count: int) -> None:
    """Nothing may be in the way of the new partitions, and the old ones must fit together."""
    routes = sorted({partition.current().route for partition in old})
    if len(routes) > 1:
        raise UsageError(f"{sync.name}: its partitions were sent by {' and '.join(routes)}; run it by one route "
                         "first")
    for window in sorted({window_and_shard(partition.partition)[0] for partition in old}, key=str):
        for key in _keys(sync, window, count):
            if not is_partition(sync, key):
                raise UsageError(f"{sync.name}: its state has a partition {window}, which is none of its YAML: shards "
                                 "cannot take its place. Where what was sent may go again, run `candu-sync reset "
                                 f"{sync.name}`")
            if project.state.of(sync.name, key).current().files:
                raise UsageError(f"{sync.name} has a state of {in_shards(count)} already: that of before cannot "
                                 f"take its place. Where it may be forgotten, run `candu-sync reset {sync.name}` first")


def _window(part: Part) -> str:
    return window_and_shard(part.partition)[0] or ""


def _keys(sync: Sync, window: str | None, count: int) -> list[str | None]:
    if count == 1:
        return [window or None]
    return [join(window or None, key) for key in shard_keys(count)]


def _divide(project: Project, sync: Sync, window: str, parts: Sequence[Part], count: int) -> int:
    """Make the partitions of one window; returns how many there are."""
    state = project.state
    keys = _keys(sync, window, count)
    missing = [(number, state.of(sync.name, key)) for number, key in enumerate(keys)
               if not (state.of(sync.name, key).newest() or Version(number=0)).files]
    snapshots = [snapshot_of(state.of(sync.name, part.partition), part.version, sync.kind) for part in parts]
    traits = tuple(dict.fromkeys(trait for snapshot in snapshots for trait in snapshot.traits
                                 if trait.name != FORGOTTEN))
    after = Snapshot(kind=sync.kind, traits=() if sync.kind == "events" else traits)
    version = _version(sync, parts, after)
    folder = state.store.scratch()
    try:
        with project.engine.use() as connection:
            _gather(connection, sync, snapshots, after, count, read_tombstones(state).condition)
            for number, partition in missing:
                _make(connection, partition, version, after, number, folder)
                if last := _last(parts):
                    write_last_run(partition, last | {"sync": sync.name, "partition": partition.partition})
    finally:
        remove_folder(folder)
    return len(keys)


def _gather(connection: duckdb.DuckDBPyConnection, sync: Sync, snapshots: Sequence[Snapshot], after: Snapshot,
            count: int, forgotten: str | None) -> None:
    """Make the tables ``moved`` and ``moved_refused``: the rows of all, with the number of their shard."""
    column = "key" if sync.kind == "events" else sync.shard_column
    number = shard_number("duckdb", column, count)
    columns = layout(after)
    for position, snapshot in enumerate(snapshots):
        expose(connection, snapshot)
        there = {trait: f"t{i}" for i, trait in enumerate(snapshot.traits)}
        listed = [name for name in columns if not re.fullmatch(r"t\d+", name)]
        listed += [f"{there[trait]} AS t{i}" if trait in there else f"NULL::{columns[f't{i}']} AS t{i}"
                   for i, trait in enumerate(after.traits)]
        where = f" WHERE NOT ({forgotten})" if forgotten and "user_id" in columns else ""
        rows = f"SELECT {', '.join(listed)}, {number}::INTEGER AS shard FROM snapshot{where}"
        connection.execute(f"CREATE TABLE moved AS {rows}" if position == 0 else f"INSERT INTO moved BY NAME {rows}")
        refused = _refused(snapshot, sync, count)
        connection.register("refused_of_part", refused)
        connection.execute("CREATE TABLE moved_refused AS FROM refused_of_part" if position == 0 else
                           "INSERT INTO moved_refused FROM refused_of_part")


def _refused(snapshot: Snapshot, sync: Sync, count: int) -> pa.Table:
    """The rows that Candu refused, with the text that their shard is of."""
    refused = REJECTED.empty_table()
    if snapshot.rejected is not None:
        refused = read_table(snapshot.rejected)
    place = sync.key.index(sync.shard_column)
    texts = [key if len(sync.key) == 1 else _part_of_key(key, place) for key in refused.column("key").to_pylist()]
    numbers = _numbers(texts, count)
    return refused.append_column("shard", pa.array(numbers, pa.int32()))


def _numbers(texts: Sequence[str], count: int) -> list[int]:
    with duckdb.connect() as connection:
        table = pa.table({"id": pa.array(texts, pa.string())})
        connection.register("texts", table)
        return [number for (number,) in connection.execute(
            f"SELECT {shard_number('duckdb', 'id', count)} FROM texts").fetchall()]


def _part_of_key(key: str, place: int) -> str:
    """One column's text of a key of several (``rows.keys.joined_key``).

    Example:
        >>> _part_of_key("a\\\\|b|c", 0), _part_of_key("a|c", 1)
        ('a|b', 'c')
    """
    parts = re.findall(r"((?:[^\\|]|\\.)*)(?:\||$)", key, re.DOTALL)
    return re.sub(r"\\(.)", r"\1", parts[place], flags=re.DOTALL)


def _make(connection: duckdb.DuckDBPyConnection, partition: PartitionState, version: Version, after: Snapshot,
          number: int, folder: Path) -> None:
    """Commit one new partition; one without rows has no version."""
    columns = ", ".join(layout(after))
    of_shard = f"FROM moved WHERE shard = {number}"
    if not scalar(connection, f"SELECT count(*) {of_shard}"):
        return
    gone = "" if after.kind == "events" else " AND NOT gone"
    rows = scalar(connection, f"SELECT count(*) {of_shard}{gone}")
    run_id = new_run_id()
    newest = partition.newest()
    made = replace(version, number=(newest.number if newest else 0) + 1, run_id=run_id, rows=rows, files={},
                   at=dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"))
    drop_claims(partition, made.number)
    with Claim(partition, made.number, run_id) as claim:
        try:
            files = write_base(connection, f"SELECT {columns} {of_shard}", after, after.traits, folder)
            refused = folder / "rejected.arrow"
            if write_arrow(connection, f"SELECT {', '.join(REJECTED.names)} FROM moved_refused WHERE shard = {number}",
                           refused):
                files["rejected"] = refused
            partition.commit(made, {role: path for role, path in files.items() if path is not None})
        finally:
            claim.release()


def _version(sync: Sync, parts: Sequence[Part], after: Snapshot) -> Version:
    """What all new versions of a window have in common."""
    versions = [part.version for part in parts]
    newest = max(versions, key=lambda version: version.at)
    identity = newest.identity and replace(newest.identity, scheme=row_identity(sync).scheme)
    names = {trait.name for trait in after.traits}
    refreshed = [version.refreshed for version in versions]
    return replace(
        newest, traits=tuple((trait.name, str(trait.kind)) for trait in after.traits), identity=identity,
        nulled=_union(version.nulled for version in versions),
        arriving=_union(version.arriving for version in versions),
        dropped=tuple(name for name in _union(version.dropped for version in versions) if name not in names),
        events=_times([version.events for version in versions if version.events is not None]), newest=None,
        refreshed=None if None in refreshed else min(time for time in refreshed if time))


def _union(of: Iterable[Sequence[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in of for name in names))


def _times(found: Sequence[EventTimes]) -> EventTimes | None:
    if not found:
        return None
    return EventTimes(min(times.oldest for times in found), max(times.newest for times in found),
                      min(times.complete_until for times in found))


def _last(parts: Sequence[Part]) -> dict[str, object] | None:
    """How the last run ended, where all ended well; None: one did not, or left something."""
    if not all(part.last.get("status") == "succeeded" and not part.last.get("waiting") for part in parts):
        return None
    newest = max((part.last for part in parts), key=lambda last: str(last.get("at")))
    return {name: value for name, value in newest.items() if name not in ("left", "recent")}
