#!/bin/sh
# dagster 1.13.27: an asset check that returns a bare bool records nothing and blocks nothing.
#
# A guess: `return False` fails the check, as it does in many testing tools, or raises an error. In fact the bool is taken
# for an ordinary output of the step: no evaluation is recorded, what a blocking check should stop goes on, and the run
# succeeds. AssetCheckResult(passed=False) fails it.
#
# Seen: with False: the run succeeds, 0 evaluations, the asset behind it is materialized; with AssetCheckResult: the run
# fails, 1 evaluation, the asset behind it is not materialized
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dagster==1.13.27
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from dagster import AssetCheckResult, asset, asset_check, materialize


def run(answer):
    @asset
    def orders() -> None: ...

    @asset_check(asset=orders, blocking=True)
    def is_right():
        return answer

    @asset(deps=[orders])
    def report() -> None: ...

    result = materialize([orders, is_right, report], raise_on_error=False)
    made = [event.asset_key.to_user_string() for event in result.get_asset_materialization_events()]
    return result.success, len(result.get_asset_check_evaluations()), "report" in made


bare, proper = run(False), run(AssetCheckResult(passed=False))
print("False:", bare, "AssetCheckResult:", proper)
assert bare == (True, 0, True)
assert proper == (False, 1, False)
PYTHON
