"""Under a run launcher that starts containers, no run begins with a state that goes with its container."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance
from dagster._core.launcher import DefaultRunLauncher

from candu_sync.simulator import Simulator
from candu_sync.state import lasting
from tests.dagster.room import CHANGES, PUSH, Room, failure, people


class ContainerLauncher(DefaultRunLauncher):
    """Named in ``dagster.yaml`` as K8sRunLauncher is; the runs of these tests are in this process."""


@pytest.fixture
def launched(tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    """A project whose instance has that run launcher, and whose state is the default, ``.candu_sync``."""
    (tmp_path / "home").mkdir()
    launcher: dict[str, Any] = {"module": __name__, "class": "ContainerLauncher"}
    with DagsterInstance.local_temp(str(tmp_path / "home"), overrides={"run_launcher": launcher}) as instance:
        room = Room(tmp_path, simulator, instance)
        for name, value in room.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("CANDU_STATE_URL")
        monkeypatch.chdir(tmp_path)
        yield room


def test_a_relative_state_is_refused(launched: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    people(launched)
    assert "ContainerLauncher gives each run a container of its own" in failure(launched.materialize(CHANGES), CHANGES)
    assert "s3://bucket/prefix" in failure(launched.materialize(PUSH), PUSH)
    assert launched.simulator.requests() == []
    assert not (launched.folder / ".candu_sync").exists()
    monkeypatch.setenv("CANDU_STATE_URL", str(launched.folder / "state"))
    assert launched.materialize(CHANGES, PUSH).success
    assert len(launched.simulator.users()) == 3


def test_dagster_plus_is_known(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_CLOUD_DEPLOYMENT_NAME", "prod")
    monkeypatch.setenv("CANDU_STATE_URL", "state")
    people(room)
    assert "Dagster+ gives each run a container" in failure(room.materialize(CHANGES), CHANGES)


def test_a_warning_is_in_the_runs_log(room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lasting, "MARKS", (tmp_path,))
    monkeypatch.setenv("CANDU_STATE_URL", "state")
    people(room)
    result = room.materialize(CHANGES)
    assert result.success
    said = [entry.user_message for entry in room.instance.all_logs(result.run_id) if entry.level == logging.WARNING]
    assert [message for message in said if "this is a container" in message]
