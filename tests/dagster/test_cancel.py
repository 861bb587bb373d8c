"""A run that is cancelled in a process of its own commits what Candu accepted, and the next one sends the rest."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dagster import AssetKey, DagsterInstance, DagsterRunStatus

from candu_sync.state import read_last_run
from tests.dagster.room import CHANGES, PUSH, Room, people

CONFIGURATION = Path(__file__).parents[2] / "dagster.yaml"

RUN = """
from dagster import DagsterInstance
from dagster_defs.definitions import defs
with DagsterInstance.get() as instance:
    job = defs.resolve_job_def("candu__users__people")
    job.execute_in_process(instance=instance, raise_on_error=False)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An instance's folder, with the configuration that is shipped."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(CONFIGURATION, home)
    return home


def cancelled(room: Room, home: Path, number: signal.Signals) -> None:
    """Start a run, and end it by a signal once Candu has a few users."""
    environment = os.environ | room.environment() | {"DAGSTER_HOME": str(home), "CANDU_BATCH_SIZE": "10"}
    process = subprocess.Popen([sys.executable, "-c", RUN], env=environment, cwd=room.folder,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while len(room.simulator.users()) < 40:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    process.wait(240)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_what_was_accepted_is_committed_and_only_the_rest_is_sent(
        room: Room, home: Path, number: signal.Signals) -> None:
    sync = people(room, count=1000)
    room.simulator.fault("delay", seconds=0.2)
    cancelled(room, home, number)
    accepted = len(room.simulator.users())
    assert 40 <= accepted < 1000
    assert room.state(sync).current().rows == accepted
    last = read_last_run(room.state(sync))
    assert (last["status"], last["accepted"], last["unsent"]) == ("failed", accepted, 1000 - accepted)
    with DagsterInstance.from_config(str(home)) as instance:
        [run] = instance.get_runs()
        assert run.status in (DagsterRunStatus.CANCELED, DagsterRunStatus.FAILURE)
        assert run.tags["candu/accepted"] == str(accepted)
        assert not instance.get_latest_materialization_event(AssetKey(PUSH.split("/")))
    room.simulator.clear_faults()
    assert room.materialize(CHANGES, PUSH).success
    assert len(room.simulator.users()) == 1000
    assert len(room.simulator.messages()) == 1000


def test_the_run_has_its_counts_where_an_object_store_had_a_run_before(room: Room, home: Path, s3_url: str) -> None:
    """What is read of the run before, when the state is opened, is not taken for what this run left."""
    room.overrides["state_url"] = s3_url
    people(room, count=3)
    assert room.materialize(CHANGES, PUSH).success
    people(room, count=1000)
    room.simulator.fault("delay", seconds=0.2)
    cancelled(room, home, signal.SIGTERM)
    with DagsterInstance.from_config(str(home)) as instance:
        [run] = instance.get_runs()
        assert run.tags["candu/accepted"] == str(len(room.simulator.messages()) - 3)


def test_the_shipped_configuration_is_what_the_instance_takes(home: Path) -> None:
    with DagsterInstance.from_config(str(home)) as instance:
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_poll_interval_seconds == 10
        assert instance.run_monitoring_max_runtime_seconds == 21600
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 1
        assert instance.run_retries_enabled
        assert not instance.run_retries_retry_on_asset_or_op_failure


def test_after_a_process_that_was_killed_the_push_alone_sends_the_rest(room: Room, home: Path) -> None:
    sync = people(room, count=1000)
    room.simulator.fault("delay", seconds=0.2)
    cancelled(room, home, signal.SIGKILL)
    room.simulator.clear_faults()
    assert room.materialize(PUSH).success
    assert room.state(sync).current().rows == 1000
    assert len(room.simulator.users()) == 1000
    # Two workers had a request of ten under way, whose answers nobody took down.
    assert len(room.simulator.messages()) <= 1020
