"""The sensor of notices, on real runs and a real webhook: what changed is said once, with a link to the run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from dagster import (
    AssetKey,
    DagsterInstance,
    DagsterRunStatus,
    DefaultSensorStatus,
    Definitions,
    SensorDefinition,
    build_sensor_context,
)
from dagster._core.test_utils import create_run_for_test

from candu_sync.settings import load_settings
from dagster_defs.alerts import alerts_where_set, candu_alerts, candu_alerts_sensor
from dagster_defs.resources import CanduSyncResource
from tests.dagster.room import CHANGES, PUSH, Room, people
from tests.support.webhook import Webhook

BASE = "https://dagster.example.com"


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with Webhook() as server:
        monkeypatch.setenv("CANDU_ALERTS_URL", server.url("s3cret"))
        yield server


class Sensor:
    """The sensor as the daemon has it: its cursor is kept from one tick to the next."""

    def __init__(self, instance: DagsterInstance, **options: Any) -> None:
        self.instance, self.cursor = instance, None
        self.sensor: SensorDefinition = candu_alerts_sensor(**{"webserver_base_url": BASE, **options})

    def tick(self) -> str:
        """What the tick says."""
        with build_sensor_context(instance=self.instance, cursor=self.cursor,
                                  resources={"candu_sync": CanduSyncResource()}) as context:
            found = self.sensor.evaluate_tick(context)
            self.cursor = found.cursor or self.cursor
        assert "s3cret" not in str(found.skip_message)
        return str(found.skip_message)


def test_a_guard_that_stopped_a_run_and_its_recovery(room: Room, webhook: Webhook) -> None:
    people(room, yaml="guard: {min_rows: 9}\nowners: [team:growth]")
    sensor = Sensor(room.instance)
    result = room.materialize(CHANGES, PUSH)
    assert not result.success
    place = f"127.0.0.1:{webhook.server_port}"
    assert sensor.tick() == f"users/people was stopped by a guard: the webhook at {place} has the notice"
    [body] = webhook.take()
    [problem] = body["problems"]
    assert problem["code"] == "guarded"
    assert "the model returned 3 rows, min_rows is 9" in problem["sentence"]
    assert (body["link"], body["owners"]) == (f"{BASE}/runs/{result.run_id}", ["team:growth"])
    room.materialize(CHANGES, PUSH)
    assert sensor.tick() == "nothing is new"
    people(room, count=9, yaml="guard: {min_rows: 9}")
    result = room.materialize(CHANGES, PUSH)
    assert result.success
    assert "users/people is well again" in sensor.tick()
    [body] = webhook.take()
    assert (body["state"], body["link"]) == ("recovered", f"{BASE}/runs/{result.run_id}")
    assert sensor.tick() == "nothing is new"


def test_a_preview_that_a_guard_would_stop_is_no_trouble(room: Room, webhook: Webhook) -> None:
    people(room, yaml="guard: {min_rows: 9}")
    job = room.definitions().resolve_job_def("candu__users__people")
    preview = job.execute_in_process(instance=room.instance, asset_selection=[AssetKey(CHANGES.split("/"))],
                                     raise_on_error=False)
    assert not preview.success
    assert Sensor(room.instance).tick() == "nothing is new"


def test_a_wrong_key_is_said_once(room: Room, webhook: Webhook) -> None:
    people(room)
    room.simulator.fault("status", status=401)
    sensor = Sensor(room.instance)
    for _ in range(2):
        room.materialize(CHANGES, PUSH)
        sensor.tick()
    [body] = webhook.take()
    assert [problem["code"] for problem in body["problems"]] == ["failing"]
    assert "CANDU_API_KEY" in body["text"]
    assert room.simulator.key not in body["text"]
    assert "Traceback" not in body["text"]


def test_a_run_that_failed_before_it_reached_the_state(
        room: Room, webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    people(room)
    key = os.environ["CANDU_API_KEY"]
    monkeypatch.delenv("CANDU_API_KEY")
    result = room.materialize(PUSH, tags={"candu/sync": "users/people"})
    monkeypatch.setenv("CANDU_API_KEY", key)
    sensor = Sensor(room.instance)
    for _ in range(3):
        sensor.tick()
    [body] = webhook.take()
    [problem] = body["problems"]
    assert problem["code"] == "failing"
    assert "CANDU_API_KEY is not set" in problem["sentence"]
    assert body["link"] == f"{BASE}/runs/{result.run_id}"
    room.materialize(CHANGES, PUSH)
    sensor.tick()
    assert [body["state"] for body in webhook.take()] == ["recovered"]


def test_a_run_whose_process_was_killed(room: Room, webhook: Webhook) -> None:
    """Dagster finds out, and no step has said anything."""
    people(room)
    run = create_run_for_test(room.instance, asset_selection=frozenset([AssetKey(PUSH.split("/"))]),
                              status=DagsterRunStatus.STARTED)
    room.instance.report_run_failed(run)
    sensor = Sensor(room.instance)
    sensor.tick()
    sensor.tick()
    [body] = webhook.take()
    assert "ended before it could say why. The page of the run has the error" in body["problems"][0]["sentence"]


def test_a_sync_that_is_being_run_is_left_alone(room: Room, webhook: Webhook) -> None:
    """Its first try may have failed, and the next one may work."""
    people(room, yaml="guard: {min_rows: 9}")
    room.materialize(CHANGES, PUSH)
    run = create_run_for_test(room.instance, asset_selection=frozenset([AssetKey(PUSH.split("/"))]),
                              status=DagsterRunStatus.STARTED)
    sensor = Sensor(room.instance)
    assert sensor.tick() == "nothing is new"
    room.instance.report_run_canceled(run)
    assert "was stopped by a guard" in sensor.tick()


def test_partitions_that_are_being_run_do_not_hide_others(room: Room, webhook: Webhook) -> None:
    room.table("people", user_id=["u1"], plan=["free"])
    room.sync("users/people", "select user_id || :partition as user_id, plan from people",
              "partitions: {static: [eu, us]}\nguard: {min_rows: 9}")
    for key in ("eu", "us"):
        room.materialize(CHANGES, PUSH, partition=key)
    run = create_run_for_test(room.instance, asset_selection=frozenset([AssetKey(PUSH.split("/"))]),
                              status=DagsterRunStatus.STARTED, tags={"dagster/partition": "us"})
    sensor = Sensor(room.instance)
    sensor.tick()
    assert [problem["partition"] for problem in webhook.take()[0]["problems"]] == ["eu"]
    room.instance.report_run_canceled(run)
    sensor.tick()
    assert [problem["partition"] for problem in webhook.take()[0]["problems"]] == ["us"]


def test_a_webhook_that_refuses_is_tried_again_in_the_next_tick(room: Room, webhook: Webhook) -> None:
    people(room, yaml="guard: {min_rows: 9}")
    room.materialize(CHANGES, PUSH)
    webhook.status = 404
    sensor = Sensor(room.instance)
    assert "did not take the notice: it answered HTTP 404. The next time tries again" in sensor.tick()
    webhook.status = 200
    assert "has the notice" in sensor.tick()


def test_the_command_line_and_dagster_share_what_was_said(room: Room, webhook: Webhook) -> None:
    from candu_sync import Project
    from candu_sync.operate import alert
    from candu_sync.syncs import load_syncs

    people(room, yaml="guard: {min_rows: 9}")
    room.materialize(CHANGES, PUSH)
    Sensor(room.instance).tick()
    with Project(load_settings()) as project:
        assert alert(project, load_syncs(room.sql)) == []


def test_a_link_by_the_setting(room: Room, webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDU_RUN_URL", "https://other.example/r/{run_id}")
    people(room, yaml="guard: {min_rows: 9}")
    result = room.materialize(CHANGES, PUSH)
    Sensor(room.instance, webserver_base_url=None).tick()
    assert webhook.take()[0]["link"] == f"https://other.example/r/{result.run_id}"


def test_without_a_base_url_there_is_no_link(room: Room, webhook: Webhook) -> None:
    people(room, yaml="guard: {min_rows: 9}")
    room.materialize(CHANGES, PUSH)
    Sensor(room.instance, webserver_base_url=None).tick()
    assert webhook.take()[0]["link"] is None


def test_without_an_address_a_tick_says_so(room: Room) -> None:
    people(room)
    assert Sensor(room.instance).tick() == "CANDU_ALERTS_URL is not set"


def test_a_state_that_cannot_be_reached_ends_no_sensor(
        room: Room, webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    people(room)
    monkeypatch.setenv("CANDU_STATE_URL", str(room.folder / "warehouse.duckdb"))
    assert Sensor(room.instance).tick().startswith("no notice was sent: ")


def test_it_is_one_line_and_on(room: Room) -> None:
    people(room)
    defs = Definitions.merge(room.definitions(), candu_alerts())
    repository = defs.get_repository_def()
    assert repository.get_sensor_def("candu_alerts").default_status == DefaultSensorStatus.RUNNING
    assert "candu_alerts" not in {one.name for one in room.definitions().get_repository_def().sensor_defs}


def test_the_repository_s_own_code_location_has_it_where_there_is_an_address(
        room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(alerts_where_set().sensors or ()) == []
    monkeypatch.setenv("CANDU_ALERTS_URL", "https://example.com/hook")
    for rate in ("10", "fast"):
        monkeypatch.setenv("CANDU_RATE", rate)
        assert [one.name for one in alerts_where_set().sensors or ()] == ["candu_alerts"]
