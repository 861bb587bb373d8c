"""The engine's errors as Dagster's failures: what is worth another try is retried, the rest is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from dagster import Backoff, Failure, Jitter, MetadataValue, RetryPolicy

from candu_sync.errors import CanduSyncError, Transient, WarehouseUnreachable

_WORTH_ANOTHER_TRY = (Transient, WarehouseUnreachable)

# Delivery has tried each request for minutes by then: what still fails wants a longer pause. 30 s, then 60 s.
RETRIES = RetryPolicy(max_retries=2, delay=30, backoff=Backoff.EXPONENTIAL, jitter=Jitter.PLUS_MINUS)


@contextmanager
def failures() -> Iterator[None]:
    """Raises the engine's errors of the block as a Failure that says the same, without a traceback of ours."""
    try:
        yield
    except CanduSyncError as error:
        raise failure(str(error), transient=isinstance(error, _WORTH_ANOTHER_TRY)) from None


def failure(message: str, *, transient: bool = False, metadata: Mapping[str, MetadataValue] | None = None) -> Failure:
    """A Failure; one that is transient is retried under the asset's policy."""
    return Failure(message, metadata=dict(metadata or {}), allow_retries=transient)
