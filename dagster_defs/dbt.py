"""What a sync takes from dbt, in Dagster's words: assets upstream, and the columns that its traits are made of."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dagster import AssetKey, MetadataValue, TableColumn, TableColumnDep, TableColumnLineage, TableSchema

from candu_sync import ChangeSet, load_settings
from candu_sync.dbt import DbtColumn, LineageFile, linked, trait_lineage
from candu_sync.errors import SettingsError
from candu_sync.syncs import Catalog, Sync
from candu_sync.workspaces import prefix_of
from dagster_defs.metadata import Metadata, column_type


def with_upstream(catalog: Catalog, workspace: str | None) -> Catalog:
    """The catalog with dbt's models upstream of the syncs that read them, by ``CANDU_DBT_MANIFEST``; a sync whose ref
    or source cannot be resolved is an error of the catalog."""
    return linked(catalog, manifest(workspace))


def manifest(workspace: str | None) -> Path | None:
    """``CANDU_DBT_MANIFEST`` of a workspace. If another setting is wrong, the run that needs it fails with its name."""
    with suppress(SettingsError):
        return load_settings(workspace or "").dbt_manifest
    path = os.environ.get(f"{prefix_of(workspace)}DBT_MANIFEST")
    return Path(path) if path else None


def lineage_metadata(sync: Sync, changes: ChangeSet, manifest: Path | None, kept: LineageFile) -> Metadata:
    """The traits as the asset's columns, and the dbt columns that each is made of; nothing when none is known.

    Args:
        manifest: ``CANDU_DBT_MANIFEST``.
        kept: where the lineage is kept until the SQL or the manifest changes.
    """
    found = trait_lineage(sync, [trait.name for trait in changes.sent_traits], manifest, kept)
    if not found:
        return {}
    deps = {trait: [TableColumnDep(AssetKey(key), column) for key, column in columns]
            for trait, columns in found.items()}
    # The open-source UI draws no lineage of columns: the description has it in words.
    columns = [TableColumn(trait.name, column_type(str(trait.kind)), _words(found.get(trait.name, ())))
               for trait in changes.sent_traits]
    return {"dagster/column_schema": MetadataValue.table_schema(TableSchema(columns)),
            "dagster/column_lineage": MetadataValue.column_lineage(TableColumnLineage(deps))}


def _words(columns: Sequence[DbtColumn]) -> str | None:
    return ", ".join(f"{'/'.join(key)}.{column}" for key, column in columns) or None
