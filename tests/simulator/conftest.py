"""A simulator without memories for each test, a client that holds its key, and a browser that looks at its pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from candu_sync.simulator import Simulator
from tests.simulator.messages import Send


@pytest.fixture(scope="package")
def running() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def sim(running: Simulator) -> Simulator:
    """A simulator that knows nothing yet: one runs for all tests."""
    running.reset()
    return running


@pytest.fixture
def http(sim: Simulator) -> Iterator[httpx.Client]:
    """A client of the simulator's root, with the right key."""
    with httpx.Client(base_url=sim.page, headers={"authorization": f"Bearer {sim.key}"}, timeout=60) as client:
        yield client


@pytest.fixture
def send(http: httpx.Client) -> Send:
    """Posts messages, as one object or as an array, to the webhook."""

    def post(*messages: object) -> httpx.Response:
        return http.post("/api/eventWebhook", json=messages[0] if len(messages) == 1 else messages)

    return post


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or ""
    if not Path(chromium).is_file():
        pytest.skip("no chromium on this machine")
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-quic"])
        yield browser
        browser.close()
