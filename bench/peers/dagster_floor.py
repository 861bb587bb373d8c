"""One run of Dagster over assets that do nothing, in the form of the syncs': ``python -P dagster_floor.py SYNCS``.

Each op has two assets and three checks, as a sync has; nothing of candu-sync is loaded. So this is the part of a run
that Dagster takes for itself. An instance is in ``DAGSTER_HOME``.

Prints JSON, as ``dagster_run.py`` does: the seconds of processor of the run, without imports; how many steps.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    DagsterInstance,
    MaterializeResult,
    materialize,
    multi_asset,
)


def main() -> None:
    assets = [_asset(f"s{number}") for number in range(int(sys.argv[1]))]
    with DagsterInstance.get() as instance:
        began = time.process_time()
        result = materialize(assets, instance=instance)
        cpu = time.process_time() - began
    steps = sum(event.is_step_success for event in result.all_events)
    print(json.dumps({"run_cpu": cpu, "steps": steps}))  # noqa: T201


def _asset(name: str) -> AssetsDefinition:
    changes, push = AssetKey(["candu", "users", f"{name}_changes"]), AssetKey(["candu", "users", name])
    checks = {changes: ("guard", "oddities"), push: ("set_aside",)}
    specs = [AssetCheckSpec(check, asset=key, blocking=check == "guard") for key in checks for check in checks[key]]

    @multi_asset(name=f"users__{name}", specs=[AssetSpec(changes), AssetSpec(push, deps=[changes])], check_specs=specs,
                 can_subset=True)
    def empty() -> Iterator[MaterializeResult[Any]]:
        for key, names in checks.items():
            yield MaterializeResult(asset_key=key, check_results=[
                AssetCheckResult(asset_key=key, check_name=check, passed=True) for check in names])

    return empty


if __name__ == "__main__":
    main()
