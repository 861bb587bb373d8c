"""A project with Dagster around it: the models, warehouse and simulator of ``Lab``, and real instances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetKey,
    AssetsDefinition,
    AssetSelection,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    RetryPolicy,
    materialize,
)

from candu_sync.simulator import Simulator
from candu_sync.syncs.sync import Sync
from dagster_defs.build import build_definitions
from dagster_defs.resources import CanduSyncResource
from tests.support.lab import Lab

CHANGES, PUSH = "candu/users/people_changes", "candu/users/people"
# The op of both, which is the step of a run.
STEP = "users__people"


class Room(Lab):
    """A project's folder and a Dagster instance that works in it."""

    def __init__(self, folder: Path, simulator: Simulator, instance: DagsterInstance) -> None:
        super().__init__(folder, simulator)
        self.simulator = simulator
        self.instance = instance

    def environment(self) -> dict[str, str]:
        """The settings as a person gives them."""
        return {f"CANDU_{name.upper()}": str(value) for name, value in self.overrides.items()}

    def definitions(self) -> Definitions:
        return build_definitions(self.sql, retries=RetryPolicy(max_retries=2, delay=0))

    def materialize(self, *keys: str, partition: str | None = None, tags: dict[str, str] | None = None,
                    **config: Any) -> ExecuteInProcessResult:
        """One run of the assets, whose outcome is for the test to look at. ``config``: the fields of the launchpad."""
        assets = [asset for asset in self.definitions().assets or () if isinstance(asset, AssetsDefinition)]
        ops = {step(key): {"config": config} for key in keys} if config else {}
        return materialize(assets, selection=AssetSelection.assets(*keys), instance=self.instance, raise_on_error=False,
                           partition_key=partition, resources={"candu_sync": CanduSyncResource()},
                           run_config={"ops": ops}, tags=tags)

    def check(self, *names: str) -> ExecuteInProcessResult:
        """One run of checks alone, of the sync users/people."""
        keys = [AssetCheckKey(AssetKey((PUSH if name == "set_aside" else CHANGES).split("/")), name) for name in names]
        assets = [asset for asset in self.definitions().assets or () if isinstance(asset, AssetsDefinition)]
        return materialize(assets, selection=AssetSelection.checks(*keys), instance=self.instance, raise_on_error=False,
                           resources={"candu_sync": CanduSyncResource()})


def step(key: str) -> str:
    """The step that makes an asset."""
    return key.removeprefix("candu/").removesuffix("_changes").replace("/", "__")


def metadata(result: ExecuteInProcessResult, key: str) -> dict[str, Any]:
    """What an asset's materialization in a run says, as plain values."""
    [found] = [event for event in result.asset_materializations_for_node(step(key))
               if event.asset_key == AssetKey(key.split("/"))]
    return {name: value.value for name, value in found.metadata.items()}


def failure(result: ExecuteInProcessResult, key: str) -> str:
    """The sentence that a step of a run failed with."""
    events = [event for event in result.all_events
              if event.is_step_failure and event.step_key == step(key)]
    assert len(events) == 1
    data = events[0].step_failure_data
    assert data.user_failure_data is not None
    return data.user_failure_data.description or ""


def people(room: Room, count: int = 3, yaml: str = "") -> Sync:
    """A sync of users u0, u1, …, whose plan is free."""
    room.table("people", user_id=[f"u{n}" for n in range(count)], plan=["free"] * count)
    return room.sync("users/people", "select * from people", yaml)


def evaluation(result: ExecuteInProcessResult, check: str) -> AssetCheckEvaluation:
    """What a check of a run found."""
    [found] = [found for found in result.get_asset_check_evaluations() if found.check_name == check]
    return found
