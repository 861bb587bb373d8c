"""The verbs: forget a person, and take that back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from candu_sync.changes import new_run_id
from candu_sync.commit import recover
from candu_sync.errors import Claimed
from candu_sync.forgetting.partition import Removed, leave_partition
from candu_sync.forgetting.reports import leave_reports
from candu_sync.forgetting.tombstone_files import keep_certificate, lift_tombstone, put_tombstone
from candu_sync.project import Project
from candu_sync.state import known_syncs
from candu_sync.syncs import KINDS, Spec, Sync, build_sync


@dataclass(frozen=True)
class Forgotten:
    """What became of it.

    Attributes:
        removed: what was removed from where.
        busy: sentences about what is still there: partitions on which a run is at work, report tables that cannot be
            reached.
        certificate: where it is written down, without the id; None: it is not finished.
    """

    removed: list[Removed]
    busy: list[str]
    certificate: str | None


def forget(project: Project, syncs: Mapping[str, Sync], user_id: str) -> Forgotten:
    """Remove a person from the state, of all syncs and partitions, and from the report tables. Prevent that the id is
    sent or stored again.

    The tombstone is put first, so that nothing more of the person comes in. If it is interrupted at any point, the same
    call finishes it.

    Args:
        syncs: those of the project by name. The state of others is cleaned by the rules of their kind.
        user_id: letter for letter.

    Raises:
        StateError: the state cannot be read or written.

    Example:
        >>> from candu_sync import run
        >>> _ = run(Target(project, sync))
        >>> [removed] = [row for row in forget(project, {sync.name: sync}, "u1").removed if row.where == "snapshot"]
        >>> removed.count, run(Target(project, sync)).requests
        (1, 0)
    """
    put_tombstone(project.state, user_id, finished=False)
    run_id = new_run_id()
    removed: list[Removed] = []
    busy: list[str] = []
    every = {name: syncs.get(name) or _gone(name) for name in sorted({*syncs, *known_syncs(project.state)})}
    for name, sync in every.items():
        for partition in project.state.partitions(name):
            try:
                removed += _leave(project, sync, partition, user_id, run_id)
            except Claimed as error:
                busy.append(str(error))
        project.state.drop_copy_that_says(name, user_id)
    gone, left = leave_reports(project, every, user_id)
    removed, busy = removed + gone, busy + left
    if busy:
        return Forgotten(removed, busy, None)
    schemas = project.report_schemas(every.values())
    certificate = keep_certificate(project.state, _certificate(removed, run_id, schemas), run_id)
    put_tombstone(project.state, user_id, finished=True)
    return Forgotten(removed, [], certificate)


def _leave(project: Project, sync: Sync, partition: str | None, user_id: str, run_id: str) -> list[Removed]:
    state = project.state.of(sync.name, partition)
    version = recover(state, sync, project.engine, project.history_policy(sync))
    return leave_partition(state, sync, version, user_id, run_id, project.engine)


def _gone(name: str) -> Sync:
    """A sync that has only a state, and no file any more."""
    kind = next((kind for kind in KINDS if name.startswith(f"{kind}/")), KINDS[0])
    return build_sync(name, kind, Path(f"{name}.sql"), ("", "select 1"), Spec())


def _certificate(removed: list[Removed], run_id: str, schemas: list[str]) -> dict[str, object]:
    """What is written down. ``report_tables``: the schemas whose tables have nothing of the person any more."""
    total: Counter[str] = Counter()
    for row in removed:
        total[row.where] += row.count
    return {"run_id": run_id, "removed": dict(total), "from": [row.__dict__ for row in removed],
            "report_tables": schemas}


def remember_again(project: Project, user_id: str) -> bool:
    """Let a person be sent and stored again; what was removed stays removed. False: the id was not forgotten.

    Raises:
        StateError: the state cannot be written.
    """
    return lift_tombstone(project.state, user_id)
