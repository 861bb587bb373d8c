"""What `list` and `status` show: each sync and partition, how its last run ended, and what was not accepted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Any

from candu_sync.alerts import Condition, Problem, Standing
from candu_sync.errors import StateError
from candu_sync.naming import counted
from candu_sync.operate.problems import find_problems
from candu_sync.operate.what_next import next_steps
from candu_sync.project import Project
from candu_sync.state import PartitionStanding, PartitionState, last_run_of, orphans, resharded_to
from candu_sync.syncs import Catalog, Partitions, Sync, is_partition

# What notices about files that are of no sync are about.
_PROJECT = "the project"

_BAD = ("failed", "guarded")


def failed_partitions(project: Project, name: str) -> list[str | None]:
    """The partitions of a sync whose last run failed, was stopped by a guard, or died; [None]: a sync without any.

    Raises:
        StateError: the state cannot be read.
    """
    return [key for key, standing in project.state.standings(name).items()
            if last_run_of(standing.record).get("status") in _BAD or _claim(project, name, key, standing)["dead"]]


def overview(project: Project, catalog: Catalog) -> list[dict[str, Any]]:
    """A row a sync: sync, kind, route (as it is set now), partitions, schedule (its ``automation``; None: people run
    it), tags, last_run (ISO 8601, None: never), status."""
    return [_overview(project, sync) for sync in catalog.syncs.values()]


def _overview(project: Project, sync: Sync) -> dict[str, Any]:
    runs = [last_run_of(standing.record) for standing in project.state.standings(sync.name).values()]
    last = max((run for run in runs if run), key=lambda run: run["at"], default={})
    schedule = None if sync.automation == "none" else sync.automation
    route = project.destinations.route_of(sync).name
    return {"sync": sync.name, "kind": sync.kind, "route": route, "partitions": _spread(sync.partitions),
            "schedule": schedule, "tags": sync.tags, "last_run": last.get("at"), "status": last.get("status")}


def _spread(partitions: Partitions | None) -> str:
    """How a sync is partitioned, like ``daily`` or ``daily × 16 shards``; empty: it is not."""
    if partitions is None:
        return ""
    return partitions.spread if partitions.shards is None else partitions.spread.replace(
        "shards", counted(partitions.shards, "shard"))


def orphaned(project: Project, catalog: Catalog) -> list[str]:
    """The names of syncs that are no longer there and have a state. While an error may hide syncs, none is known to be
    gone.

    Raises:
        StateError: the state cannot be read.
    """
    return orphans(project.state, catalog.names) if catalog.complete else []


def statuses(project: Project, catalog: Catalog, names: Collection[str] = (),
             partitions: Collection[str] = ()) -> list[dict[str, Any]]:
    """A row a sync and partition that has any state, and a row for a sync without one.

    Args:
        names, partitions: only these; empty: all.

    Returns:
        Rows of sync, partition, route (as it is set now; of a sync that is no longer there: of its last run, None where
        that is not known), last_run (ISO 8601, UTC; None: never), status, since (since when its runs end with
        that status), succeeded_at (of the last run that ended well), error (why the last run failed or was stopped),
        rows (of the last result, or of the snapshot), refreshed (unchanged rows that the last run sent again), invalid,
        refused, waiting (messages that go with the next run),
        unidentified (users of the last run's events or memberships who were never identified; None: not counted),
        uncertain (events since the last reset that Candu may have twice, see ``uncertain_events``), launched_as (the
        page of the last run, or the id that an orchestrator gave it; None: neither is known), claimed_by, dead
        (whether that run died), orphaned (whether the sync is no longer there), problems (sentences, see
        ``problems``), and the names of 0.1.0: pending (waiting), rejected (refused).

    Raises:
        StateError: the state cannot be read.

    Example:
        >>> from candu_sync import load_syncs, run
        >>> catalog = load_syncs(project.settings.sql_dir)
        >>> result = run(Target(project, sync))
        >>> [row] = statuses(project, catalog)
        >>> row["sync"], row["status"], row["rows"], row["waiting"]
        ('users/profile', 'succeeded', 2, 0)
    """
    return _judged(project, catalog, names, partitions)[0]


def _judged(project: Project, catalog: Catalog, names: Collection[str] = (),
            partitions: Collection[str] = ()) -> tuple[list[dict[str, Any]], dict[str, list[Problem]]]:
    """The rows of ``statuses``, and what is wrong with each sync."""
    gone = orphaned(project, catalog)
    rows = [_status(project, name, key, catalog.syncs.get(name), standing) for name in (*catalog.syncs, *gone)
            if not names or name in names
            for key, standing in _partitions(project, name, catalog.syncs.get(name)).items()
            if not partitions or key in partitions]
    return rows, find_problems(rows, catalog, dt.datetime.now(dt.UTC), whole=not partitions)


def _partitions(project: Project, name: str, sync: Sync | None) -> dict[str | None, PartitionStanding]:
    """The partitions of a sync that have a row, with how they stand. Of those that it does not have any more, what is
    left may be their history alone, as after a move to another number of shards: these have none. Nor has a dynamic
    one that was reset: its key may have been mistyped."""
    found = project.state.standings(name)
    return {key: standing for key, standing in found.items() if sync is None or _is_declared(sync, key)
            or _holds_anything(project, name, key, standing)} or {None: PartitionStanding({}, False, False)}


def _is_declared(sync: Sync, key: str | None) -> bool:
    """Whether the sync's files name the partition."""
    dynamic = sync.partitions is not None and sync.partitions.dynamic is not None
    return not dynamic and is_partition(sync, key)


def _holds_anything(project: Project, name: str, key: str | None, standing: PartitionStanding) -> bool:
    if standing.record or _claim(project, name, key, standing)["claimed_by"]:
        return True
    try:
        version = project.state.of(name, key).newest()
    except StateError:
        return True
    return version is not None and bool(version.files)


def conditions(project: Project, catalog: Catalog, names: Collection[str] = ()) -> list[Condition]:
    """How each sync is, for notices. A file that is wrong is a problem of its sync; one that is of no sync, like dbt's
    manifest, is one of the project, which has a condition of its own where all syncs are asked for.

    Args:
        names: only these; empty: all.

    Raises:
        StateError: the state cannot be read.
    """
    chosen = [name for name in catalog.syncs if not names or name in names]
    rows, problems = _judged(project, catalog, chosen) if chosen else ([], {})
    found = [Condition(name, catalog.syncs[name].owners, tuple(_standings(
        [row for row in rows if row["sync"] == name], problems[name]))) for name in chosen]
    broken: dict[str, list[Problem]] = {} if names else {_PROJECT: []}
    for error in catalog.errors:
        if not names or error.sync in names:
            broken.setdefault(error.sync or _PROJECT, []).append(Problem("broken", str(error)))
    return [*found, *(Condition(name, (), (Standing(None, tuple(wrong)),)) for name, wrong in broken.items())]


def _standings(rows: list[dict[str, Any]], problems: list[Problem]) -> Iterator[Standing]:
    """Of the sync as a whole, of each partition that ran, and of those that should have."""
    of = {row["partition"]: row for row in rows}
    of.setdefault(None, max(rows, key=lambda row: row["last_run"] or ""))
    for key in dict.fromkeys([None, *of, *(problem.partition for problem in problems)]):
        mine = tuple(problem for problem in problems if problem.partition == key)
        yield _standing(key, mine, of[key]) if key in of else Standing(key, mine)


def _standing(key: str | None, problems: tuple[Problem, ...], row: dict[str, Any]) -> Standing:
    ended = dt.datetime.fromisoformat(row["last_run"]) if row["last_run"] else None
    return Standing(key, problems, _how_it_is(row), row["launched_as"], ended)


def _how_it_is(row: dict[str, Any]) -> str:
    """A sentence for who hears that nothing is wrong any more."""
    if row["status"] != "succeeded":
        return "nothing is wrong any more"
    steps = next_steps(row["sync"], **{name: row[name] or 0 for name in ("invalid", "refused", "waiting")})
    return ". ".join([f"the run of {row['last_run']} ended well, with {counted(row['rows'] or 0, 'row')}", *steps])


def orphan_notes(project: Project, catalog: Catalog, rows: list[dict[str, Any]]) -> Iterator[str]:
    """A sentence for each sync that is no longer there and has a state, with what to do.

    Args:
        rows: as ``statuses`` returned them.
    """
    renamed = {old: sync.name for sync in catalog.syncs.values() if (old := project.predecessor(sync))}
    for name in dict.fromkeys(row["sync"] for row in rows if row["orphaned"]):
        yield (f"{name} is no longer a sync, but the state has what was sent for it. If it was renamed, run "
               f"`candu-sync rename {name} {renamed.get(name, 'NEW')}`. If it was removed, `candu-sync reset {name}` "
               "drops the state")


def _status(project: Project, name: str, key: str | None, sync: Sync | None,
            standing: PartitionStanding) -> dict[str, Any]:
    run = last_run_of(standing.record)
    route = run.get("route") if sync is None else project.destinations.route_of(sync).name
    return {"sync": name, "partition": key, "route": route, "last_run": run.get("at"), "status": run.get("status"),
            "since": run.get("since", run.get("at")), "succeeded_at": run.get("succeeded_at"),
            "error": run.get("error"), "rows": _rows(project, name, key, run), "refreshed": run.get("refreshed"),
            "invalid": run.get("invalid"), "refused": run.get("refused"), "waiting": run.get("waiting"),
            "unidentified": run.get("unidentified"),
            "uncertain": _uncertain(project, name, key) if standing.uncertain else 0,
            "launched_as": run.get("launched_as"), **_claim(project, name, key, standing),
            "orphaned": sync is None, "left": run.get("left", []), "recent": run.get("recent", []),
            "pending": run.get("waiting"), "rejected": run.get("refused")}


def _uncertain(project: Project, name: str, key: str | None) -> int:
    # This loads Arrow, which `list` and most states do without.
    from candu_sync.commit import list_uncertain

    return sum(found.count for found in list_uncertain(project.state.of(name, key)))


def _claim(project: Project, name: str, key: str | None, standing: PartitionStanding) -> dict[str, Any]:
    nobody = {"claimed_by": None, "dead": False}
    if not standing.claimed:
        return nobody
    from candu_sync.operate.maintenance import claimed_by

    state = project.state.of(name, key)
    owner = claimed_by(state)
    if owner is None:
        return nobody
    dead = not owner.alive(dt.datetime.now(dt.UTC))
    by = f"{owner.run_id} on {owner.host} since {owner.started}"
    return {"claimed_by": by + (f" (dead, {_who_takes_over(project, state)})" if dead else ""), "dead": dead}


def _who_takes_over(project: Project, state: PartitionState) -> str:
    shards = resharded_to(project.state, state.sync)
    return "the next run takes over" if shards is None else f"`candu-sync reshard {state.sync} {shards}` finishes it"


def _rows(project: Project, name: str, key: str | None, run: dict[str, Any]) -> int | None:
    """The rows of the last run's result. A run that failed before it had a result says nothing of them: the snapshot's
    then."""
    if not run or run.get("run_id"):
        return run.get("rows")
    with suppress(StateError):
        return project.state.of(name, key).current().rows
    return None
