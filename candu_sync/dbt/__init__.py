"""dbt's project: ``ref`` and ``source`` in models, syncs that its models declare, column lineage, exposures.

Knows neither databases nor HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.dbt.columns import Column as Column
    from candu_sync.dbt.columns import Columns as Columns
    from candu_sync.dbt.columns import Read as Read
    from candu_sync.dbt.declared import declared_syncs as declared_syncs
    from candu_sync.dbt.declared import load_catalog as load_catalog
    from candu_sync.dbt.kept_lineage import DbtColumn as DbtColumn
    from candu_sync.dbt.kept_lineage import LineageFile as LineageFile
    from candu_sync.dbt.lineage import trait_lineage as trait_lineage
    from candu_sync.dbt.manifest import Manifest as Manifest
    from candu_sync.dbt.manifest import ManifestError as ManifestError
    from candu_sync.dbt.manifest import read_manifest as read_manifest
    from candu_sync.dbt.model_changes import ancestors as ancestors
    from candu_sync.dbt.model_changes import modified as modified
    from candu_sync.dbt.model_columns import ModelColumns as ModelColumns
    from candu_sync.dbt.nodes import Node as Node
    from candu_sync.dbt.preconditions import check_preconditions as check_preconditions
    from candu_sync.dbt.preconditions import without_contract as without_contract
    from candu_sync.dbt.references import linked as linked
    from candu_sync.dbt.references import resolve as resolve
    from candu_sync.dbt.references import resolve_sync as resolve_sync
    from candu_sync.dbt.sync_columns import SyncColumns as SyncColumns
    from candu_sync.dbt.sync_columns import columns_of_sync as columns_of_sync
    from candu_sync.dbt.value_sorts import sort_of as sort_of
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "declared": "declared_syncs load_catalog",
        "kept_lineage": "DbtColumn LineageFile",
        "lineage": "trait_lineage",
        "manifest": "Manifest ManifestError read_manifest",
        "model_changes": "ancestors modified",
        "model_columns": "ModelColumns",
        "nodes": "Node",
        "preconditions": "check_preconditions without_contract",
        "columns": "Column Columns Read",
        "references": "linked resolve resolve_sync",
        "sync_columns": "SyncColumns columns_of_sync",
        "value_sorts": "sort_of",
    })
