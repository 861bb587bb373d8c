"""Notices of what is wrong with a sync, and of its recovery: one for each change, to the addresses of its owners.

Knows what was said before (kept in the state), the words of a notice, and the ways out: Slack, JSON, e-mail. Does not
judge what is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.alerts.addresses import Address as Address
    from candu_sync.alerts.addresses import parse_addresses as parse_addresses
    from candu_sync.alerts.announcing import Sent as Sent
    from candu_sync.alerts.announcing import announce as announce
    from candu_sync.alerts.announcing import try_out as try_out
    from candu_sync.alerts.conditions import CODES as CODES
    from candu_sync.alerts.conditions import Condition as Condition
    from candu_sync.alerts.conditions import Problem as Problem
    from candu_sync.alerts.conditions import Standing as Standing
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "addresses": "Address parse_addresses",
        "announcing": "Sent announce try_out",
        "conditions": "CODES Condition Problem Standing",
    })
