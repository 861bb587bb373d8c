"""dbt's project: ``ref`` and ``source`` in models, syncs that its models declare, column lineage, exposures.

Knows neither databases nor HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.dbt.declared import load_catalog as load_catalog
    from candu_sync.dbt.lineage import Column as Column
    from candu_sync.dbt.lineage import trait_lineage as trait_lineage
    from candu_sync.dbt.preconditions import check_preconditions as check_preconditions
    from candu_sync.dbt.references import linked as linked
    from candu_sync.dbt.references import resolve as resolve
    from candu_sync.dbt.references import resolve_sync as resolve_sync
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "declared": "load_catalog",
        "lineage": "Column trait_lineage",
        "preconditions": "check_preconditions",
        "references": "linked resolve resolve_sync",
    })
