"""Candu's HTTP contract.

    POST {url}/eventWebhook      one JSON array of messages of one type
    GET  {url}/contentMetadata   a harmless read: the key and the network work
    Authorization: Bearer <API key>

Candu publishes no limits: those of a request are Segment's (docs/candu.md).
"""

from __future__ import annotations

from candu_sync.delivery.answers import judge_probe
from candu_sync.delivery.connection import HttpConnection
from candu_sync.delivery.destination import Destination
from candu_sync.routes import CANDU


class Candu(HttpConnection):
    """One connection to Candu, for one thread. Its probe proves that the key and the network work.

    Args:
        url: the API's base, `https://api.candu.ai/api`.
        key: the workspace's API key.

    Example:
        >>> with Candu(simulator.url, simulator.key) as candu:
        ...     candu.probe()
        ...     candu.send(b'[{"type": "identify", "userId": "u1", "traits": {"plan": "pro"}}]', 1)
        >>> simulator.users()
        {'u1': {'plan': 'pro'}}
    """

    destination = Destination(
        route=CANDU, send_path="eventWebhook", probe_path="contentMetadata", judge_probe=judge_probe,
        authorization=lambda key: f"Bearer {key}")
