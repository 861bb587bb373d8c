"""A project with Dagster around it, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import (
    DagsterInstance,
)

from candu_sync.simulator import Simulator
from tests.dagster.room import Room


@pytest.fixture
def room(tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    """A project with its settings in the environment."""
    with DagsterInstance.ephemeral() as instance:
        room = Room(tmp_path, simulator, instance)
        for name, value in room.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        yield room




