"""One run for each partition, and the one run of several that there is: ``dg launch --partition-range``.

A backfill has a run for each partition: each has its own guard, its own change set, its own retries. Dagster's command
line runs a range in its own process, without a daemon, and takes assets for it that do a whole range in a single run:
so there, and there alone, they say that they do. The partitions are then gone through one by one, each with its own
snapshot and its own metadata.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    BackfillPolicy,
    MetadataValue,
)

from candu_sync.syncs import Sync
from dagster_defs.metadata import Metadata

# The event log keeps every word.
_MOST_TOLD = 20


def backfill_policy() -> BackfillPolicy | None:
    """None, which is one run for each partition, but in the process of ``dg launch --partition-range``."""
    ranged = any(word.partition("=")[0] == "--partition-range" for word in sys.argv)
    return BackfillPolicy.single_run() if ranged else None


def partitions_of(context: AssetExecutionContext, sync: Sync) -> list[str | None]:
    """The partitions of a run, in order: one, but for a range."""
    return [None] if sync.partitions is None else [str(key) for key in context.partition_keys]


@contextmanager
def per_partition(context: AssetExecutionContext, asset: AssetKey) -> Iterator[Callable[[str | None, Metadata], None]]:
    """Takes the metadata of each partition that is done, for the event of that partition. When the block ends early
    Dagster records nothing of the asset: what was done before is recorded here."""
    done: dict[str | None, Metadata] = {}

    def note(partition: str | None, metadata: Metadata) -> None:
        done[partition] = metadata
        context.add_asset_metadata(metadata, asset, partition)

    try:
        yield note
    except BaseException:
        for partition, metadata in done.items():
            context.log_event(AssetMaterialization(asset, partition=partition, metadata=metadata))
        raise


def in_one(results: Sequence[AssetCheckResult]) -> AssetCheckResult:
    """What a check says of each partition as its one result: the gravest, with those that did not pass."""
    if len(results) == 1:
        return results[0]
    failed = [result for result in results if not result.passed]
    grave = any(result.severity == AssetCheckSeverity.ERROR for result in failed)
    told = [f"{result.metadata['partition'].value}: {result.description}" for result in failed[:_MOST_TOLD]]
    if len(failed) > _MOST_TOLD:
        told.append(f"and {len(failed) - _MOST_TOLD} more partitions")
    return AssetCheckResult(
        passed=not failed, check_name=results[0].check_name, description="\n\n".join(told) or None,
        severity=AssetCheckSeverity.ERROR if grave else AssetCheckSeverity.WARN,
        metadata={"partitions": MetadataValue.int(len(results)),
                  "partitions that did not pass": MetadataValue.int(len(failed))})
