"""A check of what is odd and goes as it is: names of traits, against Candu's own and those of other syncs, ids that
look like another, changes that look like noise, events that Candu will take for new ones.

Candu takes any name: a misspelt trait is a second one beside the right one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    DagsterInstance,
    MetadataValue,
    TableSchema,
)

from candu_sync import ChangeSet
from candu_sync.operate import NO_USERS, given_traits, odd_changes, two_senders
from candu_sync.syncs import Sync
from dagster_defs.metadata import COLUMNS

ODDITIES = "oddities"

def oddities_spec(asset: AssetKey) -> AssetCheckSpec:
    """The check of what is odd; it stops nothing."""
    return AssetCheckSpec(ODDITIES, asset=asset, description=(
        "Warns of traits whose names look like a typo or that another sync sends too, of ids that look like another, "
        "of changes that look like noise, of old events, and of events without a sync of users. All of it goes as it "
        "is."))


def oddities_result(sync: Sync, changes: ChangeSet, others: Mapping[str, Sequence[str]], *, users: bool,
                    now: dt.datetime | None = None) -> AssetCheckResult:
    """Warns with a sentence for each oddity.

    Args:
        others: sync → its traits, for the other syncs of the same kind.
        users: whether there is a sync of users.
        now: aware; None: now.
    """
    odd = [*odd_changes(sync, changes, now or dt.datetime.now(dt.UTC)), *two_senders(given_traits(changes), others)]
    found = [*(oddity.sentence for oddity in odd), *([] if users else [NO_USERS])]
    grave = any(oddity.severity == "error" for oddity in odd)
    metadata = {} if changes.partition is None else {"partition": MetadataValue.text(changes.partition)}
    return AssetCheckResult(passed=not found, check_name=ODDITIES, metadata=metadata,
                            severity=AssetCheckSeverity.ERROR if grave else AssetCheckSeverity.WARN,
                            description="\n\n".join(found) or None)


def others_traits(instance: DagsterInstance, syncs: Sequence[str]) -> dict[str, list[str]]:
    """Sync → the traits that its changes had when they were last materialized; syncs that never were are left out."""
    keys = {AssetKey(["changes", *name.split("/")]): name for name in syncs}
    found = {}
    for record in instance.get_asset_records(list(keys)) if keys else ():
        entry = record.asset_entry.last_materialization
        event = entry.asset_materialization if entry is not None else None
        schema = event.metadata.get(COLUMNS) if event is not None else None
        if schema is not None and isinstance(schema.value, TableSchema):
            found[keys[record.asset_entry.asset_key]] = [column.name for column in schema.value.columns]
    return found
