"""The checks of a sync's assets: the guard between the changes and their push, and a look at what was set aside."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from dagster import AssetCheckResult, AssetCheckSeverity, AssetCheckSpec, AssetKey, MetadataValue

from candu_sync import ChangeSet, RunResult
from candu_sync.changes import LEAST_ROWS_FOR_RATIOS
from candu_sync.errors import GuardTripped
from candu_sync.operate import next_steps
from dagster_defs.markdown import fenced
from dagster_defs.metadata import Metadata

GUARD = "guard"
ROWS = "rows"
SET_ASIDE = "set_aside"

# The engine sets single rows aside, and sends the others. If that happens to most rows, the model is wrong.
_MOST_ASIDE = 0.5


def guard_spec(asset: AssetKey) -> AssetCheckSpec:
    """The check that keeps a push from running; a warning does not."""
    return AssetCheckSpec(GUARD, asset=asset, blocking=True, description=(
        "Stops the push when the changes are out of the ordinary: too few rows, too many changed, gone or to be sent, "
        "events that Candu probably has already. "
        "The limits are `guard` in the sync's YAML."))


def rows_spec(asset: AssetKey) -> AssetCheckSpec:
    """The check of keys and values; most of the time a warning."""
    return AssetCheckSpec(ROWS, asset=asset, blocking=True, description=(
        "Rows without a key, rows that share one, values that cannot be sent: they are invalid, the others go. "
        f"From {_MOST_ASIDE:.0%} of {LEAST_ROWS_FOR_RATIOS} rows or more on, it stops the push."))


def set_aside_spec(asset: AssetKey) -> AssetCheckSpec:
    """The check that warns of rows that were not sent."""
    return AssetCheckSpec(SET_ASIDE, asset=asset, description=(
        "Warns of rows that are invalid, or that Candu refused: they keep no other back."))


def guard_result(changes: ChangeSet, tripped: GuardTripped | None, *, force: bool, reason: str) -> AssetCheckResult:
    """Fails when a guard is tripped. It only warns when a person decided to pass the guard."""
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
    figures |= {"forced": MetadataValue.bool(True), "reason": MetadataValue.text(reason)}
    return AssetCheckResult(passed=False, severity=AssetCheckSeverity.WARN, check_name=GUARD, metadata=figures,
                            description=f"{why}. Forced past the guard: {reason}")


def rows_result(changes: ChangeSet, *, force: bool, reason: str) -> AssetCheckResult:
    """Warns of rows that are set aside. It fails when most rows are, unless a person decided to pass it."""
    summary = changes.summary
    share = summary.invalid / summary.rows if summary.rows else 0.0
    figures: Metadata = _partition(changes) | {"rows": MetadataValue.int(summary.rows)}
    for what in ("null key", "duplicate key"):
        count = summary.reasons.get(what, 0)
        figures |= {what: MetadataValue.int(count),
                    f"share of {what}s": MetadataValue.float(round(count / summary.rows, 4) if summary.rows else 0.0)}
    figures |= {what: MetadataValue.int(count) for what, count in summary.reasons.items()}
    if not summary.invalid:
        return AssetCheckResult(passed=True, check_name=ROWS, metadata=figures)
    counts_text = ", ".join(f"{what}: {count:,}" for what, count in summary.reasons.items())
    text = f"{summary.invalid:,} of {summary.rows:,} rows are invalid ({share:.1%}): {counts_text}."
    stops = share >= _MOST_ASIDE and summary.rows >= LEAST_ROWS_FOR_RATIOS and not force
    if force:
        figures |= {"forced": MetadataValue.bool(True), "reason": MetadataValue.text(reason)}
    if stops:
        text += (f" Nothing was sent. If the others are right, materialize candu/{changes.sync}: it sends them, and no "
                 "others.")
    return AssetCheckResult(passed=False, severity=AssetCheckSeverity.ERROR if stops else AssetCheckSeverity.WARN,
                            check_name=ROWS, description=text, metadata=figures)


def given_reason(tags: Mapping[str, str], reason: str) -> str:
    """Why a guard was passed, and by whom if the run's tags have it: Dagster+ has the user, a launch with
    ``--tags`` or an API client may give it."""
    return (reason or "no reason was given") + (f" ({tags['user']})" if tags.get("user") else "")


def set_aside_result(changes: ChangeSet, result: RunResult, refusals: Mapping[str, int]) -> AssetCheckResult:
    """Warns, with a count for each reason, when rows were set aside.

    Args:
        refusals: reason of a refusal, with Candu's words → rows.
    """
    counts = dict(changes.summary.reasons) | ({"refused by Candu": result.refused} if result.refused else {})
    found = _partition(changes) | {"rows": MetadataValue.int(result.invalid + result.refused)}
    found |= {reason: MetadataValue.int(count) for reason, count in counts.items()}
    if refusals:
        lines = [f"{count:,} × {reason}" for reason, count in refusals.items()]
        found["why Candu refused"] = MetadataValue.md(fenced("\n".join(lines)))
    counts_text = ", ".join(f"{reason}: {count:,}" for reason, count in counts.items())
    partition = "" if changes.partition is None else f" --partition {shlex.quote(changes.partition)}"
    steps = next_steps(f"{changes.sync}{partition}", invalid=result.invalid, refused=result.refused)
    text = ". ".join([counts_text, *steps]) if counts else None
    return AssetCheckResult(passed=not counts, severity=AssetCheckSeverity.WARN, check_name=SET_ASIDE,
                            description=text, metadata=found)


def _partition(changes: ChangeSet) -> Metadata:
    """Dagster shows a check's last result, of any partition: checks with partitions warn as a preview (1.13)."""
    return {} if changes.partition is None else {"partition": MetadataValue.text(changes.partition)}
