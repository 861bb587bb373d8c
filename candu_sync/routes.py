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
        most_messages: of a request; None: the service publishes no number.
    """

    name: str
    service: str
    url_setting: str
    key_setting: str
    key: str
    owner: str
    way: str
    most_messages: int | None = None

    def batch_size(self, wanted: int) -> int:
        """Messages of a request, where the settings ask for ``wanted``."""
        return wanted if self.most_messages is None else min(wanted, self.most_messages)


CANDU = Route(name="candu", service="Candu", url_setting="CANDU_API_URL", key_setting="CANDU_API_KEY", key="API key",
              owner="workspace", way="to Candu directly")

SEGMENT = Route(name="segment", service="Segment", url_setting="SEGMENT_API_URL", key_setting="SEGMENT_WRITE_KEY",
                key="write key", owner="source", way="to Candu by Segment", most_messages=2_500)

ROUTES = {route.name: route for route in (CANDU, SEGMENT)}


def other_route(name: str, sync: str, was: Route, now: Route, *, said: str, events: bool) -> str:
    """What to do where a snapshot has what was sent by another route.

    Args:
        name: of the sync and partition.
        said: what names the route now.
    """
    option = " --not-newer" if events else ""
    taken = ("events up to the newest one that was sent then count as sent" if events else
             "the present result then counts as sent, and changes since the last run are not sent")
    again = "every event again, those that Candu has among them" if events else "every row"
    return (f"{name}: the snapshot has what was sent {was.way}, and {said} says that it goes {now.way}. If a run died, "
            f"first set the route to {was.name} and run once more: it knows what was under way. If both lead "
            f"to one workspace of Candu, run `candu-sync baseline {sync}{option}`: {taken}. If not, run `candu-sync "
            f"reset {sync}`: the next run sends {again}. To go on as before, set the route to {was.name}")


def services(routes: Iterable[Route]) -> str:
    """Who takes the messages of some routes.

    Example:
        >>> services([SEGMENT, CANDU, CANDU])
        'Candu and Segment'
    """
    return " and ".join(sorted({route.service for route in routes}))
