"""A batch that was not accepted is split until each bad message is alone.

A batch of which no part was accepted yet is searched for one that is: from its first message, from its last one, then
in the middle of what is left. After ``SEARCHED`` messages that were refused alone it has *fallen apart*: it says
nothing of its rows, and waits until something else is accepted.
"""

from __future__ import annotations

from candu_sync.delivery.batches import Batch
from candu_sync.errors import Transient

# Messages that are tried alone before a batch counts as fallen apart. Of a batch of 100, that takes about 26 requests.
SEARCHED = 4


class Splitting:
    """A batch that is being delivered: its parts that are not settled yet.

    Attributes:
        proven: other messages were accepted after this batch was not: what is refused of it now is bad by itself.
        accepted: whether some of it was accepted.
        refused_alone: messages of it that were refused alone.
        probed: whether the key was probed because of it.
        failing: the destination answered 5xx to it on every attempt; ``failure`` is the last answer.
        passing_troubles: answers that had a passing trouble for some of its messages.
        troubled_at: the request by which some of it was refused first, or the newest one before the part of it that
            fails was sent; 0: neither has happened.
        last_sent: the newest request when it began to wait.
        refused: messages of the smallest part of it of several messages that was refused; 0: none was.
        last_resort: there is nothing else left to send that could show whether the destination works.
    """

    def __init__(self, batch: Batch) -> None:
        self.whole = batch
        self.proven = False
        self.accepted = False
        self.refused_alone = 0
        self.probed = False
        self.failing = False
        self.failure: Transient | None = None
        self.passing_troubles = 0
        self.last_resort = False
        self.troubled_at = 0
        self.last_sent = 0
        self.refused = 0
        self._parts = [batch]
        self._next: Batch | None = None

    @property
    def trusted(self) -> bool:
        """Whether the destination is known to take other messages: those that it does not take are bad."""
        return self.proven or self.accepted

    @property
    def fallen_apart(self) -> bool:
        """Whether so many messages were refused alone, and none accepted, that no row is to blame yet."""
        return not self.trusted and self.refused_alone >= min(SEARCHED, len(self.whole))

    def take(self) -> Batch | None:
        """The part to send next; None: all is settled."""
        if not self._parts:
            return None
        part, self._next = self._next or self._pick(), None
        self._parts.remove(part)
        return part

    def put_back(self, part: Batch) -> None:
        """A part is not settled after all: it comes first again."""
        self._insert(part)
        self._next = part

    def cut(self, size: int) -> None:
        """No part has more than ``size`` messages from now on."""
        if any(len(part) > size for part in self._parts):
            self._parts = [piece for part in self._parts for piece in part.pieces(size)]
            self._next = None

    def split(self, part: Batch) -> None:
        """A part of several messages was refused: its halves are sent."""
        self.refused = min(self.refused or len(part), len(part))
        left, right = part.halves()
        self._insert(left)
        self._insert(right)
        self._next = right if not self.trusted and self.refused_alone == 1 else left

    def _pick(self) -> Batch:
        if self.trusted or self.refused_alone == 0:
            return self._parts[0]
        return self._parts[-1] if self.refused_alone == 1 else max(self._parts, key=len)

    def _insert(self, part: Batch) -> None:
        self._parts.append(part)
        self._parts.sort(key=lambda other: other.first)
