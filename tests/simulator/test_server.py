"""Starting and stopping: a free port, a taken one, this machine only, an end that waits for nobody."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from candu_sync.simulator import Simulator
from tests.simulator.messages import identify
from tests.support.waiting import delayed, until

SERVE = """
import sys
from pathlib import Path
from candu_sync.simulator import Simulator, serve
serve(Simulator(0, "k", Path(sys.argv[1])), lambda simulator: print(simulator.url, flush=True))
"""


def test_two_run_side_by_side() -> None:
    with Simulator() as one, Simulator(key="other") as two:
        assert one.url == f"http://127.0.0.1:{one.port}/api"
        answer = httpx.post(f"{two.url}/eventWebhook", json=identify("u1"), headers={"authorization": "Bearer other"})
        assert answer.status_code == 200
        assert (one.users(), two.users()) == ({}, {"u1": {"plan": "pro"}})


def test_a_taken_port_is_one_clear_sentence() -> None:
    with Simulator() as simulator, pytest.raises(OSError, match=r"in use\. Choose another port"):
        Simulator(port=simulator.port)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com", "::"])
def test_only_this_machine_is_served(host: str) -> None:
    with pytest.raises(ValueError, match="serves this machine only"):
        Simulator(host=host)


def test_it_stops_without_waiting_for_a_delayed_request_and_an_idle_connection() -> None:
    simulator = Simulator()
    simulator.start()
    simulator.fault("delay", seconds=3600, after=1)
    headers = {"authorization": f"Bearer {simulator.key}"}

    def wait_long() -> None:
        with suppress(httpx.HTTPError):
            httpx.get(f"{simulator.url}/contentMetadata", headers=headers, timeout=120)

    with httpx.Client(headers=headers) as idle:
        assert idle.get(f"{simulator.url}/contentMetadata").status_code == 200
        waiting = threading.Thread(target=wait_long)
        waiting.start()
        until(lambda: delayed(simulator) == 1)
        # Nobody waits for the hour that the request is delayed.
        simulator.stop()
        waiting.join(60)
        assert not waiting.is_alive()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_served_in_the_foreground_until_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    database = tmp_path / "candu.db"
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(database)], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with httpx.Client(headers={"authorization": "Bearer k"}, timeout=60) as client:
            assert client.post(f"{url}/eventWebhook", json=identify("u1", n=1)).status_code == 200
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, errors) == (0, "")
    with Simulator(database=database) as again:
        assert again.users() == {"u1": {"n": 1}}
