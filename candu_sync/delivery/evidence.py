"""Who is to blame for what is refused: a row, or the destination.

A message that is refused alone is set aside once something was accepted that was sent later: then the destination
works, and the message is bad. Until then its rejection is held back. When whole batches fall apart one after the other
and nothing is accepted in between, the destination is in trouble, or its contract has changed: no row is to blame.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from candu_sync.delivery.destination import NOT_FOUND, TOO_LARGE
from candu_sync.delivery.splitting import Splitting
from candu_sync.errors import DestinationTrouble
from candu_sync.naming import shortened
from candu_sync.routes import CANDU, Route

# With nothing accepted in between: so many batches that fall apart are the destination's fault, and so many messages
# that are refused alone may still be the rows'.
_FALLEN_BATCHES = 3
_FEW = 10

# Rows that fail with a 5xx, after which nothing was accepted, and that are still to blame.
_FAILED_ROWS = 2
_UNAVAILABLE = 503

# Characters of a reason in an error.
_REASON = 400

Line = dict[str, Any]


@dataclass(frozen=True)
class _Held:
    """A rejection that is held back: its receipt, the number of its request, and whether that failed with a 5xx."""

    line: Line
    request: int
    failed: bool


class Evidence:
    """What the answers say so far. Safe to use from several threads.

    Args:
        route: names the destination.
        unproven: statuses that are about the address or the key, unless something is accepted.
    """

    def __init__(self, route: Route = CANDU, unproven: Collection[int] = (NOT_FOUND,)) -> None:
        self._route = route
        self._unproven = unproven
        self._lock = threading.Lock()
        self._held: list[_Held] = []
        self._waiting: list[Splitting] = []
        self._ready: list[Splitting] = []
        self._latest = 0
        self._last_accepted = 0
        self._refused_alone = 0

    def next_request(self) -> int:
        """A number for a request: a later one has a larger number."""
        with self._lock:
            self._latest += 1
            return self._latest

    @property
    def latest(self) -> int:
        """The number of the newest request: what is accepted of later ones is evidence for earlier ones."""
        return self._latest

    def accepted_since(self, request: int) -> bool:
        """Whether something was accepted that was sent after a request."""
        return self._last_accepted > request

    def accepted(self, request: int) -> list[Line]:
        """The destination accepted a request. Returns the rejections that are proven by it."""
        with self._lock:
            self._last_accepted = max(self._last_accepted, request)
            self._refused_alone = 0
            proven = [held.line for held in self._held if held.request <= request]
            self._held = [held for held in self._held if held.request > request]
            for batch in [batch for batch in self._waiting if batch.last_sent < request]:
                self._waiting.remove(batch)
                self._let_go(batch)
        return proven

    def refused(self, line: Line, request: int, *, failed: bool = False) -> list[Line]:
        """A message was refused alone, by the answer to a request. Returns its rejection if that is proven already.

        Args:
            failed: with a 5xx, and nothing of its batch was accepted: that is not enough to blame a row.
        """
        with self._lock:
            if self._last_accepted > request:
                return [line]
            self._refused_alone += 1
            self._held.append(_Held(line, request, failed))
        return []

    def wait(self, batch: Splitting) -> None:
        """A batch fell apart, or fails: it waits until something is accepted that is sent from now on.

        Raises:
            DestinationTrouble: too many did, one after the other.
        """
        with self._lock:
            if batch.last_sent < self._last_accepted:
                self._let_go(batch)
                return
            self._waiting.append(batch)
            fallen = sum(not other.failing for other in self._waiting)
            if fallen >= _FALLEN_BATCHES and self._refused_alone > _FEW:
                raise self._trouble()

    def _let_go(self, batch: Splitting) -> None:
        batch.proven = True
        self._ready.append(batch)

    def ready(self) -> Splitting | None:
        """A batch that waited, and does not have to wait any more."""
        with self._lock:
            return self._ready.pop(0) if self._ready else None

    def left_over(self) -> Splitting | None:
        """A batch that still waits when all others are settled. It has to be settled without further evidence.

        With several workers, what was sent after the request that was refused first may have been accepted before the
        batch began to wait. At the end that is evidence enough. What was sent before it is none, though the batch may
        have been sent before, and been put off: the destination may have stopped working in between.

        Raises:
            DestinationTrouble: there are too many messages in such batches.
        """
        with self._lock:
            for batch in [batch for batch in self._waiting if batch.troubled_at < self._last_accepted]:
                self._waiting.remove(batch)
                self._let_go(batch)
            if self._ready:
                return self._ready.pop(0)
            fallen = [batch for batch in self._waiting if not batch.failing]
            if sum(len(batch.whole) for batch in fallen) > _FEW:
                raise self._trouble()
            if not self._waiting:
                return None
            batch = (fallen or self._waiting)[0]
            self._waiting.remove(batch)
            batch.last_resort = True
            return batch

    def settle(self) -> tuple[list[Line], list[Line]]:
        """Everything was sent. Returns the rejections that are left, as few rows are to blame even if nothing was
        accepted; and those that may be the destination's fault: these messages stay unsent.

        Raises:
            DestinationTrouble: nothing was accepted, and the answers may be about the address or the key, or are too
                many.
        """
        with self._lock:
            failed = [held.line for held in self._held if held.line["status"] >= 500]
            # The destination says that it is not available, or fails for several: it may be down, and they stay unsent.
            down = len(failed) > _FAILED_ROWS or any(line["status"] == _UNAVAILABLE for line in failed)
            lines = [held.line for held in self._held if not held.failed and not (down and held.line in failed)]
            unproven = any(line["status"] in self._unproven for line in lines)
            if not self._last_accepted and (unproven or len(lines) > _FEW):
                raise self._trouble()
            unsent = [held.line for held in self._held if held.line not in lines]
            self._held = []
        return lines, unsent

    def _trouble(self) -> DestinationTrouble:
        line = self._held[-1].line if self._held else {"reason": f"{self._route.service} refused it", "status": 0}
        status = line["status"]
        return DestinationTrouble(
            f"{shortened(line['reason'], _REASON)}: that was the answer to the last {len(self._held):,} messages that "
            "were sent one by one, and nothing was accepted in between. The destination is in trouble, or its "
            f"contract has changed; no row is to blame and none of these was set aside. {self._what_to_do(status)}",
            status=status or None)

    def _what_to_do(self, status: int) -> str:
        if status == TOO_LARGE:
            return ("HTTP 413 says that a request is too large, even one of a single message: look whether a proxy or "
                    "gateway on the way takes only smaller ones, or leave out long traits (`omit`), and run again")
        return (f"Check {self._route.url_setting} and the key's rights, and run again; candu-sync check asks "
                f"{self._route.service} without sending anything")
