"""The delivery: messages → Candu or Segment, with a receipt for each. Only ``connection.py`` imports httpx.

Knows neither warehouses nor Dagster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.delivery.acceptance import Item as Item
    from candu_sync.delivery.by_route import connection_of as connection_of
    from candu_sync.delivery.candu import Candu as Candu
    from candu_sync.delivery.delivery import Delivery as Delivery
    from candu_sync.delivery.destination import LARGEST_REQUEST as LARGEST_REQUEST
    from candu_sync.delivery.kept import KeptConnections as KeptConnections
    from candu_sync.delivery.limits import Limits as Limits
    from candu_sync.delivery.limits import Report as Report
    from candu_sync.delivery.segment import Segment as Segment
    from candu_sync.delivery.sizes import LARGEST as LARGEST
    from candu_sync.delivery.sizes import UNANSWERED as UNANSWERED
    from candu_sync.delivery.sizes import BatchSizes as BatchSizes
    from candu_sync.delivery.sizes import Learned as Learned
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "acceptance": "Item",
        "by_route": "connection_of",
        "candu": "Candu",
        "delivery": "Delivery",
        "destination": "LARGEST_REQUEST",
        "kept": "KeptConnections",
        "limits": "Limits Report",
        "segment": "Segment",
        "sizes": "LARGEST UNANSWERED BatchSizes Learned",
    })
