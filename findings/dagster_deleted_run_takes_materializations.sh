#!/bin/sh
# dagster 1.13.27: `delete_run` takes the materializations of the run with it, and what Dagster says of the partition then
# depends on what it was asked before.
#
# A guess: a run is a record of work that was done; when old runs are deleted, a partition stays materialized.
# In fact its events go with the run. `get_materialized_partitions` no longer has the partition. The status cache of the
# asset, which automation conditions read, is not told: if it was filled before, the partition still counts as
# materialized there; if not, AutomationCondition.missing() asks for it again.
#
# Seen: partitions a and b, the run of a deleted: materialized b; missing() asks for a, and with a filled cache for none
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dagster==1.13.27
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import logging

import dagster
from dagster import (
    AutomationCondition,
    DagsterInstance,
    Definitions,
    StaticPartitionsDefinition,
    asset,
    evaluate_automation_conditions,
    materialize,
)

logging.disable(logging.CRITICAL)


@asset(partitions_def=StaticPartitionsDefinition(["a", "b"]), automation_condition=AutomationCondition.missing())
def rows() -> None: ...


def materialized(instance):
    return sorted(instance.get_materialized_partitions(rows.key))


def missing(instance):
    found = evaluate_automation_conditions(Definitions(assets=[rows]), instance)
    return sorted(found.get_requested_partitions(rows.key))


def after_the_run_of_a_is_deleted(*, asked_before):
    with DagsterInstance.local_temp() as instance:
        runs = {key: materialize([rows], partition_key=key, instance=instance).run_id for key in ("a", "b")}
        assert materialized(instance) == ["a", "b"]
        if asked_before:
            assert missing(instance) == []
        instance.delete_run(runs["a"])
        return materialized(instance), missing(instance)


print("dagster", dagster.__version__)
for asked_before, seen in ((False, (["b"], ["a"])), (True, (["b"], []))):
    found = after_the_run_of_a_is_deleted(asked_before=asked_before)
    print("status asked before:", asked_before, "materialized:", found[0], "missing() asks for:", found[1])
    assert found == seen
PYTHON
