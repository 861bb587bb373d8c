#!/bin/sh
# dagster 1.13.27: AutomationCondition.on_missing() never asks for an asset that has no upstream and no partitions.
#
# A guess: an asset that was never materialized is missing, and is asked for at the next evaluation, or the one after.
# In fact nothing is requested, however often the condition is evaluated.
#
# Seen: five evaluations, 0 requests; AutomationCondition.missing() requests it
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dagster==1.13.27
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from dagster import AutomationCondition, DagsterInstance, Definitions, asset, evaluate_automation_conditions


def requests(condition):
    @asset(automation_condition=condition)
    def report() -> None: ...

    instance, cursor, counts = DagsterInstance.ephemeral(), None, []
    for _ in range(5):
        result = evaluate_automation_conditions(Definitions(assets=[report]), instance, cursor=cursor)
        cursor = result.cursor
        counts.append(result.total_requested)
    return counts


on_missing, missing = requests(AutomationCondition.on_missing()), requests(AutomationCondition.missing())
print("on_missing:", on_missing, "missing:", missing)
assert on_missing == [0, 0, 0, 0, 0]
assert missing[0] == 1
PYTHON
