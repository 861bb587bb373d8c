"""The connection of each route."""

from __future__ import annotations

from candu_sync.delivery.connection import HttpConnection
from candu_sync.routes import SEGMENT, Route


def connection_of(route: Route) -> type[HttpConnection]:
    """What the messages of a route are sent by.

    Example:
        >>> from candu_sync.routes import CANDU
        >>> connection_of(CANDU).destination.send_path
        'eventWebhook'
    """
    # Only the one that is used is loaded.
    if route is SEGMENT:
        from candu_sync.delivery.segment import Segment

        return Segment
    from candu_sync.delivery.candu import Candu

    return Candu
