"""The checks of a sync's assets: the guard between the changes and their push, and a look at what was set aside."""

from __future__ import annotations

from dagster import AssetCheckResult, AssetCheckSeverity, AssetCheckSpec, AssetKey, MetadataValue

from candu_sync.changes import ChangeSet
from candu_sync.errors import GuardTripped
from candu_sync.report import RunResult
from dagster_defs.metadata import Metadata

GUARD = "guard"
SET_ASIDE = "set_aside"


def guard_spec(asset: AssetKey) -> AssetCheckSpec:
    """The check that keeps a push from running; a warning does not."""
    return AssetCheckSpec(GUARD, asset=asset, blocking=True, description=(
        "Stops the push when the changes are out of the ordinary: too few rows, too many changed, gone or to be sent. "
        "The limits are `guard` in the sync's YAML."))


def set_aside_spec(asset: AssetKey) -> AssetCheckSpec:
    """The check that warns of rows that were not sent."""
    return AssetCheckSpec(SET_ASIDE, asset=asset, description=(
        "Warns of rows that could not be sent, or that Candu refused. All others went."))


def guard_result(changes: ChangeSet, tripped: GuardTripped | None, *, force: bool, reason: str) -> AssetCheckResult:
    """Fails when a guard is tripped; warns when that is so and a person said to go on all the same."""
    figures: Metadata = _partition(changes) | {
        "rows": MetadataValue.int(changes.summary.rows),
        "rows that Candu has": MetadataValue.int(changes.summary.snapshot_rows),
        "messages": MetadataValue.int(changes.summary.messages),
    }
    if tripped is None:
        return AssetCheckResult(passed=True, check_name=GUARD, metadata=figures)
    why = "; ".join(tripped.reasons)
    if not force:
        text = (f"{why}. Nothing was sent. If this is what you want, materialize candu/{changes.sync} with "
                "`force: true`: it sends these changes and no others.")
        return AssetCheckResult(passed=False, check_name=GUARD, description=text, metadata=figures)
    figures |= {"forced": MetadataValue.bool(True), "reason": MetadataValue.text(reason or "none was given")}
    return AssetCheckResult(passed=False, severity=AssetCheckSeverity.WARN, check_name=GUARD, metadata=figures,
                            description=f"{why}. Forced past the guard: {reason or 'no reason was given'}")


def set_aside_result(changes: ChangeSet, result: RunResult) -> AssetCheckResult:
    """Warns, with a count for each reason, when rows were set aside."""
    counts = dict(changes.summary.reasons) | ({"refused by Candu": result.rejected} if result.rejected else {})
    found = _partition(changes) | {"rows": MetadataValue.int(result.invalid + result.rejected)}
    found |= {reason: MetadataValue.int(count) for reason, count in counts.items()}
    told = ", ".join(f"{reason}: {count:,}" for reason, count in counts.items())
    partition = "" if changes.partition is None else f" --partition {changes.partition}"
    text = f"{told}. The rows are listed by `candu-sync rejected {changes.sync}{partition}`" if counts else None
    return AssetCheckResult(passed=not counts, severity=AssetCheckSeverity.WARN, check_name=SET_ASIDE,
                            description=text, metadata=found)


def _partition(changes: ChangeSet) -> Metadata:
    """Dagster shows a check's last result, of whatever partition: checks with partitions warn as a preview (1.13)."""
    return {} if changes.partition is None else {"partition": MetadataValue.text(changes.partition)}
