"""What `list` and `status` tell: each sync and partition, how its last run ended, and what waits."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from typing import Any

from candu_sync.errors import StateError
from candu_sync.project import Project
from candu_sync.state import PartitionState, orphans, read_last_run
from candu_sync.syncs import Catalog, Sync


def overview(project: Project, catalog: Catalog) -> list[dict[str, Any]]:
    """A row a sync: sync, kind, partitions, last_run (ISO 8601, None: never), status."""
    return [_overview(project, sync) for sync in catalog.syncs.values()]


def _overview(project: Project, sync: Sync) -> dict[str, Any]:
    runs = [read_last_run(project.state.of(sync.name, key)) for key in project.state.partitions(sync.name)]
    last = max((run for run in runs if run), key=lambda run: run["at"], default={})
    spread = "" if sync.partitions is None else sync.partitions.spread
    return {"sync": sync.name, "kind": sync.kind, "partitions": spread, "last_run": last.get("at"),
            "status": last.get("status")}


def statuses(project: Project, catalog: Catalog) -> list[dict[str, Any]]:
    """A row a sync and partition that has any state: sync, partition, last_run, status, rows, pending (messages that
    the last run left unsent), rejected, invalid, uncertain (events since the last reset that may have been told twice,
    see ``uncertain_events``), claimed_by, orphaned (whether its sync is no longer there)."""
    gone = orphans(project.state, {*catalog.syncs, *(error.sync for error in catalog.errors if error.sync)})
    return [_status(project, name, key, orphaned=name in gone) for name in (*catalog.syncs, *gone)
            for key in project.state.partitions(name) or [None]]


def orphan_notes(project: Project, catalog: Catalog, rows: list[dict[str, Any]]) -> list[str]:
    """A sentence for each sync that is no longer there and has a state, with what to do.

    Args:
        rows: as ``statuses`` returned them.
    """
    renamed = {old: sync.name for sync in catalog.syncs.values() if (old := project.predecessor(sync))}
    gone = dict.fromkeys(row["sync"] for row in rows if row["orphaned"])
    return [f"{name} is no longer a sync, but the state has what was sent for it. If it was renamed, run "
            f"`candu-sync rename {name} {renamed.get(name, 'NEW')}`. If it was removed, there is nothing to do"
            for name in gone]


def _status(project: Project, name: str, key: str | None, *, orphaned: bool) -> dict[str, Any]:
    # These load Arrow, which `list` does without.
    from candu_sync.commit import list_uncertain
    from candu_sync.operate.maintenance import claimed_by

    state = project.state.of(name, key)
    run = read_last_run(state)
    owner = claimed_by(state)
    by = None
    if owner is not None:
        alive = owner.alive(dt.datetime.now(dt.UTC))
        by = f"{owner.run_id} on {owner.host} since {owner.started}"
        by += "" if alive else " (dead, the next run takes over)"
    return {"sync": name, "partition": key, "last_run": run.get("at"), "status": run.get("status"),
            "rows": _rows(state, run), "pending": run.get("unsent"), "rejected": run.get("rejected"),
            "invalid": run.get("invalid"), "uncertain": sum(found.count for found in list_uncertain(state)),
            "claimed_by": by, "orphaned": orphaned}


def _rows(state: PartitionState, run: dict[str, Any]) -> int | None:
    """The rows of the last run's result. A run that failed before it had a result says nothing of them: the snapshot's
    then."""
    if not run or run.get("run_id"):
        return run.get("rows")
    with suppress(StateError):
        return state.current().rows
    return None
