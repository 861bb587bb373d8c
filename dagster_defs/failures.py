"""The engine's errors as Dagster's failures. Passing troubles are retried, the rest is not.

The assets have no retry policy of Dagster's own: it would also run a step again that a person cancelled, or that failed
by a mistake in the code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

from dagster import (
    AssetExecutionContext,
    Backoff,
    Failure,
    Jitter,
    MetadataValue,
    OpExecutionContext,
    RetryPolicy,
    RetryRequested,
)
from dagster._core.storage.tags import RETRY_NUMBER_TAG

from candu_sync.errors import (
    CanduSyncError,
    Claimed,
    OtherWorkspace,
    SettingsError,
    StaleChanges,
    StateUnreachable,
    Transient,
    WarehouseUnreachable,
)
from candu_sync.naming import named
from candu_sync.settings import in_words

_WORTH_ANOTHER_TRY = (StateUnreachable, Transient, WarehouseUnreachable)

# The delivery has tried each request for minutes. So these pauses are longer: about 30 s, then 60 s.
RETRIES = RetryPolicy(max_retries=2, delay=30, backoff=Backoff.EXPONENTIAL, jitter=Jitter.PLUS_MINUS)


@contextmanager
def failures(context: AssetExecutionContext | OpExecutionContext, retries: RetryPolicy | None, *, stale_hint: str = "",
             workspace: str | None = None, sync: str = "", partition: str | None = None) -> Iterator[None]:
    """End the step, as ``fail`` does with these ``retries``, when the block raises one of the engine's errors.

    Args:
        stale_hint: what to do in Dagster when no changes are staged, or stale ones.
        workspace: whose settings and commands the sentence is to name.
        sync, partition: what the block works on. The sentence begins with it, if it does not name the sync by itself;
            a wrong setting is no fault of one sync.
    """
    try:
        yield
    except Claimed as error:
        wait = _until_free(error, context)
        fail(in_words(workspace, str(error)), context, None if wait is None else retries, wait=wait)
    except CanduSyncError as error:
        transient = isinstance(error, _WORTH_ANOTHER_TRY)
        hint = f" ({stale_hint})" if isinstance(error, StaleChanges) and stale_hint else ""
        if isinstance(error, OtherWorkspace) and error.key:
            hint = ". In Dagster `new_key: true` in the launchpad stands for --new-key"
        about = "" if not sync or sync in str(error) or isinstance(error, SettingsError) else (
            f"{named(sync, partition)}: ")
        fail(in_words(workspace, f"{about}{error}{hint}"), context, retries if transient else None)


def _until_free(error: Claimed, context: AssetExecutionContext | OpExecutionContext) -> float | None:
    """The seconds until the claim of a run that may be dead is free; None: that run lives.

    A run that Dagster started in the place of one whose process died comes within seconds. It finds the claim of that
    one, with a heartbeat that is still young.
    """
    in_place_of_another = RETRY_NUMBER_TAG in context.run.tags and not context.retry_number
    return error.free_in if error.perhaps_dead or in_place_of_another else None


def fail(message: str, context: AssetExecutionContext | OpExecutionContext, retries: RetryPolicy | None = None, *,
         metadata: Mapping[str, MetadataValue] | None = None, wait: float | None = None) -> NoReturn:
    """End the step with a sentence, without the traceback that led here.

    Args:
        retries: for a passing trouble: run the step again while the policy has tries left.
        wait: the seconds until then; None: those of the policy.

    Raises:
        RetryRequested, or Failure: always one of them.
    """
    failed = Failure(message, metadata=dict(metadata or {}), allow_retries=False)
    if retries is not None and context.retry_number < retries.max_retries:
        delay = retries.calculate_delay(context.retry_number + 1) if wait is None else wait
        raise RetryRequested(retries.max_retries, delay) from failed
    raise failed from None
