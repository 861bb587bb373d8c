"""The connection of each route."""

from __future__ import annotations

from candu_sync.delivery.candu import Candu
from candu_sync.delivery.connection import HttpConnection

CONNECTIONS: dict[str, type[HttpConnection]] = {kind.destination.route.name: kind for kind in (Candu,)}
