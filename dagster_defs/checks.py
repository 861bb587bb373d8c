"""The checks of a sync: the guard between the changes and their push, the findings, and what was set aside.

They are partitioned as the sync is, so that a good partition hides no bad one.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    MetadataValue,
    PreviewWarning,
    TableMetadataValue,
)

from candu_sync import ChangeSet, Sync
from candu_sync.changes import LEAST_ROWS_FOR_RATIOS, Summary, limits
from candu_sync.errors import GuardTripped
from candu_sync.naming import as_arguments
from candu_sync.operate import SetAside, next_steps
from candu_sync.settings import in_words
from dagster_defs.markdown import fenced
from dagster_defs.metadata import Metadata, shown_key, table
from dagster_defs.names import Names
from dagster_defs.oddities import ODDITIES
from dagster_defs.partitions import partitions_def

GUARD = "guard"
SET_ASIDE = "set_aside"

# The event log keeps every row of every run's table.
MOST_KEYS = 10

# If most rows are set aside, it is the model that is wrong, and the check is an error.
_MOST_ASIDE = 0.5


def check_specs(sync: Sync, names: Names) -> list[AssetCheckSpec]:
    """The checks of a sync's two assets."""
    changes, push = names.changes_key(sync.name), names.push_key(sync.name)
    return [
        _spec(sync, names, GUARD, changes, "Stops the push when the changes are out of the ordinary: too few rows, too "
              "many changed, gone, invalid or to be sent, events that Candu probably has already. The limits are "
              "`guard` in the sync's YAML.", blocking=True),
        _spec(sync, names, ODDITIES, changes, "Warns of traits whose names look like a typo or that another sync sends "
              "too, of ids that look like another, of changes that look like noise, of old events, and of events "
              "without a sync of users. All of it is sent as it is."),
        _spec(sync, names, SET_ASIDE, push, "Warns of rows that are invalid, or that Candu refused: they keep no other "
              "back. Up to `max_invalid` of the sync's `guard` it passes.")]


def _spec(sync: Sync, names: Names, name: str, asset: AssetKey, description: str, *,
          blocking: bool = False) -> AssetCheckSpec:
    # Dagster warns that partitions of checks are a preview, once for every sync; nothing else happens in this block.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PreviewWarning)
        return AssetCheckSpec(name, asset=asset, description=description, blocking=blocking,
                              partitions_def=partitions_def(sync.partitions, names))


def how_to_pass(sync: Sync, names: Names, stopped_by: GuardTripped) -> str:
    """Why a guard stopped a push, and what to do in Dagster if the changes are right."""
    return (f"{'; '.join(stopped_by.reasons)}. Nothing was sent. If this is what you want, launch "
            f"{names.job_name(sync.name)}, or materialize {names.push_key(sync.name).to_user_string()}, with "
            f"`allow: [{', '.join(stopped_by.guards)}]` and a `reason`")


def guard_result(sync: Sync, names: Names, changes: ChangeSet, tripped: GuardTripped | None,
                 stopped_by: GuardTripped | None, passed: str, reason: str) -> AssetCheckResult:
    """Fails when a guard is tripped, and only warns when a person decided to pass it.

    Args:
        stopped_by: those that the launch does not pass.
        passed: the guards that the launch passes, in words.
        reason: why it passes them.
    """
    summary, asset = changes.summary, names.changes_key(sync.name)
    figures: Metadata = _partition(changes) | {
        "limits": _limits(sync, summary, tripped.guards if tripped else ()),
        "rows": MetadataValue.int(summary.rows),
        "rows that Candu has": MetadataValue.int(summary.snapshot_rows),
        "messages": MetadataValue.int(summary.messages)}
    if tripped is None:
        return AssetCheckResult(asset_key=asset, passed=True, check_name=GUARD, metadata=figures)
    if stopped_by is not None:
        return AssetCheckResult(asset_key=asset, passed=False, check_name=GUARD, metadata=figures,
                                description=how_to_pass(sync, names, stopped_by))
    figures |= {"guards passed": MetadataValue.text(passed), "reason": MetadataValue.text(reason)}
    text = f"{'; '.join(tripped.reasons)}. Passed on request (guards: {passed}): {reason}"
    return AssetCheckResult(asset_key=asset, passed=False, severity=AssetCheckSeverity.WARN, check_name=GUARD,
                            metadata=figures, description=text)


def _limits(sync: Sync, summary: Summary, tripped: Sequence[str]) -> TableMetadataValue:
    over = {name.replace("_rows", "").replace("_", " ") for name in tripped}
    return table([{"figure": name, "found": found, "limit": limit, "verdict": "stops" if name in over else ""}
                  for name, (found, limit) in limits(sync, summary).items()])


def set_aside_result(sync: Sync, names: Names, changes: ChangeSet, refused: int, refusals: Mapping[str, int],
                     rows: Sequence[SetAside], reasons: Mapping[str, int] | None = None) -> AssetCheckResult:
    """Warns, with a count for each reason and some keys, when more rows were set aside than ``max_invalid`` lets pass.

    Args:
        refused: rows that Candu refused and that have not changed since.
        refusals: reason of a refusal, with Candu's words → rows.
        rows: some of them.
        reasons: reason → invalid rows; None: as the changes have them.
    """
    summary = changes.summary
    counts = dict(summary.reasons if reasons is None else reasons)
    invalid = sum(counts.values())
    counts |= ({"refused by Candu": refused} if refused else {})
    aside = invalid + refused
    rows_in_all = max(summary.rows, aside)
    share = aside / rows_in_all if rows_in_all else 0.0
    found = _partition(changes) | {"rows": MetadataValue.int(aside), "share": MetadataValue.float(round(share, 4))}
    found |= {reason: MetadataValue.int(count) for reason, count in counts.items()}
    if refusals:
        lines = [f"{count:,} × {reason}" for reason, count in refusals.items()]
        found["why Candu refused"] = MetadataValue.md(fenced("\n".join(lines)))
    if rows:
        found["some of them"] = table([_row(row) for row in rows])
    limit = sync.guard.max_invalid
    grave = share >= _MOST_ASIDE and summary.rows >= LEAST_ROWS_FOR_RATIOS and reasons is None
    return AssetCheckResult(
        asset_key=names.push_key(sync.name), check_name=SET_ASIDE,
        passed=not aside or (limit is not None and share <= limit),
        severity=AssetCheckSeverity.ERROR if grave else AssetCheckSeverity.WARN, metadata=found,
        description=(in_words(names.workspace, _sentences(changes, counts, invalid, refused, limit))
                     if counts else None))


def _sentences(changes: ChangeSet, counts: Mapping[str, int], invalid: int, refused: int,
               limit: float | None) -> str:
    sync = as_arguments(changes.sync, changes.partition)
    said = [", ".join(f"{reason}: {count:,}" for reason, count in counts.items())]
    if limit is not None:
        said.append(f"max_invalid lets {limit:.1%} of the rows pass")
    return ". ".join([*said, *next_steps(sync, invalid=invalid, refused=refused)])


def _row(row: SetAside) -> dict[str, str]:
    return {"key": shown_key(row.key), "what": row.outcome, "why": row.reason}


def _partition(changes: ChangeSet) -> Metadata:
    """For the results of a range, which Dagster records without a partition."""
    return {} if changes.partition is None else {"partition": MetadataValue.text(changes.partition)}
