"""What Dagster is shown of a partition: metadata of its changes and its push, and the results of its checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from dagster import AssetCheckResult, AssetExecutionContext, MetadataValue

from candu_sync import Catalog, ChangeSet, RunResult, Target
from candu_sync.errors import GuardTripped
from candu_sync.history import first_rows
from candu_sync.operate import OtherSyncs, findings_of, preview_rows, set_aside, why_refused
from dagster_defs.checks import MOST_KEYS, guard_result, set_aside_result
from dagster_defs.dbt import lineage_metadata
from dagster_defs.launch import Launch
from dagster_defs.metadata import Metadata, changes_metadata, history_rows, push_metadata
from dagster_defs.names import Names
from dagster_defs.oddities import oddities_result
from dagster_defs.outlook import estimate, ratios


@lru_cache(maxsize=8)
def _known_traits(_run_id: str, _kind: str) -> dict[str, list[str]]:
    """The traits of the other syncs of a kind, which this process has read in this run. Twenty syncs would otherwise
    read each of the others' state twenty times."""
    return {}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Of one partition.

    Attributes:
        beside: the project's syncs, whose traits are compared with those of this one.
    """

    target: Target
    found: ChangeSet
    launch: Launch
    context: AssetExecutionContext
    beside: Catalog
    names: Names

    def of_changes(self, tripped: GuardTripped | None) -> Metadata:
        """The metadata of the changes.

        Args:
            tripped: what the guard has against them, whether the launch lets them pass or not.
        """
        sync, settings = self.target.sync, self.target.project.settings
        asset = self.names.changes_key(sync.name)
        outlook = ratios(self.found, self.context.instance, asset) | estimate(self.found, self.target)
        if tripped is not None:
            outlook["guard"] = MetadataValue.text("; ".join(tripped.reasons))
        show = self.launch.values or sync.preview != "none"
        invalid = (preview_rows(self.target, self.found, staged=True, sorts=["invalid"], values=self.launch.values)
                   if show else [])
        kept = self.target.project.state.file_of(sync.name, "lineage.json")
        return (changes_metadata(self.found, outlook, invalid, self.names.workspace)
                | lineage_metadata(sync, self.found, settings.dbt_manifest, kept))

    def of_push(self, result: RunResult, tripped: Collection[str] = ()) -> Metadata:
        """The metadata of the push.

        Args:
            tripped: the guards that were in its way.
        """
        rows = self.target.state.current().rows
        metadata = push_metadata(result, self.names.workspace) | {"dagster/row_count": MetadataValue.int(rows)}
        if result.accepted or result.refused:
            first = first_rows(self.target.state, result.run_id, MOST_KEYS)
            metadata |= {"first rows": history_rows(first, values=self.launch.values)} if first else {}
        if passed := self.launch.passed(tripped):
            metadata["guards passed"] = MetadataValue.text(f"{passed}: {self._why()}")
        return metadata

    def checks_of_changes(self, tripped: GuardTripped | None, stopped_by: GuardTripped | None,
                          ) -> Sequence[AssetCheckResult]:
        """The guard and the findings.

        Args:
            tripped: as ``of_changes`` takes it.
            stopped_by: what of it the launch does not let pass.
        """
        sync = self.target.sync
        known = _known_traits(self.context.run_id, sync.name.partition("/")[0])
        findings = findings_of(self.target, self.found, OtherSyncs(self.target.project, self.beside, known))
        # This sync's may be others from now on: the next sync reads them again.
        known.pop(sync.name, None)
        passed = self.launch.passed(tripped.guards if tripped else ())
        return [guard_result(sync, self.names, self.found, tripped, stopped_by, passed, self._why()),
                oddities_result(sync, self.names, self.found, findings)]

    def check_of_push(self, result: RunResult | None = None) -> AssetCheckResult:
        """The check of the rows that were set aside.

        Args:
            result: of the push; None: there was none.
        """
        sync, summary = self.target.sync, self.found.summary
        refused = summary.held if result is None else result.refused
        if self.found.keys:
            # A run of some keys knows nothing of the other rows: what the state has of them counts.
            aside = set_aside(self.target)
            return set_aside_result(sync, self.names, self.found, sum(row.outcome == "refused" for row in aside),
                                    why_refused(self.target), aside[:MOST_KEYS],
                                    Counter(row.reason for row in aside if row.outcome == "invalid"))
        return set_aside_result(sync, self.names, self.found, refused, why_refused(self.target) if refused else {},
                                set_aside(self.target, most=MOST_KEYS) if refused or summary.invalid else [])

    def _why(self) -> str:
        return self.launch.why(self.context.run.tags)
