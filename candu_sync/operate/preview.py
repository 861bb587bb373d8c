"""Some rows of a plan, for a person who looks at it: on the command line and in Dagster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from candu_sync.changes import INVALID, SORTS, ChangeSet, example_rows
from candu_sync.target import Target


def preview_rows(target: Target, changes: ChangeSet, *, staged: bool, sorts: Sequence[str] = SORTS, limit: int = 5,
                 values: bool = False) -> list[dict[str, Any]]:
    """The first rows of each sort, as ``changes.example_rows`` gives them; none where there is nothing to do.

    Args:
        staged: the changes are in the state, with their invalid rows; otherwise those are in the changes' folder.
        sorts, limit, values: as ``example_rows`` takes them.

    Example:
        >>> from candu_sync import plan
        >>> target = Target(project, sync)
        >>> [row["traits"] for row in preview_rows(target, plan(target, keep=False), staged=False, limit=1)]
        [['plan']]
    """
    if changes.folder is None:
        return []
    invalid: Path | None = changes.file(INVALID)
    if staged and not changes.keys:
        invalid = target.state.store.local(target.state.name(INVALID))
    return example_rows(changes, invalid if invalid and invalid.exists() else None, target.project.engine,
                        target.project.message_namespace, sorts=sorts, limit=limit, values=values)
