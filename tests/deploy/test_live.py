"""The services of compose.yaml, started from what the image holds: Dagster on PostgreSQL, the state in S3.

Run by `make check-deploy`, which makes the image's environment; DEPLOY_VENV is its folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import yaml
from sqlalchemy import create_engine, text

from candu_sync.simulator import Simulator
from tests.dagster.live import Live, until
from tests.support.lab import Lab

DEPLOY = Path(__file__).parents[2] / "deploy"
VENV = os.environ.get("DEPLOY_VENV", "")
SERVICES = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())["services"]

pytestmark = pytest.mark.skipif(not VENV, reason="make check-deploy runs it")

LAUNCH = """mutation($selector: JobOrPipelineSelector!) {
  launchRun(executionParams: {selector: $selector, mode: "default", runConfigData: {}}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } } } }"""
STATUS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
DAEMONS = "{ instance { daemonHealth { allDaemonStatuses { daemonType healthy required } } } }"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Services:
    """The services that were started, by name."""

    def __init__(self, lab: Lab, environment: dict[str, str]) -> None:
        self.folder = lab.folder
        self.environment = environment
        self.ports = {"code": free_port(), "webserver": free_port()}
        home = lab.folder / "home"
        home.mkdir()
        shutil.copy(DEPLOY / "compose/dagster.yaml", home)
        workspace = (DEPLOY / "compose/workspace.yaml").read_text()
        (home / "workspace.yaml").write_text(workspace.replace("host: code, port: 4000",
                                                               f"host: 127.0.0.1, port: {self.ports['code']}"))

    @contextmanager
    def service(self, name: str) -> Iterator[subprocess.Popen[bytes]]:
        """A service by the command that compose.yaml gives it, at a port of its own."""
        command = [str(self.ports.get(name)) if word in ("3000", "4000") else
                   word.replace("/opt/dagster/home", str(self.folder / "home")).replace("0.0.0.0", "127.0.0.1")
                   for word in SERVICES[name]["command"]]
        command[0] = f"{VENV}/bin/{command[0]}"
        with (self.folder / f"{name}.log").open("w") as log:
            process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=log, stderr=log,
                                       start_new_session=True)
            try:
                yield process
            finally:
                for number in (signal.SIGTERM, signal.SIGKILL):
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, number)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(15)


@contextmanager
def by_tcp(folder: str) -> Iterator[int]:
    """The port at which a PostgreSQL answers that listens in a folder only."""
    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    class Forward(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as server:
                server.connect(f"{folder}/.s.PGSQL.5432")
                back = threading.Thread(target=pump, args=(server, self.request))
                back.start()
                pump(self.request, server)
                back.join()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Forward) as forwarding:
        threading.Thread(target=forwarding.serve_forever, daemon=True).start()
        yield int(forwarding.server_address[1])
        forwarding.shutdown()


def new_database(url: str) -> str:
    """Make a database for Dagster. Returns the folder in which its server listens."""
    with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("drop database if exists dagster"))
        connection.execute(text("create database dagster"))
    return parse_qs(urlsplit(url).query)["host"][0]


def run(dagster: Live, job: str) -> str:
    """Launch a job, and wait for its end: the status of the run."""
    location = {"repositoryLocationName": "candu-sync", "repositoryName": "__repository__"}
    launched = dagster.ask(LAUNCH, selector={**location, "pipelineName": job})["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched.get("message", launched)
    number = launched["run"]["runId"]

    def ended() -> str | None:
        status = str(dagster.ask(STATUS, id=number)["runOrError"]["status"])
        return status if status in ("SUCCESS", "FAILURE", "CANCELED") else None

    return until(ended, 120, "the run ends")


def test_the_services_work_together(lab: Lab, simulator: Simulator, postgres_url: str, s3_url: str) -> None:
    lab.table("people", user_id=["u1", "u2"], plan=["pro", "free"])
    lab.sync("users/people", "select * from people")
    lab.overrides["state_url"] = s3_url
    candu = {f"CANDU_{name.upper()}": str(value) for name, value in lab.overrides.items()}
    (lab.folder / "logs").mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment |= candu | {
        "DAGSTER_POSTGRES_HOST": "127.0.0.1", "DAGSTER_POSTGRES_USER": "postgres", "DAGSTER_POSTGRES_DB": "dagster",
        "DAGSTER_POSTGRES_PASSWORD": "not asked for",
        "DAGSTER_HOME": str(lab.folder / "home"), "DAGSTER_LOGS": str(lab.folder / "logs"),
        "PATH": f"{VENV}/bin:{os.environ['PATH']}"}
    services = Services(lab, environment)
    with ExitStack() as stack:
        environment["DAGSTER_POSTGRES_PORT"] = str(stack.enter_context(by_tcp(new_database(postgres_url))))
        code = stack.enter_context(services.service("code"))
        health = [f"{VENV}/bin/{SERVICES['code']['healthcheck']['test'][1]}",
                  *SERVICES["code"]["healthcheck"]["test"][2:-1], str(services.ports["code"])]
        until(lambda: subprocess.run(health, env=environment, capture_output=True, check=False).returncode == 0, 90,
              "the code location is healthy")
        stack.enter_context(services.service("webserver"))
        stack.enter_context(services.service("daemon"))
        dagster = Live(services.ports["webserver"])
        until(dagster.assets, 90, "the pages answer")
        job = next(job for job in jobs(dagster) if job in ("candu__users__people", "__ASSET_JOB"))
        assert run(dagster, job) == "SUCCESS", (lab.folder / "code.log").read_text()[-3000:]
        assert simulator.users() == {"u1": {"plan": "pro"}, "u2": {"plan": "free"}}
        requests = len(simulator.requests())
        assert run(dagster, job) == "SUCCESS"
        assert len(simulator.requests()) == requests
        until(lambda: healthy(dagster), 90, "the daemons are healthy")
        assert list((lab.folder / "logs").rglob("*.err"))
        assert code.poll() is None
    listed = httpx.get(f"{os.environ['AWS_ENDPOINT_URL']}/{s3_url.split('/')[2]}").text
    assert "some/prefix/users.people/-/versions/00000001.json" in listed


def jobs(dagster: Live) -> list[str]:
    found = dagster.ask("{ repositoriesOrError { ... on RepositoryConnection { nodes { jobs { name } } } } }")
    return [job["name"] for node in found["repositoriesOrError"]["nodes"] for job in node["jobs"]]


def healthy(dagster: Live) -> bool:
    daemons: list[dict[str, Any]] = dagster.ask(DAEMONS)["instance"]["daemonHealth"]["allDaemonStatuses"]
    needed = [daemon for daemon in daemons if daemon["required"]]
    return bool(needed) and all(daemon["healthy"] for daemon in needed)
