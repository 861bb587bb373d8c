"""What Dagster's pages show of a sync's two assets."""

from __future__ import annotations

from dagster import AssetDep, AssetSpec, MetadataValue

from candu_sync import Sync
from dagster_defs.automation import changes_condition, push_condition
from dagster_defs.freshness import freshness_policy
from dagster_defs.markdown import as_text, fenced
from dagster_defs.names import ALONE, Names
from dagster_defs.partitions import partitions_def
from dagster_defs.source import code_references, code_version, warehouse_kind


def changes_spec(sync: Sync, names: Names = ALONE) -> AssetSpec:
    """The spec of the changes."""
    return AssetSpec(
        names.changes_key(sync.name), deps=[AssetDep(dep.split("/")) for dep in sync.deps],
        description=_described(sync, names, "What differs between the model and what Candu has. Materialize it alone "
                               "for a preview: nothing is sent."),
        group_name=names.group_name(sync.kind), owners=sync.owners, tags=sync.tags,
        kinds={"sql", *warehouse_kind(names.workspace)},
        code_version=code_version(sync),
        partitions_def=partitions_def(sync.partitions, names), automation_condition=changes_condition(sync),
        metadata={"model": MetadataValue.md(fenced(sync.sql, "sql")), **code_references(sync.path)})


def push_spec(sync: Sync, names: Names = ALONE) -> AssetSpec:
    """The spec of the push."""
    return AssetSpec(
        names.push_key(sync.name), deps=[names.changes_key(sync.name)],
        description=_described(sync, names, "What Candu has accepted. Materialize it alone to send the changes that "
                               "were staged and looked at, or, where none were staged, to plan and push."),
        group_name=names.group_name(sync.kind), owners=sync.owners, tags=sync.tags, kinds={"candu"},
        code_version=code_version(sync),
        partitions_def=partitions_def(sync.partitions, names), automation_condition=push_condition(sync),
        freshness_policy=freshness_policy(sync), metadata=code_references(sync.path))


def _described(sync: Sync, names: Names, what: str) -> str:
    parts = [as_text(sync.description)] if sync.description else []
    where = [f"Its commands: `candu-sync --workspace {names.workspace} …`."] if names.workspace else []
    return "\n\n".join([*parts, what, *where])
