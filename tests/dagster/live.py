"""Dagster as a person has it open: `dagster dev` with its webserver and daemon, on a project in a folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
from dagster import DagsterInstance

from tests.support.lab import Lab

ROOT = Path(__file__).parents[2]

T = TypeVar("T")


class Live:
    """A running Dagster. ``url``: that of its pages."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """What the pages' own API answers."""
        answer = httpx.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=240,
                            verify=False)
        body: dict[str, Any] = answer.json()
        assert "errors" not in body, body["errors"]
        return dict(body["data"])

    def reload(self) -> None:
        """As *Reload definitions* does it."""
        self.ask("mutation { reloadWorkspace { __typename } }")

    def assets(self) -> set[str]:
        """The keys of the assets of all code locations; empty while none has loaded."""
        try:
            nodes = self.ask("{ assetNodes { assetKey { path } } }")["assetNodes"]
        except httpx.HTTPError:
            return set()
        return {"/".join(node["assetKey"]["path"]) for node in nodes}


def until(found: Callable[[], T], seconds: float, what: str) -> T:
    """What ``found`` gives, once it is anything."""
    end = time.monotonic() + seconds
    while not (result := found()):
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.2)
    return result


def dagster_home(lab: Lab) -> Path:
    """A home for Dagster in the project's folder, with the repository's dagster.yaml."""
    home = lab.folder / "home"
    home.mkdir(exist_ok=True)
    shutil.copy(ROOT / "dagster.yaml", home)
    return home


def settings(lab: Lab) -> dict[str, str]:
    """The environment of a process that works on the project."""
    candu = {f"CANDU_{name.upper()}": str(value) for name, value in lab.overrides.items()}
    return os.environ | candu | {"DAGSTER_HOME": str(dagster_home(lab))}


@contextmanager
def instance_of(lab: Lab) -> Iterator[DagsterInstance]:
    """The instance of the project's home."""
    with DagsterInstance.from_config(str(dagster_home(lab))) as instance:
        yield instance


@contextmanager
def live(lab: Lab, *words: str) -> Iterator[Live]:
    """`dagster dev` on the project, until the block ends. ``words``: in place of the module."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "dagster", "dev", "--port", str(port), "--live-data-poll-rate", "500",
               *(words or ("--module-name", "dagster_defs.definitions"))]
    with (lab.folder / "dagster.log").open("w") as log:
        # A session of its own: its children end with it.
        process = subprocess.Popen(command, cwd=lab.folder, env=settings(lab), stdout=log, stderr=log,
                                   start_new_session=True)
        try:
            dagster = Live(port)
            until(dagster.assets, 240, "Dagster answers")
            yield dagster
        finally:
            # It may wait for its pages to be closed. Nothing of it is looked at any more.
            for number, seconds in ((signal.SIGTERM, 5), (signal.SIGKILL, 60)):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(seconds)
