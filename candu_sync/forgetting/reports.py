"""A person leaves the report tables, and the results of runs that wait for them."""

from __future__ import annotations

from collections.abc import Mapping

from candu_sync.errors import Claimed, SettingsError, WarehouseError
from candu_sync.forgetting.keys import keys_of
from candu_sync.forgetting.partition import Removed
from candu_sync.forgetting.sentences import without_id
from candu_sync.history import change_unreported
from candu_sync.project import Project
from candu_sync.syncs import Sync

WHERE = "report tables"


def leave_reports(project: Project, syncs: Mapping[str, Sync], user_id: str) -> tuple[list[Removed], list[str]]:
    """Remove a person from the report tables. The person has left the ledger: no report adds a row again.

    Args:
        syncs: also those that have only a state.

    Returns:
        What was removed, and a sentence for each thing that could not be done.

    Raises:
        StateError: the state cannot be read or written.
    """
    change_unreported(project.state, lambda result: without_id(result, user_id))
    schemas = project.report_schemas(syncs.values())
    tests = {name: keys_of(sync, user_id).name for name, sync in syncs.items()}
    try:
        gone = project.reports.forget(schemas, user_id, tests) if schemas else {}
    except (Claimed, WarehouseError, SettingsError) as error:
        return [], [f"the report tables still have what they had of the person: {error}"]
    return [Removed(sync, None, WHERE, count) for sync, count in sorted(gone.items()) if count], []
