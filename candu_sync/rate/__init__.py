"""The rate: when the next request may go, for all processes of a workspace together.

On one machine by a file, across machines by Redis. Knows neither HTTP nor the state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.rate.opening import open_pace as open_pace
    from candu_sync.rate.opening import pace_of_process as pace_of_process
    from candu_sync.rate.pace import Pace as Pace
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "opening": "open_pace pace_of_process",
        "pace": "Pace",
    })
