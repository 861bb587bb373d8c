"""What the delivery has to know of a service that takes messages. Each has a file: ``candu.py``, ``segment.py``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from candu_sync.routes import Route

if TYPE_CHECKING:
    from candu_sync.delivery.answers import Reply
    from candu_sync.delivery.words import Words

# The limits of Segment and Customer.io a request; Candu publishes none (docs/candu.md).
LARGEST_REQUEST = 500_000

# Statuses of troubles that pass, besides 5xx.
PASSING = frozenset({408, 425, 429})

# It may be about the address, as long as nothing is accepted there.
NOT_FOUND = 404

# The answer to a request that is too large.
TOO_LARGE = 413


@dataclass(frozen=True, kw_only=True)
class Destination:
    """The HTTP contract of a service.

    Attributes:
        route: its names.
        send_path: where messages are posted, below the API's URL.
        probe_path: what the harmless read asks for.
        judge_probe: raises what an answer to the harmless read means; its arguments are those of
            ``answers.judge_probe``.
        probe_with_key: whether the harmless read carries the key.
        authorization: makes the header of that name of the key.
        before, after: what stands in a request's body before and after the JSON array of messages.
        passing: statuses besides 5xx that are worth another try.
        wait_headers: the headers that say how long to wait; the first one that an answer has counts.
        unproven: statuses of a refusal that may be about the address or the key as long as nothing was accepted.
    """

    route: Route
    send_path: str
    probe_path: str
    judge_probe: Callable[[Reply, Destination, str, Words], None]
    probe_with_key: bool = True
    authorization: Callable[[str], str]
    before: bytes = b""
    after: bytes = b""
    passing: frozenset[int] = PASSING
    wait_headers: tuple[str, ...] = ("retry-after",)
    unproven: frozenset[int] = frozenset({NOT_FOUND})

    @property
    def most_bytes(self) -> int:
        """Bytes of a request's array of messages."""
        return LARGEST_REQUEST - len(self.before) - len(self.after)

    def body(self, messages: bytes) -> bytes:
        """The body of a request with a JSON array of messages."""
        return self.before + messages + self.after if self.before or self.after else messages
