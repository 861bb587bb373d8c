"""A check of a sync of users with ``ids``: are the ids that Candu sees in browsers those that it sends?

It is a step of its own, after the push, once for all partitions. Dagster plots the metadata of assets, and lists that
of checks: so the numbers are also an observation of the push.
"""

# Annotations are evaluated here: Dagster reads the class of the context from them.
from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetObservation,
    AutomationCondition,
    MetadataValue,
    asset_check,
)

from candu_sync import Sync
from candu_sync.operate import Finding, compared_ids, ids_sentence
from candu_sync.seen_ids import WAYS, Comparison
from dagster_defs.failures import failures
from dagster_defs.lasting import opened
from dagster_defs.metadata import Metadata, table
from dagster_defs.names import ALONE, Names

IDS = "ids"


def build_ids_check(sync: Sync, names: Names = ALONE) -> AssetChecksDefinition | None:
    """The check of a sync; None: its YAML has no ``ids``."""
    if sync.ids is None:
        return None
    asset = names.push_key(sync.name)
    with_push = AutomationCondition.any_deps_match(AutomationCondition.will_be_requested()).with_label("with its push")
    # Of a partitioned sync it would be in another run than the push, which may begin later.
    automated = sync.automation == "on_upstream" and sync.partitions is None

    @asset_check(asset=asset, name=IDS, required_resource_keys={names.resource_key},
                 automation_condition=with_push if automated else None,
                 description="Warns where fewer than nine of ten ids that Candu sees in browsers are ids that it "
                 "accepted, letter for letter, and says in which way the others differ (`ids` in the sync's YAML).")
    def ids_check(context: AssetCheckExecutionContext) -> AssetCheckResult:
        run = context.op_execution_context
        with (failures(run, None, stale_hint="", workspace=names.workspace),
              opened(run, getattr(context.resources, names.resource_key)) as project):
            found, findings = compared_ids(project, sync)
        numbers = _numbers(found) if found is not None else {}
        if numbers:
            run.log_event(AssetObservation(asset, metadata={f"{IDS}: {name}": value
                                                            for name, value in numbers.items()}))
        return AssetCheckResult(passed=not findings, severity=AssetCheckSeverity.WARN,
                                metadata=numbers | _listed(found), description=_described(found, findings))

    return ids_check


def _numbers(found: Comparison) -> Metadata:
    counts = dict.fromkeys(WAYS, 0) | {one.way: one.count for one in found.differences}
    return {"seen": MetadataValue.int(found.seen), "given": MetadataValue.int(found.given),
            "equal": MetadataValue.int(found.equal), "share": MetadataValue.float(round(found.share, 4)),
            **{name: MetadataValue.int(count) for name, count in counts.items()},
            "unknown": MetadataValue.int(found.unknown)}


def _listed(found: Comparison | None) -> Metadata:
    if found is None or not found.differences:
        return {}
    return {"how they differ": table([
        {"way": one.way, "ids": f"{one.count:,}", "seen and given": ", ".join(" / ".join(two) for two in one.examples),
         "what mends it": one.sql or "", "mends": f"{one.mends:,}"} for one in found.differences])}


def _described(found: Comparison | None, findings: list[Finding]) -> str:
    if findings:
        return "\n\n".join(one.text for one in findings)
    return "Candu has accepted no ids yet: there is nothing to compare." if found is None else ids_sentence(found)
