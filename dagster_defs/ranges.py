"""Several partitions in one run: each with its own guard, change set, snapshot and metadata.

A backfill has a run for each partition, but for those that a query finds, which are many and small. Dagster's command
line runs a range in its own process, without a daemon, and only for assets that take a whole range in a single run. So
the assets declare that, but only in that process.
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
from dagster_defs.failures import fail
from dagster_defs.metadata import Metadata

# The event log keeps every text.
_MOST_LISTED = 20

MOST_IN_A_RUN = 25
"""Small partitions in one run: a few seconds of work, as much as it takes to start a run."""

PARTITIONS_TAG = "candu/partitions"
"""A run's tag: how many partitions it was asked for."""

_FIRST, _LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def backfill_policy(sync: Sync) -> BackfillPolicy | None:
    """How many partitions a run of a backfill takes: several where they are small; in the process of ``dg launch
    --partition-range`` all of them; None, which is one, for the others."""
    if any(word.partition("=")[0] == "--partition-range" for word in sys.argv):
        return BackfillPolicy.single_run()
    return BackfillPolicy.multi_run(MOST_IN_A_RUN) if small_partitions(sync) else None


def small_partitions(sync: Sync) -> bool:
    """Whether the partitions are the values of a query, without windows: there may be thousands, of a few rows each. To
    start a run takes seconds, and such a partition a fraction of one."""
    return sync.partitions is not None and sync.partitions.dynamic is not None and sync.partitions.every is None


def independent(sync: Sync) -> bool:
    """Whether the partitions of a run may each be pushed as soon as they are planned, and go on when one fails. A user
    who is in several windows must end with the values of the last one, so a window never overtakes another."""
    return sync.partitions is not None and (sync.partitions.every is None or sync.kind == "events")


def range_tags(keys: Sequence[str]) -> dict[str, str]:
    """The tags of a run of several partitions, which stand one after the other in Dagster's list of keys."""
    return {_FIRST: keys[0], _LAST: keys[-1], PARTITIONS_TAG: str(len(keys))}


def partitions_of(context: AssetExecutionContext, sync: Sync) -> list[str | None]:
    """The partitions of a run, in order: one, or those of a range.

    Raises:
        Failure: the range has other partitions than it had when the run was asked for.
    """
    if sync.partitions is None:
        return [None]
    keys = [str(key) for key in context.partition_keys]
    asked = context.run.tags.get(PARTITIONS_TAG)
    if not keys or (asked is not None and int(asked) != len(keys)):
        first, last = context.run.tags.get(_FIRST), context.run.tags.get(_LAST)
        fail(f"{sync.name}: the range {first}...{last} has {len(keys)} partitions"
             f"{'' if asked is None else f', and this run was asked for {asked}'}: others were added to the list of "
             f"{sync.partitions.dynamic or 'partitions'} at the same time. Nothing was sent. Launch those that are "
             "missing", context)
    return [*keys]


@contextmanager
def per_partition(context: AssetExecutionContext, asset: AssetKey, *,
                  record: bool = False) -> Iterator[Callable[[str | None, Metadata], None]]:
    """Take the metadata of each finished partition, for the event of that partition. When the block ends early, Dagster
    records nothing of the asset, so the finished partitions are recorded here.

    Args:
        record: also when the block ends well, since no result of the whole asset is to follow.
    """
    done: dict[str | None, Metadata] = {}

    def note(partition: str | None, metadata: Metadata) -> None:
        done[partition] = metadata
        context.add_asset_metadata(metadata, asset, partition)

    try:
        yield note
    except BaseException:
        record = True
        raise
    finally:
        for partition, metadata in done.items() if record else ():
            context.log_event(AssetMaterialization(asset, partition=partition, metadata=metadata))


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


def listed(sentences: Sequence[str]) -> str:
    """The sentences of partitions, a line each: the first twenty."""
    rest = len(sentences) - _MOST_LISTED
    return "\n".join([*sentences[:_MOST_LISTED], *([f"and {rest} more partitions"] if rest > 0 else [])])
