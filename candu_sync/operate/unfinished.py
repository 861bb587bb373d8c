"""Runs whose history is not written yet: those that send now, and those that died before they could write it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator

from candu_sync.naming import as_arguments, counted, named
from candu_sync.operate.maintenance import claimed_by
from candu_sync.project import Project
from candu_sync.state import read_receipts


def unfinished_runs(project: Project, sync: str, partitions: Collection[str] | None = None,
                    run_id: str | None = None) -> Iterator[str]:
    """A sentence for each run of a sync that has begun to send and has not written its history: how many messages Candu
    took, and when the history has them.

    Args:
        partitions: only these; None: all.
        run_id: only runs whose name begins with it; None: all.

    Raises:
        StateError: the state cannot be read.

    Example:
        >>> list(unfinished_runs(project, "users/profile"))
        []
    """
    for key, standing in project.state.standings(sync).items():
        if not standing.claimed or (partitions is not None and key not in partitions):
            continue
        state = project.state.of(sync, key)
        owner = claimed_by(state)
        if owner is None or not owner.run_id.startswith(run_id or ""):
            continue
        accepted, refused = read_receipts(state, owner.run_id).settled
        alive = owner.alive(dt.datetime.now(dt.UTC))
        then = ("when it has ended" if alive else
                f"when the next run or plan has taken it over: `candu-sync run {as_arguments(sync, key)}`")
        not_taken = f", and refused {refused:,}" if refused else ""
        yield (f"{named(sync, key)}: the run {owner.run_id} {'is under way' if alive else 'died'}. Candu accepted "
               f"{counted(accepted, 'message')} of it so far{not_taken}; the history has them {then}")
