"""dbt's project: ``ref`` and ``source`` in models, the manifest, column lineage, exposures.

Knows neither databases nor HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.dbt.lineage import Column as Column
    from candu_sync.dbt.lineage import trait_lineage as trait_lineage
    from candu_sync.dbt.references import linked as linked
    from candu_sync.dbt.references import resolve as resolve
    from candu_sync.dbt.references import resolve_sync as resolve_sync
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "lineage": "Column trait_lineage",
        "references": "linked resolve resolve_sync",
    })
