"""One run for each partition, and the exception: ``dg launch --partition-range``.

A backfill has a run for each partition, each with its own guard, change set and retries. Dagster's command line runs a
range in its own process, without a daemon, and only for assets that take a whole range in a single run. So the assets
declare that, but only in that process. They then do the partitions one by one, each with its own snapshot and metadata.
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

# The event log keeps every text.
_MOST_LISTED = 20


def backfill_policy() -> BackfillPolicy | None:
    """None, which is one run for each partition, except in the process of ``dg launch --partition-range``."""
    ranged = any(word.partition("=")[0] == "--partition-range" for word in sys.argv)
    return BackfillPolicy.single_run() if ranged else None


def partitions_of(context: AssetExecutionContext, sync: Sync) -> list[str | None]:
    """The partitions of a run, in order: one, or those of a range."""
    return [None] if sync.partitions is None else [str(key) for key in context.partition_keys]


@contextmanager
def per_partition(context: AssetExecutionContext, asset: AssetKey) -> Iterator[Callable[[str | None, Metadata], None]]:
    """Take the metadata of each finished partition, for the event of that partition. When the block ends early, Dagster
    records nothing of the asset, so the finished partitions are recorded here."""
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
    """The results of a check for several partitions as one: the gravest, with those that did not pass."""
    if len(results) == 1:
        return results[0]
    failed = [result for result in results if not result.passed]
    grave = any(result.severity == AssetCheckSeverity.ERROR for result in failed)
    sentences = [f"{result.metadata['partition'].value}: {result.description}" for result in failed[:_MOST_LISTED]]
    if len(failed) > _MOST_LISTED:
        sentences.append(f"and {len(failed) - _MOST_LISTED} more partitions")
    return AssetCheckResult(
        asset_key=results[0].asset_key, check_name=results[0].check_name, passed=not failed,
        description="\n\n".join(sentences) or None,
        severity=AssetCheckSeverity.ERROR if grave else AssetCheckSeverity.WARN,
        metadata={"partitions": MetadataValue.int(len(results)),
                  "partitions that did not pass": MetadataValue.int(len(failed))})
