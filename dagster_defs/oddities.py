"""A check of what is odd and goes as it is: names of traits, against Candu's own and those of other syncs, ids that
look like another, changes that look like noise, events that Candu will take for new ones.

Candu takes any name: a misspelt trait is a second one beside the right one.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

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
from candu_sync.changes import noise_notes
from candu_sync.syncs import Sync, split, window
from dagster_defs.metadata import COLUMNS

ODDITIES = "oddities"

# A window that is run on the day after it ended, and again after a weekend's outage, is a normal one.
_LATE = dt.timedelta(days=2)


def oddities_spec(asset: AssetKey) -> AssetCheckSpec:
    """The check of what is odd; always a warning."""
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
    found = [*_alike(changes), *_twice(changes, others), *_ids(changes), *noise_notes(changes.summary),
             *_late(sync, changes, now or dt.datetime.now(dt.UTC))]
    if not users:
        found.append("there is no sync of users: Candu builds segments from the traits of users, events alone are not "
                     "enough")
    told = {} if changes.partition is None else {"partition": MetadataValue.text(changes.partition)}
    return AssetCheckResult(passed=not found, severity=AssetCheckSeverity.WARN, check_name=ODDITIES, metadata=told,
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


def traits_of(changes: ChangeSet) -> list[str]:
    """The names of the traits that the model gives."""
    return list(dict.fromkeys(t.name for t in changes.traits if t.name not in changes.summary.gone_traits))


def _alike(changes: ChangeSet) -> Iterator[str]:
    names: dict[str, list[str]] = defaultdict(list)
    for name in traits_of(changes):
        names["".join(name.casefold().split())].append(name)
        if name != name.strip():
            yield f"the trait {name!r} begins or ends with a space"
    for plain, group in names.items():
        if len(group) > 1:
            yield f"the traits {' and '.join(map(repr, group))} differ by upper and lower case or spaces only"
        elif plain == "email" and group[0].strip() != "email" and changes.kind == "users":
            yield f"the trait {group[0]} is not Candu's email, which is all lowercase: `rename: {{{group[0]}: email}}`"


def _twice(changes: ChangeSet, others: Mapping[str, Sequence[str]]) -> Iterator[str]:
    mine = traits_of(changes)
    for sync, traits in others.items():
        both = [name for name in mine if name in traits]
        if both:
            yield (f"{sync} sends {', '.join(both)} too: the last to run wins. Leave it in one, `omit` or `rename` it "
                   "in the other")


def _ids(changes: ChangeSet) -> Iterator[str]:
    odd = changes.summary.odd_ids
    if "stray spaces" in odd:
        yield f"{odd['stray spaces']:,} ids begin or end with a space: Candu takes them for others than those without"
    if "upper and lower case" in odd:
        yield (f"{odd['upper and lower case']:,} ids differ from another by upper and lower case only: Candu takes "
               "each for another")


def _late(sync: Sync, changes: ChangeSet, now: dt.datetime) -> Iterator[str]:
    if sync.kind != "events" or sync.partitions is None or changes.partition is None:
        return
    start, _ = split(sync.partitions, changes.partition)
    if start is None:
        return
    ended = window(sync.partitions, start).end
    if changes.summary.added and now - ended > _LATE:
        yield (f"this window ended {(now - ended).days:,} days ago: its {changes.summary.added:,} events go with their "
               "own timestamps, and Candu counts events from their arrival: segments and conditions take them for new")
