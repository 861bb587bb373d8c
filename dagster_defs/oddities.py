"""A check that shows the findings about a sync, as ``candu-sync plan`` shows them (docs/findings.md)."""

from __future__ import annotations

from collections.abc import Sequence

from dagster import AssetCheckResult, AssetCheckSeverity, AssetCheckSpec, AssetKey, MetadataValue

from candu_sync import ChangeSet
from candu_sync.operate import Finding
from dagster_defs.metadata import Metadata, table

ODDITIES = "oddities"

# The event log keeps every row of every run's table.
_MOST_LISTED = 50


def oddities_spec(asset: AssetKey) -> AssetCheckSpec:
    """The check of the findings; it stops nothing."""
    return AssetCheckSpec(ODDITIES, asset=asset, description=(
        "Warns of traits whose names look like a typo or that another sync sends too, of ids that look like another, "
        "of changes that look like noise, of old events, and of events without a sync of users. All of it is sent as "
        "it is."))


def oddities_result(changes: ChangeSet, findings: Sequence[Finding]) -> AssetCheckResult:
    """The findings about a change set: their sentences as the description, their codes in a table."""
    metadata: Metadata = {}
    if changes.partition is not None:
        metadata["partition"] = MetadataValue.text(changes.partition)
    if findings:
        metadata["findings"] = table([{"code": found.code, "severity": found.severity, "column": found.column or "",
                                       "finding": found.sentence, "what to do": found.advice}
                                      for found in findings[:_MOST_LISTED]])
    grave = any(found.severity == "error" for found in findings)
    return AssetCheckResult(passed=not findings, check_name=ODDITIES, metadata=metadata,
                            severity=AssetCheckSeverity.ERROR if grave else AssetCheckSeverity.WARN,
                            description="\n\n".join(found.text for found in findings) or None)
