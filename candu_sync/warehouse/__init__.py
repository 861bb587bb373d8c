"""The warehouse: a query with bound parameters → a stream of Arrow record batches.

Knows neither syncs nor Candu.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.warehouse.reading import Reading as Reading
    from candu_sync.warehouse.warehouse import Warehouse as Warehouse
    from candu_sync.warehouse.warehouse import open_warehouse as open_warehouse
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "reading": "Reading",
        "warehouse": "Warehouse open_warehouse",
    })
