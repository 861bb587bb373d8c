"""A check that shows the findings about a sync, as ``candu-sync plan`` shows them (docs/findings.md)."""

from __future__ import annotations

from collections.abc import Sequence

from dagster import AssetCheckResult, AssetCheckSeverity, MetadataValue

from candu_sync import ChangeSet, Sync
from candu_sync.operate import Finding
from dagster_defs.metadata import Metadata, table
from dagster_defs.names import Names

ODDITIES = "oddities"

# The event log keeps every row of every run's table.
_MOST_LISTED = 50


def oddities_result(sync: Sync, names: Names, changes: ChangeSet, findings: Sequence[Finding]) -> AssetCheckResult:
    """The findings about a change set: their sentences as the description, their codes in a table."""
    metadata: Metadata = {}
    if changes.partition is not None:
        metadata["partition"] = MetadataValue.text(changes.partition)
    if findings:
        metadata["findings"] = table([{"code": found.code, "severity": found.severity, "column": found.column or "",
                                       "finding": found.sentence, "what to do": found.advice}
                                      for found in findings[:_MOST_LISTED]])
    grave = any(found.severity == "error" for found in findings)
    return AssetCheckResult(asset_key=names.changes_key(sync.name), passed=not findings, check_name=ODDITIES,
                            metadata=metadata,
                            severity=AssetCheckSeverity.ERROR if grave else AssetCheckSeverity.WARN,
                            description="\n\n".join(found.text for found in findings) or None)
