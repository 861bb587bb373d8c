"""A running simulator for each test, and a client that holds its key."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from candu_sync.simulator import Simulator
from tests.simulator.messages import Send


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def http(sim: Simulator) -> Iterator[httpx.Client]:
    """A client of the simulator's root, with the right key."""
    with httpx.Client(base_url=sim.page, headers={"authorization": f"Bearer {sim.key}"}, timeout=5) as client:
        yield client


@pytest.fixture
def send(http: httpx.Client) -> Send:
    """Posts messages, as one object or as an array, to the webhook."""

    def post(*messages: object) -> httpx.Response:
        return http.post("/api/eventWebhook", json=messages[0] if len(messages) == 1 else messages)

    return post
