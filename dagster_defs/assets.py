"""A sync's two assets: ``changes/<kind>/<name>`` stages what would be sent, ``candu/<kind>/<name>`` sends it.

The first alone is a preview. The second alone sends exactly what was looked at, or refuses it as stale; where nothing
was staged, it plans first. In one run the guard is between them.
"""

# Annotations are evaluated here: Dagster reads the classes of a context, a config and a resource from them.
from collections.abc import Iterator, Sequence
from pathlib import Path

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetDep,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    Config,
    MaterializeResult,
    MetadataValue,
    RetryPolicy,
    multi_asset,
)
from pydantic import Field

from candu_sync import (
    Catalog,
    ChangeSet,
    Project,
    RunResult,
    Sync,
    Target,
    guard,
    note_stopped,
    plan,
    push,
    push_staged,
)
from candu_sync.changes import anything_staged
from candu_sync.errors import SpecError
from candu_sync.operate import OtherSyncs, findings_of, why_refused
from dagster_defs.automation import changes_condition, push_condition
from dagster_defs.checks import (
    given_reason,
    guard_result,
    guard_spec,
    rows_result,
    rows_spec,
    set_aside_result,
    set_aside_spec,
)
from dagster_defs.dbt import lineage_metadata
from dagster_defs.failures import RETRIES, fail, failures
from dagster_defs.freshness import freshness_policy
from dagster_defs.lasting import opened
from dagster_defs.markdown import as_text, fenced
from dagster_defs.metadata import Metadata, changes_metadata, push_metadata
from dagster_defs.oddities import oddities_result, oddities_spec
from dagster_defs.outlook import estimates, ratios
from dagster_defs.partitions import partitions_def
from dagster_defs.progress import log_progress, warnings_in
from dagster_defs.ranges import backfill_policy, in_one, partitions_of, per_partition
from dagster_defs.resources import CanduSyncResource
from dagster_defs.source import code_references, code_version, warehouse_kind

# Users are sent first, then groups, then events. A run does its steps one by one, those of higher priority first.
_PRIORITY = {"users": "2", "groups": "1", "events": "0"}


class ChangesConfig(Config):
    """What a person can set in the launchpad for the changes."""

    force: bool = Field(default=False, description="Let these changes past the guard, here and when they are pushed.")
    full: bool = Field(default=False, description="Send every row, whole; not only what changed.")
    reason: str = Field(default="", description="Why the guard is passed by; kept with the check.")


class PushConfig(Config):
    """What a person can set in the launchpad for the push."""

    force: bool = Field(default=False, description="Send the staged changes even if they trip the guard.")
    reason: str = Field(default="", description="Why the guard is passed by; kept with the run.")
    new_key: bool = Field(default=False, description="CANDU_API_KEY was replaced by another key of the same workspace.")


def changes_key(sync: str) -> AssetKey:
    """``users/profile`` → ``changes/users/profile``."""
    return AssetKey(["changes", *sync.split("/")])


def push_key(sync: str) -> AssetKey:
    """``users/profile`` → ``candu/users/profile``."""
    return AssetKey(["candu", *sync.split("/")])


def build_sync_assets(sync: Sync, *, retries: RetryPolicy = RETRIES, changes: AssetSpec | None = None,
                      push: AssetSpec | None = None, beside: Catalog | None = None) -> list[AssetsDefinition]:
    """The two assets of a sync, with their checks.

    Args:
        retries: only for errors that may pass by themselves.
        changes, push: the specs of the two assets, in place of ``changes_spec`` and ``push_spec``; with the same keys.
        beside: the project's syncs, whose traits are compared with those of this one; None: there is no other.
    """
    return [_changes_asset(sync, changes or changes_spec(sync), retries, beside or Catalog({sync.name: sync}, ())),
            _push_asset(sync, push or push_spec(sync), retries)]


def changes_spec(sync: Sync) -> AssetSpec:
    """The spec of the changes: what Dagster's pages show of them."""
    about = f"{as_text(sync.description)}\n\n" if sync.description else ""
    return AssetSpec(
        changes_key(sync.name), deps=[AssetDep(dep.split("/")) for dep in sync.deps],
        description=f"{about}What differs between the model and what Candu has. Materialize it alone for a preview: "
        "nothing is sent.",
        group_name=sync.kind, owners=sync.owners, tags=sync.tags, kinds={"sql", *warehouse_kind()},
        code_version=code_version(sync),
        partitions_def=partitions_def(sync.partitions), automation_condition=changes_condition(sync),
        metadata={"model": MetadataValue.md(fenced(sync.sql, "sql")), **code_references(sync.path)})


def push_spec(sync: Sync) -> AssetSpec:
    """The spec of the push: what Dagster's pages show of it."""
    about = f"{as_text(sync.description)}\n\n" if sync.description else ""
    return AssetSpec(
        push_key(sync.name), deps=[changes_key(sync.name)],
        description=f"{about}What Candu has accepted. Materialize it alone to send the changes that were staged and "
        "looked at, or, where none were staged, to plan and push.",
        group_name=sync.kind, owners=sync.owners, tags=sync.tags, kinds={"candu"},
        code_version=code_version(sync),
        partitions_def=partitions_def(sync.partitions), automation_condition=push_condition(sync),
        freshness_policy=freshness_policy(sync), metadata=code_references(sync.path))


