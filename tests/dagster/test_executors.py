"""What runs the syncs: executors of one's own, pools, the order of runs, and Celery's launcher."""

from __future__ import annotations

from collections.abc import Iterator
from unittest import mock

import pytest
from dagster import (
    AssetsDefinition,
    DagsterInstance,
    DagsterRunStatus,
    ExecutorDefinition,
    in_process_executor,
    multiprocess_executor,
)
from dagster._core.test_utils import create_run_for_test

from dagster_defs.build import build_definitions
from dagster_defs.names import PRIORITY_TAG
from tests.dagster.room import Room, people


@pytest.mark.parametrize("executor", [in_process_executor, multiprocess_executor, None])
def test_the_executor_is_the_callers(room: Room, executor: ExecutorDefinition | None) -> None:
    people(room)
    definitions = build_definitions(room.sql, executor=executor)
    assert definitions.executor is executor
    if executor is not None:
        assert definitions.resolve_job_def("candu__users__people").executor_def is executor


@pytest.mark.parametrize(("name", "yaml", "alone"), [
    ("users/people", "", True),
    ("users/people", "partitions: {daily: 2026-01-01}", True),
    ("users/people", "partitions: {static: [eu, us]}\nremoved: {region: none}", True),
    ("users/people", "partitions: {daily: 2026-01-01, shards: 4}", True),
    ("users/people", "partitions: {static: [eu, us]}", False),
    ("users/people", "partitions: {shards: 4}\nremoved: {region: none}", False),
    ("events/seen", "", True),
    ("events/seen", "partitions: {daily: 2026-01-01}", False),
])
def test_runs_wait_for_each_other_only_where_their_order_matters(
        room: Room, name: str, yaml: str, alone: bool) -> None:
    room.sync(name, "select * from people", yaml)
    [assets] = build_definitions(room.sql).assets or ()
    assert isinstance(assets, AssetsDefinition)
    assert assets.op.pool == (f"candu_sync/{name}" if alone else None)


def test_runs_of_users_go_before_those_of_groups_and_events(room: Room) -> None:
    people(room)
    room.sync("groups/teams", "select 'g' as group_id, user_id from people")
    room.sync("events/seen", "select 'e' as event_id, user_id, 'x' as event, now() as timestamp from people")
    definitions = build_definitions(room.sql)
    found = [int(definitions.resolve_job_def(f"candu__{name}").tags[PRIORITY_TAG])
             for name in ("users__people", "groups__teams", "events__seen")]
    assert found == [2, 1, 0]


class TestCelery:
    @pytest.fixture
    def instance(self) -> Iterator[DagsterInstance]:
        with DagsterInstance.local_temp(overrides={"run_launcher": {
                "module": "dagster_defs.celery_launcher", "class": "CancellableCeleryRunLauncher",
                "config": {"broker": "memory://", "backend": "cache+memory://"}}}) as instance:
            yield instance

    def test_a_run_that_is_cancelled_is_reported_before_its_process_ends(self, instance: DagsterInstance) -> None:
        run = create_run_for_test(instance, status=DagsterRunStatus.STARTED, tags={"dagster-celery/task_id": "task-1"})
        seen: list[DagsterRunStatus | None] = []

        def revoke(*_: object, **__: object) -> None:
            found = instance.get_run_by_id(run.run_id)
            seen.append(found.status if found else None)

        with mock.patch("celery.result.AsyncResult.revoke", revoke):
            assert instance.run_launcher.terminate(run.run_id)
        assert seen == [DagsterRunStatus.CANCELING]

    @pytest.mark.parametrize(("status", "tags"), [
        (DagsterRunStatus.SUCCESS, {"dagster-celery/task_id": "task-1"}), (DagsterRunStatus.STARTING, {})])
    def test_a_run_that_ended_or_has_no_worker_is_left_alone(
            self, instance: DagsterInstance, status: DagsterRunStatus, tags: dict[str, str]) -> None:
        run = create_run_for_test(instance, status=status, tags=tags)
        assert not instance.run_launcher.terminate(run.run_id)
        found = instance.get_run_by_id(run.run_id)
        assert found is not None
        assert found.status == status
        assert not instance.run_launcher.terminate("no-such-run")
