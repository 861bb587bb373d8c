"""Forgetting a person: the state's data about the person is removed, and a tombstone prevents that the id is sent or
stored again.

Does not know HTTP, nor the arguments of commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.forgetting.person import Forgotten as Forgotten
    from candu_sync.forgetting.person import forget as forget
    from candu_sync.forgetting.person import remember_again as remember_again
    from candu_sync.forgetting.tombstone_files import is_forgotten as is_forgotten
    from candu_sync.forgetting.tombstone_files import unfinished as unfinished
    from candu_sync.forgetting.tombstones import Tombstones as Tombstones
    from candu_sync.forgetting.tombstones import read_tombstones as read_tombstones
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "person": "Forgotten forget remember_again",
        "tombstone_files": "is_forgotten unfinished",
        "tombstones": "Tombstones read_tombstones",
    })
