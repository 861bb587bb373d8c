"""A sync's two assets, made by one op: ``candu/<kind>/<name>_changes`` stages what would be sent, and
``candu/<kind>/<name>`` sends it.

The first alone is a preview. The second alone sends exactly what was looked at, or refuses it as stale; where nothing
was staged, it plans first. In one run the guard is between them.
"""

# Annotations are evaluated here: Dagster reads the class of a configuration from them.
from collections.abc import Iterator, Sequence
from pathlib import Path

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    RetryPolicy,
    multi_asset,
)

from candu_sync import Catalog, Sync
from candu_sync.errors import SpecError
from dagster_defs.checks import check_specs
from dagster_defs.each_partition import EachPartition, in_turn
from dagster_defs.failures import RETRIES, fail
from dagster_defs.launch import Launch
from dagster_defs.markdown import fenced
from dagster_defs.names import ALONE, PRIORITIES, PRIORITY_TAG, Names
from dagster_defs.ranges import backfill_policy
from dagster_defs.run_tags import tag_syncs
from dagster_defs.source import code_references
from dagster_defs.specs import changes_spec, push_spec
from dagster_defs.sync_run import Event, SyncRun


def build_sync_assets(sync: Sync, names: Names = ALONE, *, retries: RetryPolicy = RETRIES,
                      changes: AssetSpec | None = None, push: AssetSpec | None = None,
                      beside: Catalog | None = None) -> AssetsDefinition:
    """The two assets of a sync, with their checks. They need a ``CanduSyncResource`` under ``names.resource_key``.

    Args:
        names: of the sync's workspace.
        retries: only for errors that may pass by themselves.
        changes, push: the specs of the two assets, in place of ``changes_spec`` and ``push_spec``; with the same keys.
        beside: the project's syncs, whose traits are compared with those of this one; None: there is no other.
    """
    specs = [changes or changes_spec(sync, names), push or push_spec(sync, names)]
    beside = beside or Catalog({sync.name: sync}, ())

    @multi_asset(name=names.op_name(sync.name), specs=specs, check_specs=check_specs(sync, names), can_subset=True,
                 backfill_policy=backfill_policy(sync), pool=_pool(sync, names),
                 required_resource_keys={names.resource_key},
                 op_tags={PRIORITY_TAG: PRIORITIES[sync.kind]})
    def sync_assets(context: AssetExecutionContext, config: Launch) -> Iterator[Event]:
        tag_syncs(context, names, sync.name, beside.syncs)
        resource = getattr(context.resources, names.resource_key)
        run = EachPartition if in_turn(context, sync) else SyncRun
        yield from run(sync=sync, context=context, launch=config, resource=resource, retries=retries, beside=beside,
                       names=names).events()

    return sync_assets


def _pool(sync: Sync, names: Names) -> str | None:
    """The pool in which runs of one sync wait for each other; None: its partitions may be pushed side by side, since
    each has a claim of its own, and no row of one is ever in another."""
    return None if _apart(sync) else f"candu_sync/{names.label(sync.name)}"


def _apart(sync: Sync) -> bool:
    """Whether partitions do not depend on each other's order. A user who is in several windows must have the values of
    the last one, and one who moves to another segment must not end with the constants of ``removed``."""
    parts = sync.partitions
    if parts is None or sync.kind == "events":
        return parts is not None
    return parts.every is None and (parts.shards is not None or sync.removed == "keep")


def build_broken_asset(name: str, names: Names, errors: Sequence[SpecError]) -> AssetsDefinition:
    """An asset in the place of a sync whose files are wrong. Its page shows the errors, and its run fails with them.

    Args:
        name: parts of letters, digits and _, with / between them: Dagster takes no others.
    """
    sentences = "\n".join(str(error) for error in errors)
    spec = AssetSpec(names.push_key(name), description=f"This sync cannot be read:\n\n{fenced(sentences)}",
                     group_name=names.group_name("broken"), kinds={"sql"},
                     metadata=code_references(Path(errors[0].path)))

    @multi_asset(name=names.op_name(name), specs=[spec])
    def broken_asset(context: AssetExecutionContext) -> None:
        fail(sentences, context)

    return broken_asset
