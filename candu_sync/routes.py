"""The routes by which messages reach Candu: directly, or by Segment, which forwards them. Here are their names.

How each of them is spoken to is known by the room ``delivery``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Route:
    """What a route is called.

    Attributes:
        name: as ``CANDU_ROUTE`` and ``route:`` have it.
        service: who takes the messages.
        url_setting, key_setting: the settings of its address and of its key.
        key: what the service calls the key.
        owner: what of the service's the key belongs to.
        way: where the messages go, for sentences: ``to Candu by Segment``.
    """

    name: str
    service: str
    url_setting: str
    key_setting: str
    key: str
    owner: str
    way: str


CANDU = Route(name="candu", service="Candu", url_setting="CANDU_API_URL", key_setting="CANDU_API_KEY", key="API key",
              owner="workspace", way="to Candu directly")

SEGMENT = Route(name="segment", service="Segment", url_setting="SEGMENT_API_URL", key_setting="SEGMENT_WRITE_KEY",
                key="write key", owner="source", way="to Candu by Segment")

ROUTES = {route.name: route for route in (CANDU, SEGMENT)}


def services(routes: Iterable[Route]) -> str:
    """Who takes the messages of some routes.

    Example:
        >>> services([SEGMENT, CANDU, CANDU])
        'Candu and Segment'
    """
    return " and ".join(sorted({route.service for route in routes}))