def _changes_asset(sync: Sync, spec: AssetSpec, retries: RetryPolicy, beside: Catalog) -> AssetsDefinition:
    @multi_asset(name=_op_name(spec.key), specs=[spec],
                 check_specs=[guard_spec(spec.key), rows_spec(spec.key), oddities_spec(spec.key)],
                 backfill_policy=backfill_policy(), pool=_pool(sync), op_tags=_op_tags(sync))
    def changes_asset(context: AssetExecutionContext, config: ChangesConfig,
                      candu_sync: CanduSyncResource) -> Iterator[MaterializeResult[None]]:
        reason = given_reason(context.run.tags, config.reason)
        checks = []
        with per_partition(context, spec.key) as note:
            for partition in partitions_of(context, sync):
                with failures(context, retries), warnings_in(context.log), opened(context, candu_sync) as project:
                    target = project.target(sync, partition)
                    changes = plan(target, full=config.full, force=config.force, progress=log_progress(context.log))
                    tripped = guard(target, changes)
                    if tripped is not None and not config.force and _is_pushed(context, sync):
                        note_stopped(target, changes, tripped)
                    findings = findings_of(target, changes, OtherSyncs(project, beside))
                    settings = project.settings
                outlook = ratios(changes, context.instance, spec.key) | estimates(changes, settings)
                note(partition, changes_metadata(changes, outlook)
                     | lineage_metadata(sync, changes, settings.dbt_manifest))
                checks.append((
                    guard_result(changes, tripped, force=config.force, reason=reason),
                    rows_result(changes, force=config.force, reason=reason),
                    oddities_result(changes, findings)))
        yield MaterializeResult(asset_key=spec.key,
                                check_results=[in_one(results) for results in zip(*checks, strict=True)])

    return changes_asset


def _is_pushed(context: AssetExecutionContext, sync: Sync) -> bool:
    """Whether the push is part of this run too: then a guard that stops it is how the run ended."""
    return push_key(sync.name) in context.job_def.asset_layer.selected_asset_keys


def _push_asset(sync: Sync, spec: AssetSpec, retries: RetryPolicy) -> AssetsDefinition:
    @multi_asset(name=_op_name(spec.key), specs=[spec], check_specs=[set_aside_spec(spec.key)],
                 backfill_policy=backfill_policy(), pool=_pool(sync), op_tags=_op_tags(sync))
    def push_asset(context: AssetExecutionContext, config: PushConfig,
                   candu_sync: CanduSyncResource) -> Iterator[AssetCheckResult | MaterializeResult[None]]:
        partitions = partitions_of(context, sync)
        # A second try would plan again for the partitions that the first one has pushed.
        tries = retries if len(partitions) == 1 else None
        checks = []
        with per_partition(context, spec.key) as note:
            for partition in partitions:
                with (failures(context, tries, stale_hint=f"in Dagster: materialize changes/{sync.name}"),
                      warnings_in(context.log), opened(context, candu_sync) as project):
                    changes, result, metadata = _pushed(context, config, project, sync, partition)
                    refusals = why_refused(Target(project, sync, partition)) if result.refused else {}
                if result.status == "guarded":
                    fail(f"{result.error} (in Dagster: materialize candu/{sync.name} with `force: true`)", context)
                checks.append(set_aside_result(changes, result, refusals))
                if result.error is not None:
                    yield in_one(checks)
                    fail(result.error, context, tries if result.transient else None, metadata=metadata)
                note(partition, metadata)
        yield in_one(checks)
        yield MaterializeResult(asset_key=spec.key)

    return push_asset


def _pushed(context: AssetExecutionContext, config: PushConfig, project: Project, sync: Sync,
            partition: str | None) -> tuple[ChangeSet, RunResult, Metadata]:
    """Push the staged changes of a partition, or, where there are none, plan and push: the changes, the result, the
    metadata."""
    project.settings.require_api_key()
    project.new_key = config.new_key
    target, progress = Target(project, sync, partition), log_progress(context.log)
    if anything_staged(target.state):
        changes, result = push_staged(target, force=config.force, progress=progress)
    else:
        # For a plan the warehouse may be asked whether the partition has ended; a staged change set needs no warehouse.
        target = project.target(sync, partition)
        changes = plan(target, progress=progress)
        rows_check = rows_result(changes, force=config.force, reason="")
        if not rows_check.passed and rows_check.severity == AssetCheckSeverity.ERROR:
            fail(f"{target.name}: {rows_check.description}", context)
        result = push(target, changes, force=config.force, progress=progress)
    rows = target.state.current().rows
    metadata = push_metadata(result) | {"dagster/row_count": MetadataValue.int(rows)}
    if config.force:
        metadata["forced"] = MetadataValue.text(given_reason(context.run.tags, config.reason))
    return changes, result, metadata


def build_broken_asset(name: str, errors: Sequence[SpecError]) -> AssetsDefinition:
    """An asset in the place of a sync whose files are wrong. Its page shows the errors, and its run fails with them.

    Args:
        name: parts of letters, digits and _, with / between them: Dagster takes no others.
    """
    sentences = "\n".join(str(error) for error in errors)
    spec = AssetSpec(changes_key(name), description=f"This sync cannot be read:\n\n{fenced(sentences)}",
                     group_name="broken", kinds={"sql"}, metadata=code_references(Path(errors[0].path)))

    @multi_asset(name=_op_name(spec.key), specs=[spec])
    def broken_asset(context: AssetExecutionContext) -> None:
        fail(sentences, context)

    return broken_asset


def _op_name(key: AssetKey) -> str:
    return "__".join(key.path)


def _pool(sync: Sync) -> str:
    return f"candu_sync/{sync.name}"


def _op_tags(sync: Sync) -> dict[str, str]:
    return {"dagster/priority": _PRIORITY[sync.kind]}
