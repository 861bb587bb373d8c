"""How to deliver, and what a delivery did."""

from __future__ import annotations

from dataclasses import dataclass

from candu_sync.delivery.destination import LARGEST_REQUEST, NOT_FOUND
from candu_sync.errors import CanduSyncError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How to deliver.

    Attributes:
        batch_size, batch_bytes: the most messages of a request, and bytes of its array of messages.
        rate: requests a second; 0: no limit.
        concurrency: workers, each with one request at a time.
        max_attempts: how often a request is sent, at most.
        first_pause, longest_pause: seconds between two attempts: up to the first, then up to twice as long each time.
        unproven: as the destination has it.
    """

    batch_size: int = 100
    batch_bytes: int = LARGEST_REQUEST
    rate: float = 10.0
    concurrency: int = 4
    max_attempts: int = 8
    first_pause: float = 0.5
    longest_pause: float = 30.0
    unproven: frozenset[int] = frozenset({NOT_FOUND})


@dataclass(kw_only=True)
class Report:
    """What a delivery did.

    Attributes:
        accepted, rejected: messages that were taken, and those that are set aside.
        requests: sent, also those that prove the key.
        retries: requests that repeated another one.
        too_large: requests of several messages that were refused as too large (413), and sent again in parts.
        batch_size_too_large: whether a request of no more messages than the first one was refused, and all of its
            messages were accepted in smaller requests.
        bytes: of the arrays of messages in requests, repeated ones too.
        error: what ended the delivery, or left messages unsent.
    """

    accepted: int = 0
    rejected: int = 0
    requests: int = 0
    retries: int = 0
    too_large: int = 0
    batch_size_too_large: bool = False
    bytes: int = 0
    error: CanduSyncError | None = None
