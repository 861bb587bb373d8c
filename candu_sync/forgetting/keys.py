"""Which keys name a person, where a file has the keys of rows and not their users."""

from __future__ import annotations

import re
from dataclasses import dataclass

from candu_sync.syncs import Sync

# Parts of a key are joined by |; one inside a part has a \ before it (``rows.joined_key``).
_PART = re.compile(r"((?:[^\\|]|\\.)*)(?:\||$)", re.DOTALL)


@dataclass(frozen=True)
class Keys:
    """The keys of one sync that name a person.

    Attributes:
        user_id: the person.
        place: the place of the user's id in a key of several columns; None: a key does not have it.
        parts: the number of columns of a key.
        known: further keys that are known to be the person's: those of events.
    """

    user_id: str
    place: int | None
    parts: int
    known: frozenset[str] = frozenset()

    @property
    def escaped(self) -> str:
        """The person's id as it is written in a key."""
        return self.user_id if self.parts == 1 else self.user_id.replace("\\", "\\\\").replace("|", "\\|")

    def name(self, key: str | None) -> bool:
        """Whether a key is of the person.

        Example:
            >>> keys = Keys("u1", 1, 2)
            >>> keys.name("g1|u1"), keys.name("u1|u2"), keys.name("g1|u17")
            (True, False, False)
        """
        if key is None:
            return False
        if key in self.known:
            return True
        if self.place is None:
            return False
        if self.parts == 1:
            return key == self.user_id
        found = [re.sub(r"\\(.)", r"\1", part, flags=re.DOTALL) for part in _PART.findall(key)]
        return len(found) > self.place and found[self.place] == self.user_id


def keys_of(sync: Sync, user_id: str, known: frozenset[str] = frozenset()) -> Keys:
    """The keys of a sync that name a person."""
    place = sync.key.index("user_id") if "user_id" in sync.key else None
    return Keys(user_id, place, len(sync.key), known)
