"""Workspaces of Candu in Dagster: a state belongs to one; several of them share a code location and no name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from dagster import Definitions, DynamicPartitionsDefinition, EnvVar

from candu_sync.routes import CANDU
from candu_sync.simulator import Simulator
from dagster_defs.build import build_definitions
from dagster_defs.names import Names
from dagster_defs.partitions import partitions_def
from dagster_defs.resources import CanduSyncResource
from tests.dagster.room import CHANGES, PUSH, Room, failure, people


@pytest.fixture
def other() -> Iterator[Simulator]:
    with Simulator(key="other-key") as simulator:
        yield simulator


def test_another_url_is_refused_before_anything_is_read(
        room: Room, other: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    people(room)
    assert room.materialize(CHANGES, PUSH).success
    monkeypatch.setenv("CANDU_API_URL", other.url)
    monkeypatch.setenv("CANDU_API_KEY", other.key)
    assert "belongs to Candu at" in failure(room.materialize(CHANGES, PUSH), CHANGES)
    assert other.requests() == []


def test_a_rotated_key_is_asked_about_and_taken_on(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = people(room)
    assert room.materialize(CHANGES, PUSH).success
    # The state was filled with another key than the one that is good now.
    room.state(sync).store.delete("destination.json")
    with room.project() as project:
        project.state.destination(CANDU).take_on(room.simulator.url, "the-old-key")
    people(room, count=4)
    refused = room.materialize(CHANGES, PUSH)
    assert "another API key" in failure(refused, PUSH)
    assert "In Dagster `new_key: true` in the launchpad stands for --new-key" in failure(refused, PUSH)
    assert room.materialize(PUSH, new_key=True).success
    assert len(room.simulator.users()) == 4
    people(room, count=5)
    assert room.materialize(CHANGES, PUSH).success


class Two(NamedTuple):
    """Two workspaces in one code location, with the same sync, each with an environment of its own."""

    definitions: Definitions
    eu: Simulator
    us: Simulator


@pytest.fixture
def two(room: Room, other: Simulator, monkeypatch: pytest.MonkeyPatch) -> Two:
    people(room, yaml="automation: on_upstream\ndeps: [people]")
    for workspace, simulator in (("EU", room.simulator), ("US", other)):
        monkeypatch.setenv(f"CANDU_{workspace}_API_KEY", simulator.key)
        monkeypatch.setenv(f"CANDU_{workspace}_API_URL", simulator.url)
        monkeypatch.setenv(f"CANDU_{workspace}_STATE_URL", str(room.folder / workspace))
    monkeypatch.setenv("WAREHOUSE", f"duckdb:///{room.warehouse}")
    monkeypatch.delenv("CANDU_API_KEY")
    definitions = [build_definitions(room.sql, resource=CanduSyncResource(
        workspace=workspace, warehouse_url=EnvVar("WAREHOUSE"))) for workspace in ("eu", "us")]
    return Two(Definitions.merge(*definitions), room.simulator, other)


def test_two_workspaces_in_one_code_location_share_no_name(two: Two) -> None:
    found = two.definitions.get_repository_def()
    assert {key.to_user_string() for key in found.asset_graph.materializable_asset_keys} == {
        f"candu_{workspace}/users/{name}" for workspace in ("eu", "us") for name in ("people", "people_changes")}
    assert {"candu_eu__users__people", "candu_us__users__people"} <= set(found.job_names)
    assert {sensor.name for sensor in found.sensor_defs} == {"candu_sync_eu_automation", "candu_sync_us_automation"}
    assert {found.asset_graph.get(key).group_name for key in found.asset_graph.materializable_asset_keys} == {
        "candu_eu_users", "candu_us_users"}


def test_each_sends_to_its_own_workspace(two: Two, room: Room) -> None:
    run = two.definitions.resolve_job_def("candu_eu__users__people").execute_in_process(instance=room.instance)
    assert run.success
    assert (len(two.eu.users()), two.us.users()) == (3, {})
    assert run.dagster_run.tags["candu/sync"] == "eu/users/people"
    assert two.definitions.resolve_job_def("candu_us__users__people").execute_in_process(instance=room.instance).success
    assert len(two.us.users()) == 3


def test_a_sentence_names_the_settings_and_commands_of_its_workspace(
        two: Two, room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CANDU_EU_API_KEY")
    run = two.definitions.resolve_job_def("candu_eu__users__people").execute_in_process(
        instance=room.instance, raise_on_error=False)
    said = [str(event.step_failure_data.user_failure_data.description) for event in run.all_events
            if event.is_step_failure and event.step_failure_data.user_failure_data is not None]
    assert len(said) == 1
    assert said[0].startswith("CANDU_EU_API_KEY is not set")


def test_dynamic_partitions_have_keys_of_their_own(room: Room) -> None:
    sync = room.sync("users/segments", "select * from people where plan = :partition",
                     "partitions: {dynamic: plans, values: select distinct plan from people}")
    assert partitions_def(sync.partitions) == DynamicPartitionsDefinition(name="plans")
    assert partitions_def(sync.partitions, Names("eu")) == DynamicPartitionsDefinition(name="eu__plans")


def test_notices_of_one_workspace_are_not_about_the_runs_of_another() -> None:
    assert Names("eu").sync_of("eu/users/people") == "users/people"
    assert Names("eu").sync_of("users/people") is None
    assert Names("eu").sync_of("us/users/people") is None
    assert Names().sync_of("eu/users/people") is None
    assert Names().sync_of("users/people") == "users/people"


def test_a_key_of_another_environment_sends_nothing(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    people(room)
    monkeypatch.setenv("CANDU_ENVIRONMENT", "production")
    assert room.materialize(CHANGES, PUSH).success
    monkeypatch.delenv("CANDU_ENVIRONMENT")
    people(room, count=4)
    assert "is that of the environment production, and CANDU_ENVIRONMENT is not set here" in failure(
        room.materialize(CHANGES, PUSH), CHANGES)
    assert len(room.simulator.users()) == 3
