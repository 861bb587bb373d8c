#!/bin/sh
# dagster 1.13.27: a partitioned asset check that runs over a range of partitions is recorded without a partition.
#
# A guess: with `AssetCheckSpec(partitions_def=…)` each result belongs to a partition, or to each partition of the range,
# as materializations do. In fact a run of one partition records its key, and a run of a range (a backfill policy of a
# single run) records one result whose partition is None, though the materializations of the same step have their keys.
#
# Seen: one partition: check a, materializations a; range a to c: check None, materializations a, b, c
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dagster==1.13.27
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

warnings.simplefilter("ignore")
from dagster import (AssetCheckResult, AssetCheckSpec, AssetSpec, BackfillPolicy, DagsterInstance, MaterializeResult,
                     StaticPartitionsDefinition, materialize, multi_asset)

KEYS = StaticPartitionsDefinition(["a", "b", "c"])


@multi_asset(specs=[AssetSpec("orders", partitions_def=KEYS)], backfill_policy=BackfillPolicy.single_run(),
             check_specs=[AssetCheckSpec("is_right", asset="orders", partitions_def=KEYS)])
def orders():
    yield MaterializeResult(check_results=[AssetCheckResult(passed=True)])


def run(**how):
    with DagsterInstance.ephemeral() as instance:
        result = materialize([orders], instance=instance, **how)
        made = sorted(event.step_materialization_data.materialization.partition
                for event in result.get_asset_materialization_events())
        return [found.partition for found in result.get_asset_check_evaluations()], made


one = run(partition_key="a")
several = run(tags={"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "c"})
print("one partition:", one, "range:", several)
assert one == (["a"], ["a"])
assert several == ([None], ["a", "b", "c"])
PYTHON
