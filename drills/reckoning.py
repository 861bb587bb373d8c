"""What Candu has, beside what the warehouse says that it must have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from candu_sync.simulator import Simulator
from drills.machines import Machines
from drills.people import VISITS, Warehouse


@dataclass
class Reckoning:
    """Counts over all rounds.

    Attributes:
        messages: that arrived, by kind.
        twice: of them, those that arrived again within a round.
        unnamed: events that arrived again, and that the state does not list as uncertain.
        lost: users, groups, memberships and events that Candu does not have.
        wrong: users, groups and events that it has with other values than the warehouse, and what it should not have.
        left: messages that a plan finds after the last round.
        examples: a few of the lost and the wrong, without values.
    """

    messages: Counter[str] = field(default_factory=Counter)
    twice: Counter[str] = field(default_factory=Counter)
    unnamed: int = 0
    lost: int = 0
    wrong: int = 0
    left: int = 0
    examples: list[str] = field(default_factory=list)
    _users: dict[str, Any] = field(default_factory=dict)
    _seen: int = 0

    def of_round(self, warehouse: Warehouse, simulator: Simulator, machines: Machines) -> None:
        """Compare, after all runs of a round have ended."""
        self._arrivals(simulator)
        self._users = warehouse.users(self._users)
        self._compare("user", self._users, simulator.users())
        self._compare("group", warehouse.teams(), simulator.groups())
        self._compare("membership", dict.fromkeys(warehouse.members()), dict.fromkeys(simulator.members()))
        events = simulator.events()
        self._compare("event", warehouse.visits(),
                      {each["properties"]["visit"]: (each["user_id"], each["properties"]["pages"]) for each in events})
        often = Counter(each["properties"]["visit"] for each in events)
        again = {visit for visit, times in often.items() if times > 1}
        if again:
            self.unnamed = len(again - machines.uncertain(VISITS))

    def _arrivals(self, simulator: Simulator) -> None:
        fresh = [each for each in simulator.messages() if each["id"] > self._seen]
        self._seen = max([self._seen, *(each["id"] for each in fresh)])
        self.messages += Counter(each["type"] for each in fresh)
        arrived = Counter((each["type"], each["user_id"], each["group_id"],
                           each["payload"].get("properties", {}).get("visit")) for each in fresh)
        for (kind, *_), times in arrived.items():
            self.twice[kind] += times - 1

    def _compare(self, what: str, expected: Mapping[Any, Any], found: Mapping[Any, Any]) -> None:
        lost = [key for key in expected if key not in found]
        wrong = [key for key, value in found.items() if key not in expected or expected[key] != value]
        self.lost += len(lost)
        self.wrong += len(wrong)
        self.examples += [f"{what} {key} is lost" for key in lost[:3]] + [f"{what} {key} is wrong" for key in wrong[:3]]
