"""Dagster as it is deployed on several machines: its configuration, what it is asked for, and what it says of runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from dagster import AssetKey, DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from dagster_defs.names import ALONE

SHIPPED = Path(__file__).parents[1] / "dagster.yaml"

BACKFILL_TAG, PARTITION_TAG, PARENT_TAG = "dagster/backfill", "dagster/partition", "dagster/parent_run_id"
CELERY = "dagster_defs.celery_launcher.CancellableCeleryRunLauncher"

# Seconds after which a run counts as dead: longer than the lease of a claim, which a run may have to wait for.
LONGEST_RUN = 200

_BACKFILL = """mutation ($assets: [AssetKeyInput!]!, $names: [String!]!) {
  launchPartitionBackfill(backfillParams: {assetSelection: $assets, partitionNames: $names, fromFailure: false}) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
_CANCEL = """mutation ($run: String!) { terminateRun(runId: $run, terminatePolicy: SAFE_TERMINATE) {
    __typename ... on PythonError { message } ... on TerminateRunFailure { message } } }"""
_UNDER_WAY = (DagsterRunStatus.NOT_STARTED, DagsterRunStatus.QUEUED, DagsterRunStatus.STARTING,
              DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING)


@dataclass(frozen=True)
class Part:
    """One partition of a sync."""

    sync: str
    partition: str


def configuration(storage: str, broker: str, *, slots: int, drill: bool = True,
                  launcher: str | None = CELERY) -> str:
    """dagster.yaml as it is shipped, with a storage and a launcher.

    Args:
        storage: the address of a PostgreSQL.
        broker: the URL of a Redis, without a number of a database.
        slots: how many runs the workers take at once.
        drill: with intervals that suit a drill of some minutes, and more retries, since it kills a shard again and
            again.
        launcher: module and class; None: Dagster's own.
    """
    body: dict[str, Any] = yaml.safe_load(SHIPPED.read_text("utf-8"))
    body["storage"] = {"postgres": {"postgres_url": f"postgresql+psycopg2://postgres@{storage}/dagster"}}
    if launcher:
        module, _, name = launcher.rpartition(".")
        body["run_launcher"] = {"module": module, "class": name,
                                "config": {"broker": f"{broker}/0", "backend": f"{broker}/1"}}
    body["concurrency"]["runs"] = {"max_concurrent_runs": slots}
    if drill:
        body["run_monitoring"] |= {"poll_interval_seconds": 5, "max_runtime_seconds": LONGEST_RUN,
                                   "start_timeout_seconds": 60, "free_slots_after_run_end_seconds": 10}
        body["run_retries"] |= {"max_retries": 10}
    return yaml.safe_dump(body)


class Orchestrator:
    """The webserver's API, and the instance's storage."""

    def __init__(self, port: int, home: Path) -> None:
        self._url = f"http://127.0.0.1:{port}/graphql"
        self.instance = DagsterInstance.from_config(str(home))

    def close(self) -> None:
        self.instance.dispose()

    def backfill(self, sync: str, partitions: Iterable[str]) -> str | None:
        """The id of a backfill of a sync's partitions; None: Dagster does not know them yet."""
        assets = [{"path": key.path} for key in (ALONE.changes_key(sync), ALONE.push_key(sync))]
        answer = self._ask(_BACKFILL, assets=assets, names=list(partitions)).get("launchPartitionBackfill", {})
        return str(answer["backfillId"]) if "backfillId" in answer else None

    def cancel(self, run_id: str) -> str:
        """Cancel a run as the button does; what Dagster answers."""
        return str(self._ask(_CANCEL, run=run_id).get("terminateRun"))

    def _ask(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = httpx.post(self._url, json={"query": query, "variables": variables}, timeout=60, trust_env=False)
        return dict(answer.json().get("data") or {})

    def runs(self, backfills: Collection[str]) -> list[DagsterRun]:
        """All runs of backfills, retries among them."""
        found: list[DagsterRun] = []
        for backfill in backfills:
            found += self.instance.get_runs(RunsFilter(tags={BACKFILL_TAG: backfill}))
        return found

    def started(self) -> list[DagsterRun]:
        """The runs that are at work, as far as Dagster knows."""
        return list(self.instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED])))


def under_way(runs: Iterable[DagsterRun]) -> list[DagsterRun]:
    """Those that have not ended."""
    return [run for run in runs if run.status in _UNDER_WAY]


def part_of(run: DagsterRun) -> Part:
    """The sync and partition of a run."""
    keys = {key.to_user_string().removeprefix("candu/") for key in run.asset_selection or set[AssetKey]()}
    [sync] = {key for key in keys if not (key.endswith("_changes") and key.removesuffix("_changes") in keys)}
    return Part(sync, run.tags[PARTITION_TAG])
