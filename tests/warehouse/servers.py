"""Servers that the tests start for themselves: MariaDB from the system's binaries, and a stand-in for Snowflake."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import pymysql
import pytest
import uvicorn

from tests.support.waiting import until

MARIADBD = shutil.which("mariadbd") or shutil.which("mysqld")


@contextmanager
def mariadb() -> Iterator[str]:
    """A MariaDB of its own, on a socket in a folder of its own; its SQLAlchemy URL."""
    install = shutil.which("mariadb-install-db") or shutil.which("mysql_install_db")
    if MARIADBD is None or install is None:
        pytest.skip("NOT RUN against MariaDB: there is no mariadbd here (Debian: apt-get install mariadb-server)")
    # A socket's path has room for some hundred characters.
    with TemporaryDirectory(prefix="candu-mariadb-", dir="/tmp") as name:
        folder = Path(name)
        here = ["--no-defaults", f"--datadir={folder}/data", *(["--user=root"] if os.geteuid() == 0 else [])]
        subprocess.run([install, *here, "--auth-root-authentication-method=normal", "--skip-test-db"],
                       check=True, capture_output=True)
        server = subprocess.Popen(
            [MARIADBD, *here, f"--socket={folder}/socket", "--skip-networking", f"--pid-file={folder}/pid",
             "--innodb-buffer-pool-size=32M", "--performance-schema=ON", f"--log-error={folder}/log"],
            stderr=subprocess.DEVNULL)
        try:
            _until_it_answers(f"{folder}/socket", server)
            yield f"mysql://root@localhost/wh?unix_socket={folder}/socket"
        finally:
            server.terminate()
            server.wait(timeout=300)


def _until_it_answers(address: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while True:
        try:
            with pymysql.connect(unix_socket=address, user="root") as connection:
                connection.cursor().execute("create database wh")
                return
        except pymysql.OperationalError:
            assert server.poll() is None, "mariadbd has ended"
            assert time.monotonic() < end, "mariadbd does not answer"
            time.sleep(0.05)


def _fakesnow() -> Any:
    """fakesnow's server. Version 0.12 imports two modules that the connector has no more since its version 5, and uses
    neither of them for what is done here."""
    import snowflake.connector as connector

    for name, class_ in (("converter", "SnowflakeConverter"), ("file_util", "SnowflakeFileUtil")):
        if f"snowflake.connector.{name}" not in sys.modules:
            module: Any = ModuleType(f"snowflake.connector.{name}")
            setattr(module, class_, object)
            sys.modules[module.__name__] = module
            setattr(connector, name, module)
    import fakesnow.server

    return fakesnow.server.app


class _Login:
    """fakesnow with an answer to the login that has all that the connector's version 5 looks for."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not scope["path"].endswith("/login-request"):
            await self._app(scope, receive, send)
            return
        started: dict[str, Any] = {}

        async def answer(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                started.update(message)
                return
            found = json.loads(message["body"])
            found["data"] |= {"masterToken": "master", "sessionId": 1, "validityInSeconds": 3600,
                              "masterValidityInSeconds": 14400}
            body = json.dumps(found).encode()
            headers = [(name, value) for name, value in started["headers"] if name != b"content-length"]
            await send(started | {"headers": [*headers, (b"content-length", str(len(body)).encode())]})
            await send(message | {"body": body})

        await self._app(scope, receive, answer)


@contextmanager
def snowflake() -> Iterator[dict[str, Any]]:
    """fakesnow, which runs Snowflake's SQL on DuckDB, behind Snowflake's own connector: where it listens."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(_Login(_fakesnow()), log_level="critical"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), name="fakesnow", daemon=True)
    thread.start()
    until(lambda: server.started, "fakesnow does not answer")
    yield {"host": "127.0.0.1", "port": listener.getsockname()[1], "protocol": "http"}
    server.should_exit = True
    thread.join(timeout=60)
