"""What arrived at the simulator, look by look, and which traits it should have been."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import httpx
import orjson

from candu_sync.simulator import Simulator

Traits = dict[str, Any]


class Inbox:
    """The messages that the simulator accepted since the last look."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._seen = self._arrived()

    def look(self) -> dict[str, list[dict[str, Any]]]:
        """The new messages as they were sent, in order of arrival, by type."""
        arrived = self._arrived()
        new = arrived - self._seen
        self._seen = arrived
        answer = httpx.get(f"{self._simulator.page}_sim/messages", params={"limit": new}, timeout=30, verify=False)
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for message in reversed(orjson.loads(answer.content)["messages"]):
            found[message["type"]].append(message["payload"])
        return found

    def _arrived(self) -> int:
        return sum(self._simulator.stats()["messages"].values())


def traits_sent(messages: list[dict[str, Any]], key: str = "userId") -> dict[str, Traits]:
    """The traits of each message by its user or group, each of which is sent once at most."""
    received = {message[key]: message["traits"] for message in messages}
    assert len(received) == len(messages)
    return received


def changed(before: Mapping[str, Traits], after: Mapping[str, Traits]) -> dict[str, Traits]:
    """The users or groups that must be sent, with the traits that differ; a null that was never sent is not sent."""
    differing = {key: {name: value for name, value in traits.items() if before.get(key, {}).get(name) != value}
                 for key, traits in after.items() if traits != before.get(key)}
    return {key: traits for key, traits in differing.items() if traits}


def types(traits: Mapping[str, Traits]) -> dict[str, str]:
    """Trait → its JSON type, or types: True equals 1 in Python, and is another value for Candu."""
    names = {bool: "boolean", int: "number", float: "number", str: "string", type(None): "null"}
    found: dict[str, set[str]] = defaultdict(set)
    for row in traits.values():
        for name, value in row.items():
            found[name].add(names[type(value)])
    return {name: " or ".join(sorted(kinds)) for name, kinds in found.items()}
